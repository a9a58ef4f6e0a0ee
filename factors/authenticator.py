"""Authenticator: an authenticator app bound to an account."""

from contextlib import suppress
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, and_, select, text, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

import bounds
import keys
import sealed
from bounds import at_most
from db import db
from factors import diagnosis, totp, void_record
from factors.diagnosis import Record
from factors.refusal import Refusal
from factors.typed import digits
from sealed import SealedModel, SealId

_BOUND = text("revoked_at IS NULL")


class Authenticator(SealedModel):
    """One bound app: its sealed secret, its record's label, the last time step spent."""

    __tablename__ = "authenticators"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    label: Mapped[str] = mapped_column(at_most("label", bounds.LABEL))
    seal_id: Mapped[SealId]
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
    def bind(cls, account_id: int, record: Record, time_step: int, at: datetime) -> None:
        """Bind an app; the code that confirmed it is spent already (S-026)."""
        row = cls(
            seal_id=sealed.new_id(),
            account_id=account_id,
            label=record.label,
            last_time_step=time_step,
            bound_at=at,
        )
        row.seal("sealed_secret", record.secret)
        db.session.add(row)

    @classmethod
    def is_bound_to(cls, account: InstrumentedAttribute[int] | int) -> ColumnElement[bool]:
        """Return the condition for the bound app of an account, a number or a column."""
        return and_(cls.account_id == account, cls.revoked_at.is_(None))

    @classmethod
    def of_account(cls, account_id: int) -> "Authenticator | None":
        """Return the bound app of an account."""
        return db.session.scalar(select(cls).where(cls.is_bound_to(account_id)))

    @classmethod
    def revoke(cls, account_id: int, at: datetime) -> None:
        """End the bound app of an account and wipe its secret; its record is void from now on."""
        bound = cls.of_account(account_id)
        if bound is None:
            return
        with suppress(keys.SealBroken):  # what does not open explains nothing later
            void_record.keep(account_id, bound.record, at)
        bound.revoked_at, bound.sealed_secret = at, None
        db.session.flush()

    @property
    def bound_to(self) -> tuple[str, ...]:
        return self.seal_id, str(self.account_id)

    @property
    def record(self) -> Record:
        """The record in the person's app. Raises SealBroken if its secret does not open."""
        return Record(self.label, self.unseal("sealed_secret"))

    def spent_last(self, code: str) -> bool:
        """Tell whether this is the code of the app that was spent last."""
        with suppress(keys.SealBroken):
            return totp.search(self.record.secret, code, [self.last_time_step]) is not None
        return False

    def accept(self, typed: str | None, at: datetime) -> Refusal | None:
        """Spend a code of this app, already of the right shape, or say why not.

        Checking and spending are one act, decided by the database: of several
        equal codes exactly one is accepted (RFC 6238 section 5.2; S-024).
        """
        if self._clock_went_back(at):
            return Refusal("clock_moved")
        record, code = self.record, digits(typed)
        step = totp.matching_step(record.secret, code, at)
        if step is None:
            void = void_record.of_account(self.account_id, at)
            return diagnosis.at_sign_in(code, record, self.last_time_step, void, at)
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

    @classmethod
    def revoke_everybodys(cls, at: datetime) -> None:
        """End every bound app and wipe its secret; nothing of it explains anything later."""
        db.session.execute(
            update(cls)
            .where(cls.revoked_at.is_(None))
            .values(revoked_at=at, sealed_secret=None)
            .execution_options(synchronize_session=False)
        )

    @classmethod
    def pass_over_everybodys(cls, at: datetime) -> None:
        """Spend every code that any app shows now, at once: some of them may be spent (S-164)."""
        newest = totp.step_at(at) + totp.TOLERANCE
        db.session.execute(
            update(cls)
            .where(cls.last_time_step < newest, cls.revoked_at.is_(None))
            .values(last_time_step=newest)
            .execution_options(synchronize_session=False)
        )

    def _clock_went_back(self, at: datetime) -> bool:
        """Bring back a spent step that lies in the future; tell whether there was one (S-029).

        Only a clock that jumped forward and back can have spent it, and it would
        keep its owner out for as long as the jump. Every step that passes now is
        burnt with it, so that no code of before the jump comes to life again.
        """
        newest = totp.step_at(at) + totp.TOLERANCE
        if self.last_time_step <= newest:
            return False
        db.session.execute(
            update(Authenticator)
            .where(Authenticator.id == self.id, Authenticator.last_time_step > newest)
            .values(last_time_step=newest)
        )
        return True
