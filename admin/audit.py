"""The audit log of an organisation: what happened to its people, the newest first (S-176)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, false, or_, select
from sqlalchemy.orm import aliased

from accounts.events import Event
from accounts.models import Account, Membership
from accounts.past_membership import was_member
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


def of_person(organisation_id: int, account_id: int, most: int) -> list[Row[*tuple[Any, ...]]]:
    """Return the newest events of one person that concern the organisation."""
    choice = Choice(organisation_id, account_id=account_id)
    return list(db.session.execute(_wanted(choice).limit(most)))


def concerns(organisation_id: int) -> ColumnElement[bool]:
    """Whether an event is one of the organisation: its own, or one of somebody then in it.

    Not in the form of an OR: for that SQLite gathers and sorts the whole log for each page.
    """
    of_member = was_member(Event.account_id, Event.at, organisation_id)
    is_own = Event.organisation_id == organisation_id
    return case((Event.organisation_id.is_(None), of_member), else_=is_own)


def _facts(organisation_id: int) -> Select[*tuple[Any, ...]]:
    """Return the SELECT of events with the names of whom they concern and who did it.

    Of an administrator of another organisation nothing is read but that it was one.
    """
    by = aliased(Account)
    by_foreigner = and_(Event.by_account_id.is_not(None), by.id.is_(None))
    told = (Event.id, Event.at, Event.kind, Event.factor, Event.result, Event.reason)
    origin = [
        case((~by_foreigner, column)).label(column.key)
        for column in (Event.address, Event.browser, Event.system)
    ]
    people = (Event.account_id, Account.name, Account.shown_email.label("email"))
    names = (by.name.label("by_name"), by.email.label("by_email"))
    is_here = exists().where(
        Membership.account_id == Event.account_id, Membership.organisation_id == organisation_id
    )
    marks = (by_foreigner.label("by_foreigner"), is_here.label("is_here"))
    return (
        select(*told, *origin, *people, *names, *marks)
        .outerjoin(Account, Account.id == Event.account_id)
        .outerjoin(by, and_(by.id == Event.by_account_id, _by_ours(organisation_id)))
        .order_by(Event.id.desc())
    )


def _by_ours(organisation_id: int) -> ColumnElement[bool]:
    """Whether who did it was then in this organisation: others have no name here."""
    return was_member(Event.by_account_id, Event.at, organisation_id)


def _wanted(choice: Choice) -> Select[*tuple[Any, ...]]:
    organisation_id = choice.organisation_id
    wanted = concerns(organisation_id)
    if words := choice.search.strip()[:LONGEST]:
        # In this order: few events are of who is searched for, and who was where is dear to ask.
        wanted = case((_named(words, organisation_id), wanted), else_=false())
    return _facts(organisation_id).where(wanted, *_filters(choice))


def _filters(choice: Choice) -> Iterator[ColumnElement[bool]]:
    if choice.kind:
        yield Event.kind == choice.kind
    if choice.account_id is not None:
        yield Event.account_id == choice.account_id
    if choice.since is not None:
        yield Event.at >= _midnight(choice.since)
    if choice.until is not None:
        yield Event.at < _midnight(choice.until) + timedelta(days=1)
    if choice.before is not None:
        yield Event.id < choice.before


def _named(words: str, organisation_id: int) -> ColumnElement[bool]:
    """Whom it concerns, or who of here did it, has these letters in the name or address."""
    found = or_(
        Account.name.icontains(words, autoescape=True),
        Account.shown_email.icontains(words, autoescape=True),
    )
    people = select(Account.id).where(found).scalar_subquery()
    by_known = and_(Event.by_account_id.in_(people), _by_ours(organisation_id))
    return or_(Event.account_id.in_(people), by_known)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
