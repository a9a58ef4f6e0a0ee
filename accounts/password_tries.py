"""Wrong passwords have a throttle of their own, which never locks the owner out.

Buckets are keyed by the typed address and, for a browser that has tries of its own
(browser.py), by that browser: strangers fill only the strangers' bucket (S-098).
An address nobody has is counted alike, so that waits tell nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlalchemy.orm import Mapped, mapped_column

import keys
from db import Model, db, locked_or_new
from factors.refusal import Refusal

FREE = 20
"""Wrong passwords of one bucket in the window that cost nothing."""
WINDOW = timedelta(minutes=15)
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)


class PasswordTries(Model):
    """Recent wrong passwords of one bucket."""

    __tablename__ = "password_tries"
    bucket: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    since: Mapped[datetime]
    wait_until: Mapped[datetime | None]

    def is_over(self, at: datetime) -> bool:
        """Tell whether it is as if nothing had been counted."""
        waited = self.wait_until is None or at - self.wait_until > WINDOW
        return at - self.since > WINDOW and waited

    @classmethod
    def are_over(cls, at: datetime) -> ColumnElement[bool]:
        """As a condition of a statement: anybody can make a row for any address."""
        waited = or_(cls.wait_until.is_(None), cls.wait_until < at - WINDOW)
        return and_(cls.since < at - WINDOW, waited)

    def refusal(self, at: datetime) -> Refusal | None:
        """Return the wait that is on, if one is."""
        if self.wait_until is None or self.wait_until <= at:
            return None
        return Refusal("password_wait", {"time": self.wait_until})


Bucket = tuple[str, ...]
"""Its names, one for each signing key: the first one counts, a wait of each binds (S-162)."""


def bucket(address: str, browser: str = "") -> Bucket:
    """Return the bucket, from whose names the address can't be read; strangers share one."""
    macs = keys.ring().macs("password tries", address.encode(), browser.encode())
    return tuple(mac.hex() for mac in macs)


def of_bucket(names: Bucket, *, locked: bool = False) -> Sequence[PasswordTries]:
    """Return what is counted, if anything; `locked` lets nobody count before the commit."""
    query = select(PasswordTries).where(PasswordTries.bucket.in_(names))
    query = query.order_by(PasswordTries.bucket)
    query = query.with_for_update() if locked else query
    return db.session.scalars(query, execution_options={"populate_existing": locked}).all()


def wait(found: Iterable[PasswordTries], at: datetime) -> Refusal | None:
    """Return the wait that is on, if one is."""
    return next(filter(None, (tries.refusal(at) for tries in found)), None)


def charge(names: Bucket, at: datetime) -> Refusal | None:
    """Count a wrong password; return the wait if one was on already.

    Called in the transaction that would tell the answer: parallel tries learn
    no more than serial ones. The caller tells nothing if this returns a wait.
    """
    name, *older = names
    if older and (still := wait(of_bucket(tuple(older)), at)):
        return still
    found = locked_or_new(PasswordTries, "bucket", bucket=name, failures=0, since=at)
    if still := found.refusal(at):
        return still
    if found.is_over(at):
        found.failures, found.since, found.wait_until = 0, at, None
    found.failures += 1
    if found.failures > FREE:
        wait_for = FIRST_WAIT * 2 ** min(found.failures - FREE - 1, 10)
        found.wait_until = at + min(wait_for, LONGEST_WAIT)
    return None


def clear(names: Bucket) -> None:
    """Forget the wrong passwords of a bucket whose owner has come."""
    db.session.execute(delete(PasswordTries).where(PasswordTries.bucket.in_(names)))
