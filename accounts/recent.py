"""The last things that happened to an account, in words for its owner."""

from dataclasses import dataclass
from datetime import datetime

from flask_babel import LazyString, lazy_gettext
from sqlalchemy import select

from accounts.event_names import NAMES, REFUSED
from accounts.events import Event
from db import db

MOST = 10


@dataclass(frozen=True)
class Happening:
    """One event as its owner reads it; `by` says who did it, if it was not they themselves."""

    what: LazyString | str
    at: datetime
    by: LazyString | str
    browser: str
    system: str


def happenings(account_id: int) -> list[Happening]:
    """Return the last events of an account, the newest first."""
    rows = db.session.scalars(
        select(Event).where(Event.account_id == account_id).order_by(Event.id.desc()).limit(MOST)
    )
    return [_happening(row) for row in rows]


def _happening(event: Event) -> Happening:
    """Return the event without the browser of somebody else: it would look like a thief's."""
    by = _by(event)
    browser, system = ("", "") if by else (event.browser, event.system)
    return Happening(_words(event), event.at, by, browser, system)


def _by(event: Event) -> LazyString | str:
    if event.by_account_id is not None:
        return lazy_gettext("by an administrator")
    return "" if event.address else lazy_gettext("by the people who run this service")


def _words(event: Event) -> LazyString | str:
    names = REFUSED if event.result.startswith("refused") else NAMES
    return names.get(event.kind, event.kind)
