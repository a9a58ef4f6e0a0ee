"""TrustedDevice: one browser of a person, known after a full sign-in, trusted if ticked."""

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, delete, select
from sqlalchemy.orm import Mapped, mapped_column

import keys
from db import Model, db

LIFE = timedelta(days=30)


class TrustedDevice(Model):
    """A browser, told by a random token of which only the hash is stored (S-116)."""

    __tablename__ = "trusted_devices"
    __table_args__ = {"sqlite_autoincrement": True}
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    browser: Mapped[str]
    system: Mapped[str]
    known_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
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
        return self.trusted_at >= password_at and at < self.trusted_at + LIFE


def recognise(account_id: int, token: str | None) -> TrustedDevice | None:
    """Return the device of this account that the token names, trusted or only known."""
    if not token:
        return None
    return db.session.scalar(
        select(TrustedDevice).where(
            TrustedDevice.token_hash == keys.token_hash(token),
            TrustedDevice.account_id == account_id,
        )
    )


def remember(
    account_id: int,
    browser: str,
    system: str,
    at: datetime,
    authenticator_id: int | None,
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
        trusted_at=at if authenticator_id is not None else None,
        authenticator_id=authenticator_id,
    )
    db.session.add(device)
    return device, token


def forget(account_id: int, device_id: int | None = None) -> None:
    """Forget one device of the account, or all of them."""
    doomed = delete(TrustedDevice).where(TrustedDevice.account_id == account_id)
    if device_id is not None:
        doomed = doomed.where(TrustedDevice.id == device_id)
    db.session.execute(doomed)
