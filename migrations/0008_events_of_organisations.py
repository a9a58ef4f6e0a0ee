"""Events of organisations: what concerns one of them, and no other

Revision: 0008, after: 0007
"""

import sqlalchemy as sa
from alembic import op


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('events', sa.Column('organisation_id', sa.Integer(), nullable=True))
    op.create_index(op.f('ix_events_organisation_id'), 'events', ['organisation_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_events_organisation_id'), table_name='events')
    op.drop_column('events', 'organisation_id')
