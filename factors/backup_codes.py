"""BackupCode: ten codes of eight digits for the day the phone is lost."""

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    LargeBinary,
    and_,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Mapped, mapped_column

import keys
from db import Model, db
from factors.refusal import Refusal
from factors.typed import BACKUP, digits

COUNT = 10
DIGITS = BACKUP.digits
SALT_BYTES = 16
FEW = 3
"""Codes left from which on their owner is told to make new ones."""


class BackupCode(Model):
    """One code, stored as a peppered digest under the salt of its list (S-061)."""

    __tablename__ = "backup_codes"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    pepper_id: Mapped[int] = mapped_column(default=1, server_default="1")
    """The number of the pepper under which the list was made (S-162)."""
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    replaced_at: Mapped[datetime | None]
    stale_at: Mapped[datetime | None]
    """When nobody could know any more which codes of the list are spent (S-164)."""


def _list_of(account_id: int) -> ColumnElement[bool]:
    """The account's newest list, whether its codes still work or not."""
    return and_(BackupCode.account_id == account_id, BackupCode.replaced_at.is_(None))


def works() -> ColumnElement[bool]:
    """A code that is neither used nor of a list that no longer counts."""
    return and_(
        BackupCode.used_at.is_(None),
        BackupCode.replaced_at.is_(None),
        BackupCode.stale_at.is_(None),
    )


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
    revoke(account_id, at)
    salt, pepper_id = secrets.token_bytes(SALT_BYTES), keys.ring().newest("pepper")
    rows = [
        {
            "account_id": account_id,
            "salt": salt,
            "digest": _digest(account_id, salt, pepper_id, c),
            "pepper_id": pepper_id,
            "made_at": at,
        }
        for c in codes
    ]
    db.session.execute(insert(BackupCode), rows)


def revoke(account_id: int, at: datetime) -> None:
    """Make every code of the account void."""
    db.session.execute(update(BackupCode).where(_list_of(account_id)).values(replaced_at=at))


def consume(account_id: int, typed: str | None, at: datetime) -> Refusal | None:
    """Spend one code of the account, of the right shape, or say why not.

    One UPDATE decides (S-062).
    """
    code = digits(typed)
    made = db.session.execute(
        select(BackupCode.salt, BackupCode.pepper_id)
        .where(_list_of(account_id), BackupCode.stale_at.is_(None))
        .limit(1)
    ).first()
    if made is None or (digest := _digest(account_id, made.salt, made.pepper_id, code)) is None:
        return _why_not(account_id, code)
    spent = db.session.execute(
        update(BackupCode)
        .where(
            BackupCode.digest == digest,
            works(),
        )
        .values(used_at=at)
    )
    assert isinstance(spent, CursorResult)
    return None if spent.rowcount == 1 else _why_not(account_id, code)


def left(account_id: int) -> int:
    """Return how many codes the account still has to sign in with."""
    working = select(func.count()).where(BackupCode.account_id == account_id, works())
    return db.session.scalar(working) or 0


def run_low(account_id: int) -> bool:
    """Tell whether the account has a list of codes of which few or none are left (S-066)."""
    now = counted(account_id)
    return now.made > 0 and now.left <= FEW


@dataclass(frozen=True)
class Counted:
    """The codes of somebody's newest list."""

    made: int
    left: int
    stale_at: datetime | None
    """Since when none of them works, whether used or not."""


def counted(account_id: int) -> Counted:
    """Return how many codes the account's list has, how many still work, and since when none."""
    row = db.session.execute(
        select(func.count(), func.count().filter(works()), func.max(BackupCode.stale_at)).where(
            _list_of(account_id)
        )
    ).one()
    return Counted(*row)


def has_unused(account_id: int) -> bool:
    """Tell whether the account still has a code to sign in with."""
    return left(account_id) > 0


def _why_not(account_id: int, code: str) -> Refusal:
    """Return why a code was not spent: used, of a list that is dead, or none of this person's.

    Only codes that are dead are recognised, which helps nobody who guesses.
    """
    its = BackupCode.salt, BackupCode.pepper_id, BackupCode.replaced_at, BackupCode.stale_at
    lists = db.session.execute(
        select(*its).where(BackupCode.account_id == account_id).distinct()
    ).all()
    digests = [_digest(account_id, one.salt, one.pepper_id, code) for one in lists]
    dead = db.session.execute(
        select(BackupCode.used_at, BackupCode.replaced_at, BackupCode.stale_at).where(
            BackupCode.account_id == account_id,
            BackupCode.digest.in_([digest for digest in digests if digest is not None]),
        )
    ).first()
    if dead is None:
        # Of a list under a retired pepper no code is recognised. That none works is no secret.
        newest = next((one for one in lists if one.replaced_at is None), None)
        if newest and newest.stale_at and digests[lists.index(newest)] is None:
            return Refusal("backup_stale", {"date": newest.stale_at})
        return Refusal("backup_unknown")
    if dead.used_at is not None:
        return Refusal("backup_used", {"date": dead.used_at})
    if dead.replaced_at is not None:
        return Refusal("backup_replaced", {"date": dead.replaced_at})
    return Refusal("backup_stale", {"date": dead.stale_at})


def _digest(account_id: int, salt: bytes, pepper_id: int, code: str) -> bytes | None:
    """Return what is stored of a code; None without the pepper of its list: it fits nothing."""
    parts = (b"backup code", str(account_id).encode(), salt, code.encode())
    with suppress(keys.SealBroken):
        return keys.ring_with("pepper", str(pepper_id)).pepper(*parts, number=pepper_id)
    return None
