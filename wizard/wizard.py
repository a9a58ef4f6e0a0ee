"""Wizard: one person's running set-up, forward only.

Every way forward is a POST with the current ticket, taken by one UPDATE; every
other way in voids the pending secret (moves.py). Nothing of it counts before
the finishing POST (finish.py).
"""

import json
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

import bounds
import keys
from accounts import events
from accounts.models import Account, record_label
from bounds import at_most
from db import choice, db
from factors import totp, void_record
from factors.diagnosis import Record
from factors.refusal import Refusal
from sealed import SealedModel
from wizard.tickets import EntryTicket, Ticket

IDLE = timedelta(minutes=15)
"""After the last turn (SECURITY.md decisions; S-044)."""
LONGEST = timedelta(minutes=30)
"""After the secret was made."""
KEPT = timedelta(hours=24)
"""How long an ended set-up answers late tickets."""
VIEW_SECONDS = 60
"""How long a view is served again until its stylesheet is asked for."""
RESUMABLE = timedelta(minutes=10)
"""How long after it went hidden a discarded page may be brought back."""
WRONG_CODES = 10
"""Wrong codes that void a set-up."""
PENDING = ("sealed_secret", "sealed_codes")
"""What a set-up holds sealed until it counts."""
_LIVE = text("voided_at IS NULL AND finished_at IS NULL")


class Kind(StrEnum):
    """What a set-up is for; its value is its address below /setup."""

    SET_UP = "set-up"
    AUTHENTICATOR = "authenticator"
    CODES = "codes"
    EMAIL = "email"


class Reason(StrEnum):
    """Why a set-up was voided."""

    LOADED = "loaded"
    BACK = "back"
    LEFT = "left"
    EXPIRED = "expired"
    SECOND = "second"
    ASKED = "asked"
    WRONG_CODES = "wrong codes"
    UNREADABLE = "unreadable"
    RESTORED = "restored"


