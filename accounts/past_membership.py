"""Memberships that ended, and which events concern an organisation because of a membership.

An event concerns every organisation that the person was in at that moment, and no
other: not one joined later, and still one that was left since (S-176).
"""

from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    SQLColumnExpression,
    delete,
    exists,
    or_,
)
from sqlalchemy.orm import Mapped, mapped_column

from accounts.models import Membership
from db import Model, db


class PastMembership(Model):
    """From when until when somebody was in an organisation that they left."""

    __tablename__ = "past_memberships"
    __table_args__ = (
        Index("ix_past_memberships_account_id", "account_id", "organisation_id"),
        Index("ix_past_memberships_organisation_id", "organisation_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    since: Mapped[datetime]
    until: Mapped[datetime]


def was_member(
    account_id: SQLColumnExpression[int | None],
    at: SQLColumnExpression[datetime],
    organisation_id: int,
) -> ColumnElement[bool]:
    """Whether somebody was in the organisation at a moment; both are columns of the statement."""
    here = exists().where(
        Membership.account_id == account_id,
        Membership.organisation_id == organisation_id,
        Membership.since <= at,
    )
    left = exists().where(
        PastMembership.account_id == account_id,
        PastMembership.organisation_id == organisation_id,
        PastMembership.since <= at,
        PastMembership.until > at,
    )
    return or_(here, left)


def end(account_id: int, organisation_id: int, at: datetime) -> bool:
    """End a membership and keep its time; tell whether there was one. One DELETE decides."""
    ended = delete(Membership).where(
        Membership.account_id == account_id, Membership.organisation_id == organisation_id
    )
    since = db.session.scalar(
        ended.returning(Membership.since), execution_options={"synchronize_session": False}
    )
    if since is None:
        return False
    ids = {"account_id": account_id, "organisation_id": organisation_id}
    db.session.add(PastMembership(**ids, since=since, until=at))
    return True
