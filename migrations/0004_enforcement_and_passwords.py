"""Deadlines of organisations, reminders, links to choose a password, purposes of mailed codes

Revision: 0004, after: 0003
"""

import sqlalchemy as sa
from alembic import op


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('organisations', sa.Column('hard_from', sa.DateTime(timezone=True), nullable=True))
    op.add_column('organisations', sa.Column('grace_days', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('memberships', sa.Column('since', sa.DateTime(timezone=True), nullable=True))
    # Nothing tells when somebody joined: they can't have before the account was made.
    op.execute('UPDATE memberships SET since = (SELECT created_at FROM accounts WHERE accounts.id = memberships.account_id)')
    with op.batch_alter_table('memberships') as memberships:
        memberships.alter_column('since', existing_type=sa.DateTime(timezone=True), nullable=False)
    op.add_column('sign_ins', sa.Column('let_through', sa.String(), nullable=True))
    op.add_column('email_codes', sa.Column('purpose', sa.String(), nullable=False, server_default='sign in'))
    op.add_column('throttles', sa.Column('lifted_at', sa.DateTime(timezone=True), nullable=True))
    op.create_table('reminders',
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('put_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_reminders_account_id_accounts')),
    sa.PrimaryKeyConstraint('account_id', name=op.f('pk_reminders'))
    )
    op.create_table('password_links',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('purpose', sa.String(length=20), nullable=False),
    sa.Column('token_hash', sa.String(), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_password_links_account_id_accounts')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_password_links')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_password_links_token_hash'))
    )
    op.create_index(op.f('ix_password_links_account_id'), 'password_links', ['account_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_password_links_account_id'), table_name='password_links')
    op.drop_table('password_links')
    op.drop_table('reminders')
    op.drop_column('throttles', 'lifted_at')
    op.drop_column('email_codes', 'purpose')
    op.drop_column('sign_ins', 'let_through')
    op.drop_column('memberships', 'since')
    op.drop_column('organisations', 'grace_days')
    op.drop_column('organisations', 'hard_from')
