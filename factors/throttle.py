"""Throttle: one budget of wrong codes for all factors of an account."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, case, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from db import Model, db
from factors.refusal import Refusal

TRIES = 5
"""Wrong codes, all factors counted together, that pause the second factor (S-090)."""
PAUSE = timedelta(minutes=30)
FEW = 2
"""Tries left from which on the person is told."""


class Throttle(Model):
    """The count of an account; made with it, so that an UPDATE always finds it."""

    __tablename__ = "throttles"
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]


def guard(account_id: int, at: datetime, check: Callable[[], Refusal | None]) -> Refusal | None:
    """Run `check` within the budget of the account; return its refusal or "locked".

    The try is charged before the check by one UPDATE, so that parallel tries
    can't be evaluated beyond the budget (S-090). While locked nothing is
    evaluated and the lock is not extended (S-093). The charge and what the
    check spends are of one transaction.
    """
    failures = _charge(account_id, at)
    if failures is None:
        return Refusal("locked", {"time": locked_until(account_id, at)})
    refusal = check()
    if refusal is None:
        _clear(account_id)
        return None
    if failures >= TRIES:
        return Refusal("locked", {"time": at + PAUSE})
    return refusal.with_left(TRIES - failures) if TRIES - failures <= FEW else refusal


def _charge(account_id: int, at: datetime) -> int | None:
    """Count one try; return the tries of this run, or None while locked."""
    count = case((Throttle.locked_until <= at, 1), else_=Throttle.failures + 1)
    return db.session.scalar(
        update(Throttle)
        .where(
            Throttle.account_id == account_id,
            or_(Throttle.locked_until.is_(None), Throttle.locked_until <= at),
        )
        .values(failures=count, locked_until=case((count >= TRIES, at + PAUSE), else_=None))
        .returning(Throttle.failures),
        execution_options={"synchronize_session": False},
    )


def _clear(account_id: int) -> None:
    db.session.execute(
        update(Throttle)
        .where(Throttle.account_id == account_id)
        .values(failures=0, locked_until=None)
    )


def locked_until(account_id: int, at: datetime) -> datetime | None:
    """Return when the pause of the account ends, or None if there is none."""
    until = db.session.scalar(
        select(Throttle.locked_until).where(Throttle.account_id == account_id)
    )
    return until if until is not None and until > at else None
