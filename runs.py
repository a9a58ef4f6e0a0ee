"""Run: when each kind of work that repeats last ended, one row a kind."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Executable, select
from sqlalchemy.orm import Mapped, mapped_column

from db import Model, choice, db, insert_into


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


def noting(work: Work, at: datetime) -> Executable:
    """Return the statement that notes the end of a run."""
    made = insert_into(Run).values(work=work, ended_at=at)
    return made.on_conflict_do_update(index_elements=["work"], set_={"ended_at": at})


def note(work: Work, at: datetime) -> None:
    """Note that a run has ended; part of the running transaction."""
    db.session.execute(noting(work, at))


def last(work: Work) -> datetime | None:
    """Return when the last run ended, or None if there was none."""
    return db.session.scalar(select(Run.ended_at).where(Run.work == work))
