"""Join requests: who has an account elsewhere is asked

Revision: 0016, after: 0015
"""

import sqlalchemy as sa
from alembic import op


revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('accounts', sa.Column('asked_email', sa.String(), nullable=True))
    op.create_table('join_requests',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('organisation_id', sa.Integer(), nullable=False),
    sa.Column('placeholder_id', sa.Integer(), nullable=True),
    sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('accepted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('declined_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_join_requests_account_id_accounts')),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisations.id'], name=op.f('fk_join_requests_organisation_id_organisations')),
    sa.ForeignKeyConstraint(['placeholder_id'], ['accounts.id'], name=op.f('fk_join_requests_placeholder_id_accounts')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_join_requests')),
    sa.UniqueConstraint('placeholder_id', name=op.f('uq_join_requests_placeholder_id'))
    )
    is_open = sa.text('accepted_at IS NULL')
    op.create_index('uq_join_requests_open', 'join_requests', ['account_id', 'organisation_id'], unique=True, sqlite_where=is_open, postgresql_where=is_open)
    op.create_index(op.f('ix_join_requests_organisation_id'), 'join_requests', ['organisation_id'], unique=False)
    by = sa.text('by_account_id IS NOT NULL')
    op.create_index('ix_events_by_account_id', 'events', ['by_account_id'], unique=False, sqlite_where=by, postgresql_where=by)


def downgrade() -> None:
    op.drop_index('ix_events_by_account_id', table_name='events')
    op.drop_table('join_requests')
    op.drop_column('accounts', 'asked_email')
