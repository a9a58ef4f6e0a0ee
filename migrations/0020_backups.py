"""Backups that were made, and which keys they need

Revision: 0020, after: 0019
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'backups',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('file', sa.String(), nullable=False),
        sa.Column(
            'key_prints',
            sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_backups')),
    )


def downgrade() -> None:
    op.drop_table('backups')
