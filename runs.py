"""Run: when each kind of work that repeats last ended, one row a kind."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, mapped_column

from db import Model, add_if_new, choice, db


class Work(StrEnum):
    """What repeats."""

    REMIND = "remind"
    DELIVER = "deliver"
    PROBE = "probe"
    """One row written only to learn whether a write works."""


class Run(Model):
    """The last run of one kind of work."""

    __tablename__ = "runs"
    work: Mapped[Work] = mapped_column(choice(Work), primary_key=True)
    ended_at: Mapped[datetime]


def note(work: Work, at: datetime) -> None:
    """Note that a run has ended; part of the running transaction."""
    add_if_new(Run, work=work, ended_at=at)
    db.session.execute(update(Run).where(Run.work == work).values(ended_at=at))


def last(work: Work) -> datetime | None:
    """Return when the last run ended, or None if there was none."""
    return db.session.scalar(select(Run.ended_at).where(Run.work == work))
