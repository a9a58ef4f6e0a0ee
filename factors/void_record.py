"""VoidRecord: a secret that was shown and then voided, kept a day for diagnosis only.

The person's app may still hold its record and show codes of it. Nothing here is
ever accepted; it only lets a refusal name the record that is to be deleted.
"""

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, delete, select
from sqlalchemy.orm import Mapped, mapped_column

import keys
from db import Model, db
from factors.diagnosis import Record

KEPT = timedelta(hours=24)
MOST = 10
"""Records of one person that are looked at, the newest first."""
PURPOSE = "void record"


class VoidRecord(Model):
    """One dead record of somebody's app, its secret sealed."""

    __tablename__ = "void_records"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    label: Mapped[str]
    sealed_secret: Mapped[str]
    voided_at: Mapped[datetime] = mapped_column(index=True)


def keep(account_id: int, record: Record, at: datetime) -> None:
    """Keep a record that has just died."""
    owner = _owner(account_id, record.label)
    sealed = keys.ring().seal(record.secret.encode(), PURPOSE, owner)
    db.session.add(
        VoidRecord(account_id=account_id, label=record.label, sealed_secret=sealed, voided_at=at)
    )


def drop(account_id: int, label: str) -> None:
    """Forget a record that lives again."""
    mine = VoidRecord.account_id == account_id
    db.session.execute(delete(VoidRecord).where(mine, VoidRecord.label == label))


def of_account(account_id: int, at: datetime) -> list[Record]:
    """Return the dead records of the last 24 hours, the newest first."""
    rows = db.session.scalars(
        select(VoidRecord)
        .where(VoidRecord.account_id == account_id, VoidRecord.voided_at > at - KEPT)
        .order_by(VoidRecord.id.desc())
        .limit(MOST)
    )
    return [record for row in rows if (record := _opened(row)) is not None]


def wipe(at: datetime) -> None:
    """Forget every record that died more than a day ago, whoever's it was."""
    db.session.execute(delete(VoidRecord).where(VoidRecord.voided_at <= at - KEPT))


def _opened(row: VoidRecord) -> Record | None:
    """Return the record; one whose seal does not open just explains nothing."""
    try:
        owner = _owner(row.account_id, row.label)
        return Record(row.label, keys.ring().unseal(row.sealed_secret, PURPOSE, owner).decode())
    except keys.SealBroken:
        return None


def _owner(account_id: int, label: str) -> str:
    return f"{account_id}/{label}"
