"""JoinRequest: an organisation asks somebody who has an account already to join.

Until they accept, the organisation has a placeholder: an account that nobody owns, with
the name and the address that the administrator typed. What is done there reaches nobody's account,
and looks exactly as it does for somebody new: adding tells nobody who has an account.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    Row,
    and_,
    exists,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

import keys
from accounts.identity import cannot_sign_in
from accounts.models import Account, Membership, Organisation
from accounts.password_link import INVITED
from db import Model, db
from mail.outbox import Outbox

LIFE = INVITED
"""From the latest mail to the answer: as long as somebody new has."""
PER_HOUR, PER_DAY = 3, 10
"""Mails that ask one person, of all organisations together; more are not sent, untold."""
KINDS = ("join_request", "join_request_first", "invitation")
"""Mails that ask a person."""
IS_OPEN = text("accepted_at IS NULL")


class JoinRequest(Model):
    """What one organisation asks of one person, dated."""

    __tablename__ = "join_requests"
    __table_args__ = (
        Index(
            "uq_join_requests_open",
            "account_id",
            "organisation_id",
            unique=True,
            sqlite_where=IS_OPEN,
            postgresql_where=IS_OPEN,
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    """Who is asked."""
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    placeholder_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"), unique=True)
    """What the organisation has until they accept."""
    asked_at: Mapped[datetime]
    """When they were mailed last."""
    accepted_at: Mapped[datetime | None]
    declined_at: Mapped[datetime | None]
    """When they said no: the organisation is not told, and they get no more mails of it."""


@dataclass(frozen=True)
class Asked:
    """Somebody who has an account, as far as asking them needs to know."""

    account: Account
    is_here: bool
    may_be_mailed: bool
    can_sign_in: bool


def known(addresses: set[str], organisation_id: int, at: datetime) -> dict[str, Asked]:
    """Return who of these addresses has an account; one statement, however many they are."""
    is_member = exists().where(
        Membership.account_id == Account.id, Membership.organisation_id == organisation_id
    )
    is_asked = exists().where(
        JoinRequest.account_id == Account.id,
        JoinRequest.organisation_id == organisation_id,
        JoinRequest.accepted_at.is_(None),
    )
    query = select(Account, is_member | is_asked, _may_be_mailed(at), ~cannot_sign_in())
    rows = db.session.execute(query.where(Account.email.in_(addresses)))
    return {row[0].email: Asked(*row) for row in rows}


def of_placeholder(account_id: int, at: datetime) -> Asked | None:
    """Return whom a placeholder stands for, or None for an account of somebody."""
    may_be_mailed = and_(JoinRequest.declined_at.is_(None), _may_be_mailed(at))
    row = db.session.execute(
        select(Account, may_be_mailed, ~cannot_sign_in())
        .join(JoinRequest, JoinRequest.account_id == Account.id)
        .where(JoinRequest.placeholder_id == account_id)
    ).one_or_none()
    return Asked(row[0], True, row[1], row[2]) if row is not None else None


def placeholder_columns(address: str) -> dict[str, Any]:
    """Return what makes the row of an account a placeholder for who has this address.

    Its own address is none that anybody can type: no look-up finds it.
    """
    return {"email": f"placeholder {keys.token()}", "asked_email": address}


def make_all(asked: dict[int, Asked], organisation_id: int, at: datetime) -> None:
    """Ask many at once: each by the id of their placeholder."""
    rows = [
        {
            "account_id": one.account.id,
            "organisation_id": organisation_id,
            "placeholder_id": placeholder_id,
            "asked_at": at,
        }
        for placeholder_id, one in asked.items()
    ]
    if rows:
        db.session.execute(insert(JoinRequest), rows)


def ask_again(placeholder_id: int, at: datetime) -> None:
    """Let the request live anew from a mail on."""
    db.session.execute(
        update(JoinRequest)
        .where(JoinRequest.placeholder_id == placeholder_id)
        .values(asked_at=at)
        .execution_options(synchronize_session=False)
    )


def open_to(account_id: int, at: datetime) -> list[Row[*tuple[Any, ...]]]:
    """Return what a person is asked now: id of the request, name of the organisation, role."""
    return list(
        db.session.execute(
            select(JoinRequest.id, Organisation.name, Membership.role, JoinRequest.asked_at)
            .join(Organisation, Organisation.id == JoinRequest.organisation_id)
            .join(Membership, Membership.account_id == JoinRequest.placeholder_id)
            .where(JoinRequest.account_id == account_id, *is_open(at))
            .order_by(Organisation.name)
        )
    )


def is_open(at: datetime) -> tuple[ColumnElement[bool], ...]:
    """Whether a request can still be answered: not yet, not too late, and not taken back."""
    stands = exists().where(Account.id == JoinRequest.placeholder_id, Account.disabled_at.is_(None))
    return (
        JoinRequest.accepted_at.is_(None),
        JoinRequest.declined_at.is_(None),
        JoinRequest.asked_at > at - LIFE,
        stands,
    )


def _may_be_mailed(at: datetime) -> ColumnElement[bool]:
    """Whether a person may get another mail that asks, whichever organisation sends it."""
    asking = select(func.count()).where(Outbox.account_id == Account.id, Outbox.kind.in_(KINDS))
    in_hour, in_day = (
        asking.where(Outbox.made_at > at - span).correlate(Account).scalar_subquery()
        for span in (timedelta(hours=1), timedelta(days=1))
    )
    return and_(Account.disabled_at.is_(None), in_hour < PER_HOUR, in_day < PER_DAY)
