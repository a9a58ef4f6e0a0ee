"""Administration: who did it and why, reset codes, people in the order of their names

Revision: 0005, after: 0004
"""

import sqlalchemy as sa
from alembic import op


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A foreign key is added to a table of SQLite only by making the table anew.
    with op.batch_alter_table('events') as events:
        events.add_column(sa.Column('by_account_id', sa.Integer(), nullable=True))
        events.add_column(sa.Column('reason', sa.String(), nullable=True))
        events.create_foreign_key(op.f('fk_events_by_account_id_accounts'), 'accounts', ['by_account_id'], ['id'])
    op.add_column('accounts', sa.Column('reset_digest', sa.LargeBinary(), nullable=True))
    op.add_column('accounts', sa.Column('reset_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('sign_ins', sa.Column('reset_code_at', sa.DateTime(timezone=True), nullable=True))
    op.create_index('ix_accounts_name', 'accounts', ['name', 'id'], unique=False)
    op.create_index(op.f('ix_memberships_organisation_id'), 'memberships', ['organisation_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_memberships_organisation_id'), table_name='memberships')
    op.drop_index('ix_accounts_name', table_name='accounts')
    op.drop_column('sign_ins', 'reset_code_at')
    op.drop_column('accounts', 'reset_at')
    op.drop_column('accounts', 'reset_digest')
    with op.batch_alter_table('events') as events:
        events.drop_constraint(op.f('fk_events_by_account_id_accounts'), type_='foreignkey')
        events.drop_column('reason')
        events.drop_column('by_account_id')
