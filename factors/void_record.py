"""VoidRecord: a secret that was shown and then voided, kept a day for diagnosis only.

The person's app may still hold its record and show codes of it. Nothing here is
ever accepted; it only lets a refusal name the record that is to be deleted.
"""

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, delete, select
from sqlalchemy.orm import Mapped, mapped_column

import bounds
import keys
import sealed
from bounds import at_most
from db import db
from factors.diagnosis import Record
from sealed import SealedModel, SealId

KEPT = timedelta(hours=24)
MOST = 10
"""Records of one person that are looked at, the newest first."""


class VoidRecord(SealedModel):
    """One dead record of somebody's app, its secret sealed."""

    __tablename__ = "void_records"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    label: Mapped[str] = mapped_column(at_most("label", bounds.LABEL))
    seal_id: Mapped[SealId]
    sealed_secret: Mapped[str]
    voided_at: Mapped[datetime] = mapped_column(index=True)

    @property
    def bound_to(self) -> tuple[str, ...]:
        return self.seal_id, str(self.account_id), self.label


def keep(account_id: int, record: Record, at: datetime) -> None:
    """Keep a record that has just died."""
    row = VoidRecord(
        seal_id=sealed.new_id(), account_id=account_id, label=record.label, voided_at=at
    )
    row.seal("sealed_secret", record.secret)
    db.session.add(row)


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


def forget_all() -> None:
    """Forget every record: somebody else knows them, too."""
    db.session.execute(delete(VoidRecord))


def _opened(row: VoidRecord) -> Record | None:
    """Return the record; one whose seal does not open just explains nothing."""
    try:
        return Record(row.label, row.unseal("sealed_secret"))
    except keys.SealBroken:
        return None
