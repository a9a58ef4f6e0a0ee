"""Throttle: one budget of wrong codes for all factors of an account.

Five wrong codes in a run pause the second factor: 30 minutes, then 1, 4, 12 and
24 hours. A success ends the run, never the count of the year: at 30 in 365 days
strangers are not read any more (SECURITY.md, decisions; S-090, S-095). A browser
that once passed the second factor has tries of its own, so that a stranger with
the password can't lock the owner out of it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ClassVar, TypeVar

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db import Json, Model, db
from factors.refusal import Refusal

TRIES = 5
"""Wrong codes, all factors counted together, that pause the second factor (S-090)."""
LADDER = (
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
    timedelta(hours=24),
)
"""The pauses, one after the other; the last one stays."""
CALM = timedelta(days=30)
"""Time without a pause after which the next one is the shortest again."""
YEAR = timedelta(days=365)
LIFT_EVERY = YEAR
"""A mailed link lifts the stop of the year once in this time: whoever reads the mailbox
has twice the guesses of a year."""
MOST = 30
"""Wrong codes of strangers in a year; docs/security-model.md says what they are worth."""
MOST_OF_DEVICE = 10
"""Wrong codes of one known browser; then it is a stranger again."""
FEW = 2
"""Tries left from which on the person is told."""


class Tries:
    """The wrong codes of one bucket, as columns of whoever has them."""

    most: ClassVar[int]

    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    """Of the present run: since the last success or the last pause."""
    wrong_at: Mapped[list[int]] = mapped_column(Json, default=list, server_default="[]")
    """When codes were wrong within a year, in seconds since 1970."""
    locks: Mapped[int] = mapped_column(default=0, server_default="0")
    locked_until: Mapped[datetime | None]

    def closed(self, at: datetime) -> Refusal | None:
        """Return why no code is read now, or None."""
        if len(self._within_year(at)) >= self.most:
            return Refusal("stopped")
        if self.locked_until is not None and at < self.locked_until:
            return Refusal("locked", {"time": self.locked_until})
        return None

    def left(self, at: datetime) -> int:
        """Return how many wrong codes are left before the next pause or the end."""
        return min(TRIES - self.failures, self.most - len(self._within_year(at)))

    def charge(self, at: datetime) -> None:
        """Count a wrong code; the fifth of a run pauses."""
        self.failures += 1
        self.wrong_at = [*self._within_year(at), int(at.timestamp())]
        if self.failures < TRIES:
            return
        if self.locked_until is not None and self.locked_until + CALM <= at:
            self.locks = 0
        self.locked_until = at + LADDER[min(self.locks, len(LADDER) - 1)]
        self.locks, self.failures = self.locks + 1, 0

    def open(self) -> None:
        """Begin anew: nothing counts any more."""
        self.failures, self.wrong_at, self.locks, self.locked_until = 0, [], 0, None

    def _within_year(self, at: datetime) -> list[int]:
        since = (at - YEAR).timestamp()
        return [moment for moment in self.wrong_at if moment > since]


T = TypeVar("T", bound=Tries)


class Throttle(Tries, Model):
    """The tries of strangers, one row an account, made with it."""

    __tablename__ = "throttles"
    most = MOST
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    lifted_at: Mapped[datetime | None]
    """When a forgotten password last lifted the stop of the year."""

    def lift(self, at: datetime) -> None:
        """End the stop of the year, at most once in a year; a pause that is on stays."""
        if len(self._within_year(at)) < self.most:
            return
        if self.lifted_at is None or self.lifted_at + LIFT_EVERY <= at:
            self.wrong_at, self.lifted_at = [], at


def locked(which: type[T], key: int) -> T:
    """Return a bucket that nobody else can charge before this transaction ends."""
    return db.session.get_one(which, key, with_for_update=True, populate_existing=True)


def locked_if_there(which: type[T], key: int) -> T | None:
    """Return the same of a browser, which may have been swept away meanwhile."""
    return db.session.get(which, key, with_for_update=True, populate_existing=True)


def guard(tries: Tries, at: datetime, check: Callable[[], Refusal | None]) -> Refusal | None:
    """Run `check` within a budget; return its refusal, "locked" or "stopped".

    `tries` comes from `locked()`, and the try is charged before the check: parallel
    tries can't be evaluated beyond the budget (S-090). While it is closed nothing is
    evaluated and no pause grows (S-093). The charge and what the check spends
    are of one transaction.
    """
    if closed := tries.closed(at):
        return closed
    before = tries.wrong_at, tries.locks, tries.locked_until
    tries.charge(at)
    db.session.flush()
    refusal = check()
    if refusal is None:
        tries.wrong_at, tries.locks, tries.locked_until = before
        tries.failures = 0
        return None
    if closed := tries.closed(at):
        return closed
    return refusal.with_left(tries.left(at)) if tries.left(at) <= FEW else refusal
