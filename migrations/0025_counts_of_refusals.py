"""Refusals of nobody are counted

Revision: 0025, after: 0024
"""

import sqlalchemy as sa
from alembic import op


revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None

KEY = ('hour', 'network', 'kind', 'factor', 'result')


def upgrade() -> None:
    op.create_table(
        'refusal_counts',
        sa.Column('hour', sa.DateTime(timezone=True), nullable=False),
        sa.Column('network', sa.String(), nullable=False),
        sa.Column('kind', sa.String(), nullable=False),
        sa.Column('factor', sa.String(), nullable=False),
        sa.Column('result', sa.String(), nullable=False),
        sa.Column('times', sa.Integer(), nullable=False),
        sa.CheckConstraint('length(network) <= 100', name=op.f('ck_refusal_counts_network')),
        sa.CheckConstraint('length(factor) <= 100', name=op.f('ck_refusal_counts_factor')),
        sa.CheckConstraint('length(result) <= 500', name=op.f('ck_refusal_counts_result')),
        sa.PrimaryKeyConstraint(*KEY, name=op.f('pk_refusal_counts')),
    )


def downgrade() -> None:
    op.drop_table('refusal_counts')
