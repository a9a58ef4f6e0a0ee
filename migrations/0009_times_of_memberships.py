"""Times of memberships: an event concerns who was there at that moment

Revision: 0009, after: 0008
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

AT_ONCE = timedelta(minutes=1)
"""Who became a member so soon after the account was made had it made for that organisation."""


def upgrade() -> None:
    op.create_table('past_memberships',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('organisation_id', sa.Integer(), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), nullable=False),
    sa.Column('until', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_past_memberships_account_id_accounts')),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisations.id'], name=op.f('fk_past_memberships_organisation_id_organisations')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_past_memberships'))
    )
    op.create_index('ix_past_memberships_account_id', 'past_memberships', ['account_id', 'organisation_id'], unique=False)
    op.create_index('ix_past_memberships_organisation_id', 'past_memberships', ['organisation_id'], unique=False)
    _begin_with_the_account()
    _give_invitations_their_organisation()


def _begin_with_the_account() -> None:
    """Let a membership begin with the account that was made for it, not moments after.

    Otherwise the event that tells of the account came before the membership.
    """
    members = sa.table('memberships', sa.column('account_id', sa.Integer), sa.column('organisation_id', sa.Integer), sa.column('since', sa.DateTime(timezone=True)))
    accounts = sa.table('accounts', sa.column('id', sa.Integer), sa.column('created_at', sa.DateTime(timezone=True)))
    query = sa.select(members.c.account_id, members.c.organisation_id, members.c.since, accounts.c.created_at).join(accounts, accounts.c.id == members.c.account_id).where(members.c.since > accounts.c.created_at)
    late = [{'a': row[0], 'o': row[1], 'at': row[3]} for row in op.get_bind().execute(query) if _utc(row[2]) - _utc(row[3]) < AT_ONCE]
    if late:
        op.get_bind().execute(members.update().where(members.c.account_id == sa.bindparam('a'), members.c.organisation_id == sa.bindparam('o')).values(since=sa.bindparam('at')), late)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _give_invitations_their_organisation() -> None:
    """An invitation concerns the organisation that it names, and no other."""
    theirs = 'SELECT id FROM organisations WHERE organisations.name = events.result'
    op.execute(f"UPDATE events SET organisation_id = ({theirs}) WHERE kind = 'invited' AND organisation_id IS NULL AND EXISTS ({theirs})")


def downgrade() -> None:
    op.drop_table('past_memberships')
