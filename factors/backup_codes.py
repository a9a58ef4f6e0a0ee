"""BackupCode: ten codes of eight digits for the day the phone is lost."""

import secrets
from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, exists, insert, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Mapped, mapped_column

import keys
from db import Model, db
from factors.refusal import Refusal
from factors.typed import digits, is_code

COUNT = 10
DIGITS = 8
SALT_BYTES = 16


class BackupCode(Model):
    """One code, stored as a peppered digest under the salt of its list (S-061)."""

    __tablename__ = "backup_codes"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    replaced_at: Mapped[datetime | None]


def new_codes() -> list[str]:
    """Return ten different codes, leading zeros kept (S-060)."""
    codes: set[str] = set()
    while len(codes) < COUNT:
        codes.add(f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}")
    return sorted(codes, key=lambda _: secrets.randbelow(2**32))


def shown(code: str) -> str:
    """Return the code as people read it: 1234 5678."""
    return f"{code[:4]} {code[4:]}"


def issue(account_id: int, codes: list[str], at: datetime) -> None:
    """Make these the codes of the account; older ones are void at once (S-063)."""
    db.session.execute(
        update(BackupCode)
        .where(BackupCode.account_id == account_id, BackupCode.replaced_at.is_(None))
        .values(replaced_at=at)
    )
    salt = secrets.token_bytes(SALT_BYTES)
    rows = [
        {
            "account_id": account_id,
            "salt": salt,
            "digest": _digest(account_id, salt, c),
            "made_at": at,
        }
        for c in codes
    ]
    db.session.execute(insert(BackupCode), rows)


def consume(account_id: int, typed: str | None, at: datetime) -> Refusal | None:
    """Spend one code of the account, or say why not; one UPDATE decides (S-062)."""
    if malformed := malformed_code(typed):
        return malformed
    salt = db.session.scalar(
        select(BackupCode.salt)
        .where(BackupCode.account_id == account_id, BackupCode.replaced_at.is_(None))
        .limit(1)
    )
    if salt is None:
        return Refusal("backup_unknown")
    spent = db.session.execute(
        update(BackupCode)
        .where(
            BackupCode.digest == _digest(account_id, salt, digits(typed)),
            BackupCode.used_at.is_(None),
            BackupCode.replaced_at.is_(None),
        )
        .values(used_at=at)
    )
    assert isinstance(spent, CursorResult)
    return None if spent.rowcount == 1 else Refusal("backup_unknown")


def has_unused(account_id: int) -> bool:
    """Tell whether the account still has a code to sign in with."""
    unused = exists().where(
        BackupCode.account_id == account_id,
        BackupCode.used_at.is_(None),
        BackupCode.replaced_at.is_(None),
    )
    return bool(db.session.scalar(select(unused)))


def malformed_code(typed: str | None) -> Refusal | None:
    """Return why this can't be a backup code at all, or None if it can."""
    code = digits(typed)
    if not code:
        return Refusal("backup_empty")
    if is_code(code, DIGITS):
        return None
    if code.isascii() and code.isdigit():
        return Refusal("backup_length", {"n": len(code)})
    return Refusal("backup_letters")


def _digest(account_id: int, salt: bytes, code: str) -> bytes:
    return keys.ring().pepper(b"backup code", str(account_id).encode(), salt, code.encode())
