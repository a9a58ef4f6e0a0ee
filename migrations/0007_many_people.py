"""Many people: every app of a person is found without reading all apps

Revision: 0007, after: 0006
"""

from alembic import op


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f('ix_authenticators_account_id'), 'authenticators', ['account_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_authenticators_account_id'), table_name='authenticators')
