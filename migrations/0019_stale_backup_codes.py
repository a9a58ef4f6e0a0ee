"""Backup codes that an old copy of the database has made stale

Revision: 0019, after: 0018
"""

import sqlalchemy as sa
from alembic import op


revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('backup_codes', sa.Column('stale_at', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column('backup_codes', 'stale_at')
