"""The pepper of each list of backup codes, and since when the database knows each key

Revision: 0023, after: 0022
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'backup_codes',
        sa.Column('pepper_id', sa.Integer(), server_default='1', nullable=False),
    )
    op.add_column(
        'installation',
        sa.Column(
            'key_times',
            sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'),
            nullable=True,
        ),
    )


def downgrade() -> None:
    op.drop_column('installation', 'key_times')
    op.drop_column('backup_codes', 'pepper_id')
