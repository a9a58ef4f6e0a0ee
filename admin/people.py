"""The people of an organisation: a page of them, their numbers, all of them for a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, func, or_, select, tuple_

from accounts.identity import cannot_sign_in
from accounts.models import Account, Membership
from admin import standing
from admin.standing import State
from db import db
from factors.authenticator import Authenticator
from factors.throttle import Throttle

PAGE = 50
"""People on one page."""
CHUNK = 1000
"""People read at once for a file: memory does not grow with the organisation."""
LOCKED, DISABLED, INVITED = "locked", "disabled", "invited"
EXTRA = (LOCKED, DISABLED, INVITED)
"""What may be true beside the state."""
LONGEST = 100
"""Signs of a search that are read."""


@dataclass(frozen=True)
class Choice:
    """Which people are wanted; what is no state is none."""

    organisation_id: int
    state: str = ""
    search: str = ""
    after: int = 0


@dataclass(frozen=True)
class Page:
    """Some people in the order of their names, and where the next page begins."""

    people: list[Row[*tuple[Any, ...]]]
    next_after: int | None


def page(choice: Choice, at: datetime) -> Page:
    """Return the page that follows the person `after`; one statement, however many there are."""
    rows = list(db.session.execute(_wanted(choice, at, PAGE + 1)))
    more = len(rows) > PAGE
    return Page(rows[:PAGE], rows[PAGE - 1].id if more else None)


def everybody(choice: Choice, at: datetime) -> Iterator[Row[*tuple[Any, ...]]]:
    """Yield all wanted people, some at a time; no transaction stays open in between."""
    while True:
        rows = list(db.session.execute(_wanted(choice, at, CHUNK)))
        db.session.rollback()
        yield from rows
        if len(rows) < CHUNK:
            return
        choice = Choice(choice.organisation_id, choice.state, choice.search, rows[-1].id)
        del rows  # two parts are never held at once


def one(choice: Choice, account_id: int, at: datetime) -> Row[*tuple[Any, ...]]:
    """Return one person as the list shows them."""
    return db.session.execute(_told(choice, at, Account.id == account_id)).one()


def counts(organisation_id: int | None, at: datetime) -> dict[str, int]:
    """Return how many people there are in each state, in one statement.

    None: of everybody, each person once, those without an organisation included.
    """
    state = standing.state(at, organisation_id)
    locked = func.sum(case((standing.locked(at), 1), else_=0))
    invited = func.sum(case((cannot_sign_in(), 1), else_=0))
    extra = (locked, func.count(Account.disabled_at), invited)
    query = select(state, func.count(), *extra)
    if organisation_id is None:
        query = _with_factors(query.select_from(Account)).where(Account.are_people())
    else:
        query = _joined(query).where(Membership.organisation_id == organisation_id)
    rows = db.session.execute(query.group_by(state)).all()
    found: dict[str, int] = {s.value: 0 for s in State}
    found |= {row[0]: row[1] for row in rows}
    sums = {name: sum(row[place] for row in rows) for place, name in enumerate(("all", *EXTRA), 1)}
    return found | sums


def _wanted(choice: Choice, at: datetime, most: int) -> Select[*tuple[Any, ...]]:
    """Return the SELECT of the first of the wanted people, in the order of their names.

    They are picked before anything is told of them: otherwise PostgreSQL, which does not
    know that few are read, first gathers sign-ins and ties of the whole database.
    """
    picked = _joined(select(Account.id)).where(_is_of(choice), *_filters(choice, at))
    few = picked.order_by(Account.name, Account.id).limit(most).subquery()
    return _told(choice, at, Account.id.in_(select(few.c.id)))


def _told(choice: Choice, at: datetime, who: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Return the SELECT of what is shown of people, in the order of their names."""
    email = Account.shown_email.label("email")
    columns = (Account.id, Account.name, email, Account.disabled_at, Membership.role)
    facts = (
        cannot_sign_in().label("invited"),
        standing.state(at, choice.organisation_id).label("state"),
        standing.locked(at).label("locked"),
        standing.codes_left().label("codes_left"),
        standing.has_email().label("has_email"),
        standing.last_sign_in().label("last_sign_in"),
    )
    query = _joined(select(*columns, *facts)).where(_is_of(choice), who)
    return query.order_by(Account.name, Account.id)


def _is_of(choice: Choice) -> ColumnElement[bool]:
    return Membership.organisation_id == choice.organisation_id


def _joined(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    people = query.select_from(Membership).join(Account, Account.id == Membership.account_id)
    return _with_factors(people)


def _with_factors(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return query.join(Throttle, Throttle.account_id == Account.id).outerjoin(
        Authenticator, Authenticator.is_bound_to(Account.id)
    )


def _filters(choice: Choice, at: datetime) -> Iterator[ColumnElement[bool]]:
    if choice.state == DISABLED:
        yield Account.disabled_at.is_not(None)
    elif choice.state == LOCKED:
        yield standing.locked(at)
    elif choice.state == INVITED:
        yield cannot_sign_in()
    elif choice.state in set(State):
        yield standing.state(at, choice.organisation_id) == choice.state
    if words := choice.search.strip()[:LONGEST]:
        yield or_(
            Account.name.icontains(words, autoescape=True),
            Account.shown_email.icontains(words, autoescape=True),
        )
    if choice.after:
        # Read here alone: a place among own people would tell a stranger's name.
        named = select(Account.name).join(Membership, Membership.account_id == Account.id)
        name = named.where(Account.id == choice.after, _is_of(choice)).scalar_subquery()
        yield tuple_(Account.name, Account.id) > tuple_(name, choice.after)
