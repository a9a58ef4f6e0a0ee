"""Demands that were met: a sign-in by SSO tells whether anything was demanded of its provider

Revision: 0013, after: 0012
"""

import sqlalchemy as sa
from alembic import op


revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of sign-ins from before nobody knows what was demanded then: they met nothing.
    for table in ('sign_ins', 'sso_trips'):
        op.add_column(table, sa.Column('demand_met_at', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for table in ('sso_trips', 'sign_ins'):
        op.drop_column(table, 'demand_met_at')