class Wizard(SealedModel):
    """One attempt. Live until voided or finished; at most one lives per account."""

    __tablename__ = "wizards"
    id: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    sign_in_id: Mapped[int] = mapped_column(ForeignKey("sign_ins.id"), index=True)
    entry_nonce: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[Kind] = mapped_column(choice(Kind))
    step: Mapped[str]
    turn: Mapped[int]
    label: Mapped[str | None] = mapped_column(at_most("label", bounds.LABEL))
    sealed_secret: Mapped[str | None]
    time_step: Mapped[int | None] = mapped_column(BigInteger)
    sealed_codes: Mapped[str | None]
    address: Mapped[str | None] = mapped_column(at_most("address", bounds.ADDRESS))
    email_nonce: Mapped[str | None]
    email_made_at: Mapped[datetime | None]
    wrong_codes: Mapped[int] = mapped_column(default=0)
    refusal: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    view: Mapped[str | None] = mapped_column(unique=True)
    view_seen_at: Mapped[datetime | None]
    shown_at: Mapped[datetime | None]
    clock_offset: Mapped[int | None]
    """Steps by which the phone's clock seemed to be wrong at the last wrong code."""
    sealed_kept: Mapped[str | None]
    """What a page that a phone discarded may be brought back with, for ten minutes."""
    resumed_turn: Mapped[int | None]
    """The turn that a discarded page was brought back with."""
    page: Mapped[str | None]
    """The page that shows this turn, as it names itself, once it has said anything."""
    page_number: Mapped[int | None]
    """The number of the page's last word (hidden_pages.py)."""
    hidden_at: Mapped[datetime | None]
    """When the page of this turn went hidden, if that was its last word."""
    proved_at: Mapped[datetime]
    started_at: Mapped[datetime]
    turned_at: Mapped[datetime]
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[Reason | None] = mapped_column(choice(Reason))
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_wizards_live",
            "account_id",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        {"sqlite_autoincrement": True},
    )

    @classmethod
    def begin(
        cls,
        entry: EntryTicket,
        account_id: int,
        step: str,
        proved_at: datetime,
        at: datetime,
    ) -> Self:
        """Return a new attempt at `step`; the caller has made sure that none lives, and adds it."""
        return cls(
            attempt=secrets.token_hex(16),
            account_id=account_id,
            sign_in_id=entry.sign_in_id,
            entry_nonce=entry.nonce,
            kind=Kind(entry.kind),
            step=step,
            turn=1,
            wrong_codes=0,
            proved_at=proved_at,
            started_at=at,
            turned_at=at,
        )

    @property
    def bound_to(self) -> tuple[str, ...]:
        return self.attempt, str(self.account_id)

    @property
    def ticket(self) -> Ticket:
        """The current ticket."""
        return Ticket(self.attempt, self.turn)

    @property
    def is_live(self) -> bool:
        return self.voided_at is None and self.finished_at is None

    def make_secret(self, at: datetime) -> None:
        """Make the pending secret under a label that the account never had before."""
        number = db.session.scalar(
            update(Account)
            .where(Account.id == self.account_id)
            .values(records_issued=Account.records_issued + 1)
            .returning(Account.records_issued),
            execution_options={"synchronize_session": False},
        )
        email = db.session.get_one(Account, self.account_id).email
        self.label = record_label(email, number or 1)
        self.seal("sealed_secret", totp.new_secret())

    @property
    def record(self) -> Record:
        """The record that the person's app is to hold."""
        assert self.label is not None
        return Record(self.label, self.unseal("sealed_secret"))

    @property
    def codes(self) -> list[str]:
        """The pending backup codes."""
        return list(json.loads(self.unseal("sealed_codes")))

    @codes.setter
    def codes(self, codes: list[str]) -> None:
        self.seal("sealed_codes", json.dumps(codes))

    def refuse(self, refusal: Refusal) -> None:
        """Keep why the step was refused, for the page that shows it."""
        self.refusal = refusal.stored()

    def void(self, reason: Reason, at: datetime) -> None:
        """End a wizard whose turn this request has taken."""
        self.voided_at, self.void_reason = at, reason
        self.lay_off(at)
        self.wipe()
        self.tell("voided", at)

    def tell(self, what: str, at: datetime) -> None:
        """Write into the log what became of it, at which step and why."""
        result = str(self.void_reason or "done")
        events.record(f"{what}: {self.kind}", self.account_id, at, factor=self.step, result=result)

    def lay_off(self, at: datetime) -> None:
        """Keep the dead record for a day, if anybody can have scanned it."""
        if self.sealed_secret is None or self.shown_at is None:
            return
        with suppress(keys.SealBroken):  # what does not open explains nothing later
            void_record.keep(self.account_id, self.record, at)

    def wipe(self) -> None:
        """Forget everything secret."""
        self.sealed_secret = self.sealed_codes = self.address = self.email_nonce = None
        self.sealed_kept = None

    def set_aside(self) -> None:
        """Forget everything secret but for a page that was discarded."""
        kept = {name: self.unseal(name) for name in PENDING if getattr(self, name) is not None}
        rest = {"address": self.address, "email_nonce": self.email_nonce}
        self.wipe()
        self.seal("sealed_kept", json.dumps(kept | rest))

    def take_up(self) -> None:
        """Undo `set_aside`."""
        kept = json.loads(self.unseal("sealed_kept"))
        self.sealed_kept, self.address, self.email_nonce = (
            None,
            kept["address"],
            kept["email_nonce"],
        )
        for name in kept.keys() & set(PENDING):
            self.seal(name, kept[name])

    def is_over(self, at: datetime) -> bool:
        """Tell whether it is past its life."""
        return at >= self.turned_at + IDLE or at >= self.started_at + LONGEST

    def is_resumable(self, at: datetime) -> bool:
        """Tell whether the page may be brought back that the last load has voided.

        Only a page that had gone hidden can have been discarded. Without script there is
        none that could prove itself, and nothing is kept.
        """
        if self.voided_at is None or self.void_reason is not Reason.LOADED or self.view:
            return False
        is_hidden = self.hidden_at is not None and at < self.hidden_at + RESUMABLE
        return is_hidden and not self.is_over(at)

    def is_view_open(self, at: datetime) -> bool:
        """Tell whether the one-time view may still be served.

        It counts as seen when its stylesheet is asked for: the second half of
        a slow double click may fetch it once more before the browser shows it.
        """
        return self.view_seen_at is None and at <= self.turned_at + timedelta(seconds=VIEW_SECONDS)
