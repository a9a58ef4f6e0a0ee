"""BackupEmail and EmailCode: a second mailbox, and the codes mailed to it.

A code is derived from a server key, its purpose, its account and a random
nonce: the same code can be mailed again and nothing guessable is stored.
"""

import hmac
import secrets
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, delete, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Mapped, mapped_column

import bounds
import clock
import keys
from bounds import at_most
from db import Model, db
from factors.refusal import Refusal
from factors.typed import EMAIL, digits

DIGITS = EMAIL.digits
LIFE = timedelta(minutes=10)
OLDER = 10
"""Codes of older mails among which a wrong one is looked for."""
LATEST = 2
"""Signing keys that a code may come from: a rotation goes on while it is on its way."""
SIGN_IN, TURN_OFF, PROVE = "sign in", "turn off", "prove"
"""What a mailed code is good for, and nothing else (S-074)."""


class BackupEmail(Model):
    """The confirmed backup address of an account, in its canonical form."""

    __tablename__ = "backup_emails"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), unique=True)
    address: Mapped[str] = mapped_column(at_most("address", bounds.ADDRESS))
    confirmed_at: Mapped[datetime]

    @classmethod
    def address_of(cls, account_id: int) -> str | None:
        """Return the confirmed backup address of an account."""
        return db.session.scalar(select(cls.address).where(cls.account_id == account_id))

    @classmethod
    def remove(cls, account_id: int, at: datetime) -> None:
        """Forget the backup address of an account; codes mailed to it are void (S-005)."""
        db.session.execute(delete(cls).where(cls.account_id == account_id))
        db.session.execute(
            update(EmailCode)
            .where(EmailCode.account_id == account_id, EmailCode.used_at.is_(None))
            .values(used_at=at)
        )

    @classmethod
    def remove_everybodys(cls) -> None:
        """Forget every backup address."""
        db.session.execute(delete(cls))

    @classmethod
    def confirm(cls, account_id: int, address: str, at: datetime) -> None:
        """Make `address` the backup address, in place of any other (S-071)."""
        cls.remove(account_id, at)
        db.session.add(cls(account_id=account_id, address=address, confirmed_at=at))


class EmailCode(Model):
    """One code mailed for one sign-in and one purpose (S-074)."""

    __tablename__ = "email_codes"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    sign_in_id: Mapped[int] = mapped_column(ForeignKey("sign_ins.id"), index=True)
    purpose: Mapped[str] = mapped_column(default=SIGN_IN, server_default=SIGN_IN)
    nonce: Mapped[str]
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    @classmethod
    def issue(
        cls, account_id: int, sign_in_id: int, at: datetime, purpose: str = SIGN_IN
    ) -> "EmailCode":
        """Make a new code for a sign-in: one that waits for it, or to turn two-factor off."""
        code = cls(
            account_id=account_id,
            sign_in_id=sign_in_id,
            purpose=purpose,
            nonce=new_nonce(),
            made_at=at,
        )
        db.session.add(code)
        return code

    @classmethod
    def void_all(cls, at: datetime) -> None:
        """Make every code void that is not used, whoever it was mailed to (S-164)."""
        db.session.execute(
            update(cls)
            .where(cls.used_at.is_(None))
            .values(used_at=at)
            .execution_options(synchronize_session=False)
        )

    @property
    def code(self) -> str:
        return derived(self.purpose, self.account_id, self.nonce)

    def is_code(self, typed: str) -> bool:
        """Tell whether this is what was mailed."""
        return _is_any(typed, self.purpose, self.account_id, self.nonce)

    @property
    def ends_at(self) -> datetime:
        return self.made_at + LIFE

    def consume(self, typed: str | None, at: datetime) -> Refusal | None:
        """Spend this code, or say why not; one UPDATE decides (S-076)."""
        refusal = check(self.purpose, self.account_id, self.nonce, self.made_at, typed, at)
        if refusal is not None:
            return self._ran_out(digits(typed), at) or refusal
        spent = db.session.execute(
            update(EmailCode)
            .where(EmailCode.id == self.id, EmailCode.used_at.is_(None))
            .values(used_at=at)
        )
        assert isinstance(spent, CursorResult)
        return None if spent.rowcount == 1 else Refusal("email_unknown")

    def _ran_out(self, code: str, at: datetime) -> Refusal | None:
        """Return the refusal for a code of an older mail that has had its ten minutes.

        One that still lives for another sign-in of the person is not told of:
        that would help whoever guesses there.
        """
        older = db.session.scalars(
            select(EmailCode)
            .where(EmailCode.account_id == self.account_id, EmailCode.made_at <= at - LIFE)
            .order_by(EmailCode.id.desc())
            .limit(OLDER)
        )
        old = next((other for other in older if other.is_code(code)), None)
        return Refusal("email_expired", {"time": old.ends_at}) if old is not None else None


def new_nonce() -> str:
    """Return the 128 random bits that a code is derived from."""
    return secrets.token_hex(16)


def derived(purpose: str, account_id: int, nonce: str) -> str:
    """Return the six digits that belong to purpose, account and nonce."""
    return _derived(purpose, account_id, nonce)[0]


def _derived(purpose: str, account_id: int, nonce: str) -> list[str]:
    """Return the digits by the newest signing key and by the one before it.

    A code lives ten minutes: no older key made it, and each more would help who guesses.
    """
    owner = (purpose.encode(), str(account_id).encode(), nonce.encode())
    digests = keys.ring().macs("email code", *owner)[:LATEST]
    return [f"{int.from_bytes(d[:8], 'big') % 10**DIGITS:0{DIGITS}d}" for d in digests]


def _is_any(typed: str, purpose: str, account_id: int, nonce: str) -> bool:
    same = [hmac.compare_digest(code, typed) for code in _derived(purpose, account_id, nonce)]
    return any(same)


def check(
    purpose: str,
    account_id: int,
    nonce: str,
    made_at: datetime,
    typed: str | None,
    at: datetime,
) -> Refusal | None:
    """Return why `typed` is not this code within its ten minutes, or None."""
    if malformed := EMAIL.refusal(typed):
        return malformed
    if not _is_any(digits(typed), purpose, account_id, nonce):
        return Refusal("email_unknown")
    if not clock.within(made_at, LIFE, at):
        return Refusal("email_expired", {"time": made_at + LIFE})
    return None
