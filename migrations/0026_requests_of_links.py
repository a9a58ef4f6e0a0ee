"""Requests of links for forgotten passwords, done after the answer

Revision: 0026, after: 0025
"""

import sqlalchemy as sa
from alembic import op


revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'link_requests',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('seal_id', sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column('sealed_request', sa.String(), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_link_requests')),
    )
    op.create_index(op.f('ix_link_requests_seal_id'), 'link_requests', ['seal_id'], unique=True)


def downgrade() -> None:
    op.drop_table('link_requests')
