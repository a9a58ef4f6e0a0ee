"""Mails that are tried again

Revision: 0003, after: 0002
"""

import sqlalchemy as sa
from alembic import op


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('outbox', sa.Column('tries', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('outbox', sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('outbox', sa.Column('next_try_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('accounts', sa.Column('reminders_off_at', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column('accounts', 'reminders_off_at')
    for column in ('next_try_at', 'expires_at', 'tries'):
        op.drop_column('outbox', column)
