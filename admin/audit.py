"""The audit log of an organisation: what happened to its people, the newest first (S-176)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, or_, select
from sqlalchemy.orm import aliased

from accounts.events import Event
from accounts.models import Account, Membership
from db import db

PAGE = 50
"""Events on one page."""
CHUNK = 1000
"""Events read at once for a file: memory does not grow with the log."""
LONGEST = 100
"""Signs of a search that are read."""


@dataclass(frozen=True)
class Choice:
    """Which events are wanted; None and "" stand for all."""

    organisation_id: int
    kind: str = ""
    account_id: int | None = None
    search: str = ""
    since: date | None = None
    until: date | None = None
    before: int | None = None


@dataclass(frozen=True)
class Page:
    """Some events and where the next page begins."""

    events: list[Row[*tuple[Any, ...]]]
    next_before: int | None


def page(choice: Choice) -> Page:
    """Return the events older than `before`; one statement, however many there are."""
    rows = list(db.session.execute(_wanted(choice).limit(PAGE + 1)))
    more = len(rows) > PAGE
    return Page(rows[:PAGE], rows[PAGE - 1].id if more else None)


def everything(choice: Choice) -> Iterator[Row[*tuple[Any, ...]]]:
    """Yield all wanted events, some at a time; no transaction stays open in between."""
    while True:
        rows = list(db.session.execute(_wanted(choice).limit(CHUNK)))
        db.session.rollback()
        yield from rows
        if len(rows) < CHUNK:
            return
        choice = replace(choice, before=rows[-1].id)
        del rows  # two parts are never held at once


def of_person(account_id: int, most: int) -> list[Row[*tuple[Any, ...]]]:
    """Return the newest events of one person."""
    return list(db.session.execute(_facts().where(Event.account_id == account_id).limit(most)))


def _facts() -> Select[*tuple[Any, ...]]:
    """Return the SELECT of events with the names of whom they concern and who did it."""
    by = aliased(Account)
    told = (Event.id, Event.at, Event.kind, Event.factor, Event.result, Event.reason)
    origin = (Event.address, Event.browser, Event.system, Event.account_id)
    people = (Account.name, Account.email, by.name.label("by_name"), by.email.label("by_email"))
    return (
        select(*told, *origin, *people)
        .outerjoin(Account, Account.id == Event.account_id)
        .outerjoin(by, by.id == Event.by_account_id)
        .order_by(Event.id.desc())
    )


def _wanted(choice: Choice) -> Select[*tuple[Any, ...]]:
    member = select(Membership.account_id).where(
        Membership.account_id == Event.account_id,
        Membership.organisation_id == choice.organisation_id,
    )
    of_nobody_else = and_(Event.organisation_id.is_(None), member.exists())
    concerns = or_(of_nobody_else, Event.organisation_id == choice.organisation_id)
    return _facts().where(concerns, *_filters(choice))


def _filters(choice: Choice) -> Iterator[ColumnElement[bool]]:
    if choice.kind:
        yield Event.kind == choice.kind
    if choice.account_id is not None:
        yield Event.account_id == choice.account_id
    if words := choice.search.strip()[:LONGEST]:
        yield _named(words)
    if choice.since is not None:
        yield Event.at >= _midnight(choice.since)
    if choice.until is not None:
        yield Event.at < _midnight(choice.until) + timedelta(days=1)
    if choice.before is not None:
        yield Event.id < choice.before


def _named(words: str) -> ColumnElement[bool]:
    """Whom it concerns, or who did it, has these letters in the name or address."""
    found = or_(
        Account.name.icontains(words, autoescape=True),
        Account.email.icontains(words, autoescape=True),
    )
    people = select(Account.id).where(found).scalar_subquery()
    return or_(Event.account_id.in_(people), Event.by_account_id.in_(people))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
