"""Reminders by mail: once a week where it is soft, once a day where it is a must.

A reminder is claimed by one UPDATE in the transaction that writes its mail, so
that nobody gets it twice in its period, however often this runs or wherever it dies.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Select, and_, exists, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Mapped, mapped_column

from accounts import events, unsubscribe
from accounts.identity import cannot_sign_in
from accounts.models import Account, Enforcement, Membership, Organisation
from accounts.policy import Demand, Policy, demand
from accounts.sign_in import SignIn
from accounts.visitor import SSO
from db import Model, add_if_new, db
from factors.authenticator import Authenticator
from mail import messages, outbox
from mail.message import Message

PERIOD = {Enforcement.SOFT: timedelta(days=7), Enforcement.HARD: timedelta(days=1)}
BY_HAND = timedelta(days=1)
"""How often an administrator's own reminder reaches somebody at most."""
SSO_ONLY = timedelta(days=30)
"""Whoever signed in by SSO only within this time is not reminded."""


class Reminder(Model):
    """When a person was last reminded."""

    __tablename__ = "reminders"
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    put_at: Mapped[datetime | None]


@dataclass(frozen=True)
class Due:
    """Somebody who is to be reminded, and of what."""

    account_id: int
    email: str
    name: str
    demand: Demand


def due(at: datetime) -> Iterator[Due]:
    """Yield everybody to whom a reminder is due now, in the order of their addresses."""
    yield from _due(_members(at), at, lambda asked: PERIOD[asked.level])


def _due(
    query: Select[*tuple[Any, ...]], at: datetime, period: Callable[[Demand], timedelta]
) -> Iterator[Due]:
    rows = db.session.execute(query).all()
    for key, theirs in groupby(rows, key=lambda row: tuple(row[:5])):
        account_id, email, name, put_at, off_at = key
        asked = demand(map(Policy.from_row, theirs), at)
        if asked is None or (off_at is not None and not asked.is_must):
            continue
        if put_at is None or put_at <= at - period(asked):
            yield Due(account_id, email, name, asked)


def due_now(organisation_id: int, at: datetime) -> Iterator[Due]:
    """Yield whom an administrator may remind of what their own organisation asks.

    Those got none within a day. What another organisation asks is not shown here.
    """
    theirs = _members(at).where(Organisation.id == organisation_id)
    yield from _due(theirs, at, lambda _: BY_HAND)


def put(person: Due, at: datetime) -> bool:
    """Remind one person, unless somebody has within the period; tell whether it was us."""
    return _put(person, PERIOD[person.demand.level], None, at)


def put_by_hand(person: Due, by: Account, at: datetime) -> bool:
    """Remind one person for an administrator, unless somebody has within a day."""
    return _put(person, BY_HAND, by.id, at)


def _put(person: Due, period: timedelta, by_id: int | None, at: datetime) -> bool:
    add_if_new(Reminder, account_id=person.account_id, put_at=None)
    earlier = at - period
    claimed = db.session.execute(
        update(Reminder)
        .where(
            Reminder.account_id == person.account_id,
            or_(Reminder.put_at.is_(None), Reminder.put_at <= earlier),
        )
        .values(put_at=at)
    )
    assert isinstance(claimed, CursorResult)
    if claimed.rowcount != 1:
        return False
    outbox.put(_message(person, at), person.account_id, person.email, at)
    level = str(person.demand.level)
    events.record("reminder", person.account_id, at, by=by_id, result=level)
    return True


def only_by_sso(at: datetime) -> ColumnElement[bool]:
    """Whether every sign-in of an account of the last 30 days was by SSO, and there was one."""
    recent = and_(SignIn.account_id == Account.id, SignIn.first_at > at - SSO_ONLY)
    by_sso = SignIn.first_factor.startswith(SSO)
    some = exists(select(SignIn.id).where(recent, by_sso).correlate(Account))
    other = exists(select(SignIn.id).where(recent, ~by_sso).correlate(Account))
    return and_(some, ~other)


def _message(person: Due, at: datetime) -> Message:
    asked = person.demand
    if asked.is_must:
        return messages.reminder_hard(person.name, asked.asked_by, at)
    link = unsubscribe.link(person.account_id)
    return messages.reminder_soft(person.name, asked.asked_by, asked.must_from, link, at)


def _members(at: datetime) -> Select[*tuple[Any, ...]]:
    """Select the people without two-factor whom an organisation asks, a row for each that does."""
    return (
        select(
            Account.id,
            Account.email,
            Account.name,
            Reminder.put_at,
            Account.reminders_off_at,
            *Policy.columns(),
        )
        .join(Membership, Membership.account_id == Account.id)
        .join(Organisation, Organisation.id == Membership.organisation_id)
        .outerjoin(Authenticator, Authenticator.is_bound_to(Account.id))
        .outerjoin(Reminder, Reminder.account_id == Account.id)
        .where(
            Organisation.enforcement != Enforcement.OFF,
            Authenticator.id.is_(None),
            Account.disabled_at.is_(None),
            ~cannot_sign_in(),
            ~only_by_sso(at),
        )
        .order_by(Account.email, Organisation.name)
    )
