"""TrustedDevice: one browser of a person, known after a full sign-in, trusted if ticked.

Only a browser in which a second factor was passed has wrong codes of its own
(throttle.py). Somebody who had just the password, before two-factor was on,
could have made any number of known browsers.
"""

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, delete, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Mapped, mapped_column

import clock
import keys
from db import Model, db
from factors.throttle import MOST_OF_DEVICE, Tries

LIFE = timedelta(days=30)
"""Of trust from the tick on, and of being known from the last full sign-in on."""


class TrustedDevice(Tries, Model):
    """A browser, told by a random token of which only the hash is stored (S-116)."""

    __tablename__ = "trusted_devices"
    most = MOST_OF_DEVICE
    __table_args__ = {"sqlite_autoincrement": True}
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    browser: Mapped[str]
    system: Mapped[str]
    known_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    """When somebody last signed in fully in it: it stays known as long as it is used (S-098)."""
    proved_at: Mapped[datetime | None]
    """When a second factor was last passed in it."""
    trusted_at: Mapped[datetime | None]
    authenticator_id: Mapped[int | None] = mapped_column(ForeignKey("authenticators.id"))

    @property
    def ends_at(self) -> datetime | None:
        return self.trusted_at + LIFE if self.trusted_at else None

    def is_trusted(self, authenticator_id: int, password_at: datetime, at: datetime) -> bool:
        """Tell whether it spares the second factor now.

        Trust was given for one authenticator and one password, and goes with
        either (S-117).
        """
        if self.trusted_at is None or self.authenticator_id != authenticator_id:
            return False
        return self.trusted_at > password_at and clock.within(self.trusted_at, LIFE, at)


def recognise(account_id: int, token: str | None, at: datetime) -> TrustedDevice | None:
    """Return the device of this account that the token names, trusted or only known.

    A browser is known for 30 days from its last full sign-in, as its cookie is. So is
    a copy of the cookie. Trust has an end of its own (`is_trusted`).
    """
    if not token:
        return None
    return db.session.scalar(
        select(TrustedDevice).where(
            TrustedDevice.token_hash == keys.token_hash(token),
            TrustedDevice.account_id == account_id,
            TrustedDevice.last_used_at > at - LIFE,
        )
    )


def remember(
    account_id: int,
    browser: str,
    system: str,
    at: datetime,
    *,
    proved: bool = False,
    authenticator_id: int | None = None,
) -> tuple[TrustedDevice, str]:
    """Make a new device, trusted if an authenticator is named; return it and its token."""
    token = keys.token()
    device = TrustedDevice(
        account_id=account_id,
        token_hash=keys.token_hash(token),
        browser=browser,
        system=system,
        known_at=at,
        last_used_at=at,
        proved_at=at if proved else None,
        trusted_at=at if authenticator_id is not None else None,
        authenticator_id=authenticator_id,
    )
    db.session.add(device)
    return device, token


def end_trust(account_id: int) -> None:
    """Ask for the second factor again in every browser of the account; they stay known."""
    db.session.execute(
        update(TrustedDevice)
        .where(TrustedDevice.account_id == account_id, TrustedDevice.trusted_at.is_not(None))
        .values(trusted_at=None, authenticator_id=None)
    )


def end_all_trust() -> None:
    """Take every browser's trust; each stays known, with wrong codes of its own (S-164)."""
    db.session.execute(
        update(TrustedDevice)
        .where(TrustedDevice.trusted_at.is_not(None))
        .values(trusted_at=None, authenticator_id=None)
        .execution_options(synchronize_session=False)
    )


def forget(account_id: int, device_id: int | None = None) -> bool:
    """Forget one device of the account, or all of them; tell whether there was any."""
    doomed = delete(TrustedDevice).where(TrustedDevice.account_id == account_id)
    if device_id is not None:
        doomed = doomed.where(TrustedDevice.id == device_id)
    gone = db.session.execute(doomed)
    assert isinstance(gone, CursorResult)
    return bool(gone.rowcount)
