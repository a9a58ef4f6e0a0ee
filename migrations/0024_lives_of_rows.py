"""Rows that have had their day are found without reading all

Revision: 0024, after: 0023
"""

import sqlalchemy as sa
from alembic import op


revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None

HAS_ADDRESS = "address NOT IN ('', 'not kept')"
HAS_DEVICE = 'device_id IS NOT NULL'


def upgrade() -> None:
    op.create_index('ix_events_address_at', 'events', ['at'], unique=False, **_where(HAS_ADDRESS))
    op.create_index('ix_sign_ins_first_at', 'sign_ins', ['first_at'], unique=False)
    op.create_index('ix_sign_ins_device_id', 'sign_ins', ['device_id'], unique=False, **_where(HAS_DEVICE))
    op.create_index('ix_wizards_sign_in_id', 'wizards', ['sign_in_id'], unique=False)
    op.create_index('ix_outbox_made_at', 'outbox', ['made_at'], unique=False)


def _where(condition):
    return {'sqlite_where': sa.text(condition), 'postgresql_where': sa.text(condition)}


def downgrade() -> None:
    op.drop_index('ix_outbox_made_at', table_name='outbox')
    op.drop_index('ix_wizards_sign_in_id', table_name='wizards')
    op.drop_index('ix_sign_ins_device_id', table_name='sign_ins')
    op.drop_index('ix_sign_ins_first_at', table_name='sign_ins')
    op.drop_index('ix_events_address_at', table_name='events')
