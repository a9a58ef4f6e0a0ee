"""Authenticator: an authenticator app bound to an account."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, text, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Mapped, mapped_column

import keys
from db import Model, db
from factors import totp
from factors.refusal import Refusal
from factors.typed import digits, is_code

PURPOSE = "authenticator secret"
_BOUND = text("revoked_at IS NULL")


class Authenticator(Model):
    """One bound app: its sealed secret, its record's label, the last time step spent."""

    __tablename__ = "authenticators"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    label: Mapped[str]
    sealed_secret: Mapped[str | None]
    last_time_step: Mapped[int] = mapped_column(BigInteger)
    bound_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        # At most one app counts for an account, whatever races (S-045, S-049).
        Index(
            "uq_authenticators_bound",
            "account_id",
            unique=True,
            sqlite_where=_BOUND,
            postgresql_where=_BOUND,
        ),
        {"sqlite_autoincrement": True},
    )

    @classmethod
    def bind(cls, account_id: int, secret: str, label: str, time_step: int, at: datetime) -> None:
        """Bind an app; the code that confirmed it is spent already (S-026)."""
        sealed = keys.ring().seal(secret.encode(), PURPOSE, str(account_id))
        db.session.add(
            cls(
                account_id=account_id,
                label=label,
                sealed_secret=sealed,
                last_time_step=time_step,
                bound_at=at,
            )
        )

    @classmethod
    def revoke(cls, account_id: int, at: datetime) -> None:
        """End the bound app of an account and wipe its secret."""
        db.session.execute(
            update(cls)
            .where(cls.account_id == account_id, cls.revoked_at.is_(None))
            .values(revoked_at=at, sealed_secret=None)
        )

    def accept(self, typed: str | None, at: datetime) -> Refusal | None:
        """Spend a code of this app, or say why not.

        Checking and spending are one act, decided by the database: of several
        equal codes exactly one is accepted (RFC 6238 section 5.2; S-024).
        """
        if malformed := malformed_code(typed):
            return malformed
        secret = keys.ring().unseal(self.sealed_secret or "", PURPOSE, str(self.account_id))
        step = totp.matching_step(secret.decode(), digits(typed), at)
        if step is None:
            return Refusal("unknown", {"label": self.label})
        spent = db.session.execute(
            update(Authenticator)
            .where(
                Authenticator.id == self.id,
                Authenticator.last_time_step < step,
                Authenticator.revoked_at.is_(None),
            )
            .values(last_time_step=step, last_used_at=at)
        )
        assert isinstance(spent, CursorResult)
        return None if spent.rowcount == 1 else Refusal("used")


def malformed_code(typed: str | None) -> Refusal | None:
    """Return why this can't be a code of an app at all, or None if it can."""
    code = digits(typed)
    if not code:
        return Refusal("empty")
    if is_code(code, totp.DIGITS):
        return None
    if code.isascii() and code.isdigit():
        return Refusal("length", {"n": len(code)})
    return Refusal("letters")
