"""How protection grows: who had two-factor when, and where set-ups end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_babel import LazyString, lazy_gettext
from sqlalchemy import ColumnElement, and_, case, distinct, func, or_, select

from accounts.events import Event
from accounts.models import Account, Membership, Organisation
from accounts.past_membership import was_member
from db import db
from factors.authenticator import Authenticator

POINTS = 13
"""Moments that the chart shows: a quarter by weeks, or the first days one by one."""
DAY, WEEK = timedelta(days=1), timedelta(days=7)
SINCE = timedelta(days=90)
"""How far back set-ups are counted."""
FINISHED, VOIDED, RESUMED = (f"{word}: set-up" for word in ("finished", "voided", "resumed"))

STEPS: dict[str, LazyString] = {
    "scan": lazy_gettext("Scan the QR code"),
    "verify": lazy_gettext("Enter the code from the app"),
    "backup": lazy_gettext("Choose a backup way"),
    "codes": lazy_gettext("Save the backup codes"),
    "email": lazy_gettext("Give a backup email"),
    "email_code": lazy_gettext("Confirm the backup email"),
}
REASONS: dict[str, LazyString] = {
    "loaded": lazy_gettext("opened again or reloaded"),
    "back": lazy_gettext("went back"),
    "left": lazy_gettext("left the page"),
    "expired": lazy_gettext("took too long"),
    "second": lazy_gettext("started in another tab"),
    "asked": lazy_gettext("asked for a new QR code"),
    "wrong codes": lazy_gettext("too many wrong codes"),
    "restored": lazy_gettext("an older copy was put back"),
    "unreadable": lazy_gettext("could not be read"),
}


@dataclass(frozen=True)
class Point:
    """How many people there were at one moment, and how many had two-factor on."""

    at: datetime
    protected: int
    people: int


@dataclass(frozen=True)
class Ends:
    """What became of set-ups; `voided` by step and reason, most first."""

    finished: int
    voided: list[tuple[str, str, int]]

    @property
    def early(self) -> int:
        """How many ended before their end."""
        return sum(count for _, _, count in self.voided)

    @property
    def most(self) -> int:
        return max((count for _, _, count in self.voided), default=0)


def over_time(organisation: Organisation, at: datetime) -> list[Point]:
    """Return the points of the chart in two statements, whatever the number of people."""
    step = DAY if organisation.created_at > at - POINTS * DAY else WEEK
    moments = [at - step * back for back in reversed(range(POINTS))]
    protected = select(*(_protected(moment) for moment in moments)).join(
        Authenticator, Authenticator.account_id == Membership.account_id
    )
    people = select(*(func.count(case((_there(moment), 1))) for moment in moments))
    counts = [_of(query, organisation) for query in (protected, people)]
    return [Point(*values) for values in zip(moments, *counts, strict=True)]


def _of(query: Any, organisation: Organisation) -> tuple[int, ...]:
    query = query.select_from(Membership).join(Account, Account.id == Membership.account_id)
    row = db.session.execute(query.where(Membership.organisation_id == organisation.id)).one()
    return tuple(row)


def _there(moment: datetime) -> ColumnElement[bool]:
    """Somebody was in the organisation at that moment and could sign in."""
    is_open = or_(Account.disabled_at.is_(None), Account.disabled_at > moment)
    return and_(Membership.since <= moment, is_open)


def _protected(moment: datetime) -> ColumnElement[int]:
    bound = and_(
        Authenticator.bound_at <= moment,
        or_(Authenticator.revoked_at.is_(None), Authenticator.revoked_at > moment),
    )
    return func.count(distinct(case((and_(bound, _there(moment)), Account.id))))


def ends(organisation: Organisation, at: datetime) -> Ends:
    """Return where the set-ups of the last months ended; a resumed one did not end."""
    rows = db.session.execute(
        select(Event.kind, Event.factor, Event.result, func.count())
        .where(Event.kind.in_((FINISHED, VOIDED, RESUMED)), Event.at > at - SINCE)
        .where(was_member(Event.account_id, Event.at, organisation.id))
        .group_by(Event.kind, Event.factor, Event.result)
    ).all()
    finished = 0
    voided: dict[tuple[str, str], int] = {}
    for kind, factor, result, count in rows:
        if kind == FINISHED:
            finished += count
            continue
        place = (factor or "", result)
        voided[place] = voided.get(place, 0) + (count if kind == VOIDED else -count)
    lines = sorted(((*place, n) for place, n in voided.items() if n > 0), key=lambda one: -one[2])
    return Ends(finished, lines)
