"""The last things that happened to an account, in words for its owner."""

from dataclasses import dataclass
from datetime import datetime

from flask_babel import LazyString
from sqlalchemy import select

from accounts.event_names import NAMES, REFUSED
from accounts.events import Event
from db import db

MOST = 10


@dataclass(frozen=True)
class Happening:
    """One event as its owner reads it."""

    what: LazyString | str
    at: datetime
    browser: str
    system: str


def happenings(account_id: int) -> list[Happening]:
    """Return the last events of an account, the newest first."""
    rows = db.session.scalars(
        select(Event).where(Event.account_id == account_id).order_by(Event.id.desc()).limit(MOST)
    )
    return [Happening(_words(row), row.at, row.browser, row.system) for row in rows]


def _words(event: Event) -> LazyString | str:
    names = REFUSED if event.result.startswith("refused") else NAMES
    return names.get(event.kind, event.kind)
