"""Lists of backup codes of many people, and what ends them at once."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, update

from db import db
from factors.backup_codes import BackupCode, works


def revoke_everybodys(at: datetime) -> None:
    """Make every list of codes void, as if it were replaced."""
    db.session.execute(
        update(BackupCode)
        .where(BackupCode.replaced_at.is_(None))
        .values(replaced_at=at)
        .execution_options(synchronize_session=False)
    )


def has_old_pepper(newest: int) -> ColumnElement[bool]:
    """A code that works and was made under an older pepper than the newest (S-162)."""
    return and_(works(), BackupCode.pepper_id < newest)


def make_stale(account_ids: Iterable[int], newest: int, at: datetime) -> None:
    """Let no code of these people work that was made under an older pepper (S-162)."""
    older = BackupCode.pepper_id < newest
    _make_stale(at, BackupCode.account_id.in_(list(account_ids)), older)


def make_all_stale(at: datetime) -> None:
    """Let no backup code work that was made so far, whoever has it (S-164)."""
    _make_stale(at)


def _make_stale(at: datetime, *which: ColumnElement[bool]) -> None:
    db.session.execute(
        update(BackupCode)
        .where(BackupCode.replaced_at.is_(None), BackupCode.stale_at.is_(None), *which)
        .values(stale_at=at)
        .execution_options(synchronize_session=False)
    )
