"""Wrong passwords have a throttle of their own, which never locks the owner out.

Buckets are keyed by the typed address and, for a browser that has tries of its own
(browser.py), by that browser: strangers fill only the strangers' bucket (S-098).
An address nobody has is counted alike, so that waits tell nothing.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete
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

    def refusal(self, at: datetime) -> Refusal | None:
        """Return the wait that is on, if one is."""
        if self.wait_until is None or self.wait_until <= at:
            return None
        return Refusal("password_wait", {"time": self.wait_until})


def bucket(address: str, browser: str = "") -> str:
    """Return the name of the bucket, from which the address can't be read; strangers share one."""
    return keys.ring().mac("password tries", address.encode(), browser.encode()).hex()


def of_bucket(name: str, *, locked: bool = False) -> PasswordTries | None:
    """Return what is counted, if anything; `locked` lets nobody count before the commit."""
    return db.session.get(
        PasswordTries, name, with_for_update=locked or None, populate_existing=locked
    )


def charge(name: str, at: datetime) -> Refusal | None:
    """Count a wrong password; return the wait if one was on already.

    Called in the transaction that would tell the answer: parallel tries learn
    no more than serial ones. The caller tells nothing if this returns a wait.
    """
    found = locked_or_new(PasswordTries, "bucket", bucket=name, failures=0, since=at)
    if wait := found.refusal(at):
        return wait
    if at - found.since > WINDOW and (found.wait_until is None or at - found.wait_until > WINDOW):
        found.failures, found.since, found.wait_until = 0, at, None
    found.failures += 1
    if found.failures > FREE:
        wait_for = FIRST_WAIT * 2 ** min(found.failures - FREE - 1, 10)
        found.wait_until = at + min(wait_for, LONGEST_WAIT)
    return None


def clear(name: str) -> None:
    """Forget the wrong passwords of a bucket whose owner has come."""
    db.session.execute(delete(PasswordTries).where(PasswordTries.bucket == name))
