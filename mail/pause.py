"""MailPause: for a minute after a silent mail server, nobody tries it again.

One row for all processes. Without it each mail would wait for the whole time limit, one
after the other, and codes would stand in that line.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Mapped, mapped_column

from db import Model, add_if_new, db

LENGTH = timedelta(minutes=1)
ONLY = 1
"""The id of the one row."""


class MailPause(Model):
    """When the mail server was last found silent."""

    __tablename__ = "mail_pauses"
    id: Mapped[int] = mapped_column(primary_key=True)
    until: Mapped[datetime]
    why: Mapped[str]


def begin(why: str, at: datetime) -> None:
    """Stop trying for a minute; part of the running transaction."""
    add_if_new(MailPause, id=ONLY, until=at + LENGTH, why=why)
    db.session.execute(update(MailPause).values(until=at + LENGTH, why=why))


def is_on(at: datetime) -> ColumnElement[bool]:
    """As a condition of a statement: nobody tries now."""
    return exists().where(MailPause.until > at)


def current(at: datetime) -> MailPause | None:
    """Return the pause that is on, if one is."""
    return db.session.scalar(select(MailPause).where(MailPause.until > at))
