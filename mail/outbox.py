"""The outbox: a mail is a row of the transaction that it tells of.

What is written is sealed until it is sent and wiped then, so that a pending
code never lies in the database.
"""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from flask import g
from sqlalchemy import ForeignKey, exists, insert, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

import bounds
import sealed
from bounds import at_most
from db import db
from mail.message import Message
from sealed import SealedModel, SealId


class Outbox(SealedModel):
    """One mail to one address."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    kind: Mapped[str]
    recipient: Mapped[str] = mapped_column(at_most("recipient", bounds.ADDRESS), index=True)
    seal_id: Mapped[SealId]
    sealed_message: Mapped[str | None]
    series: Mapped[str | None]
    code_nonce: Mapped[str | None]
    made_at: Mapped[datetime] = mapped_column(index=True)
    expires_at: Mapped[datetime | None]
    """When what it says is worth nothing any more: it is not sent after that."""
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    next_try_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    error: Mapped[str | None]

    @property
    def bound_to(self) -> tuple[str, ...]:
        return self.seal_id, str(self.account_id), self.recipient

    @property
    def is_code(self) -> bool:
        return self.series is not None

    def message(self) -> Message:
        """Return what is to be sent."""
        return Message(**json.loads(self.unseal("sealed_message")))

    def sent(self, at: datetime) -> None:
        """Note that it left, and forget what it said."""
        self.sent_at, self.sealed_message, self.error, self.next_try_at = at, None, None, None

    def not_sent(self, why: str, again_at: datetime | None, at: datetime) -> None:
        """Note why it did not leave: it waits until `again_at`, or has failed.

        A code is forgotten then; another mail stays for an operator to send after all.
        """
        self.error, self.next_try_at, self.claimed_at = why, again_at, None
        if again_at is None:
            self.failed_at = at
            if self.is_code:
                self.sealed_message = None

    def put_back(self) -> None:
        """Let it be tried anew from the first try on."""
        self.tries, self.next_try_at, self.claimed_at = 0, None, None
        self.failed_at, self.error = None, None


def put(message: Message, account_id: int, recipient: str, at: datetime) -> None:
    """Put a mail into the running transaction; it leaves after the commit."""
    row = columns_of(message, account_id, recipient, at)
    new_id = db.session.scalar(insert(Outbox).values(**row).returning(Outbox.id))
    g.setdefault("outbox_later", []).append(new_id)


def give_up_codes_and_links(at: datetime) -> None:
    """Forget the mails that wait and would tell what is void now; others still leave (S-164)."""
    db.session.execute(
        update(Outbox)
        .where(
            Outbox.sent_at.is_(None),
            Outbox.failed_at.is_(None),
            or_(Outbox.series.is_not(None), Outbox.kind.in_(LINKS)),
        )
        .values(failed_at=at, error="void", sealed_message=None, claimed_at=None)
        .execution_options(synchronize_session=False)
    )


LINKS = ("password_reset", "invitation", "join_request_first")
"""Kinds of mails that are worth nothing without their link."""
AT_ONCE = 20
"""Mails of a great many that leave right after the request; the others wait for the next ones."""


def put_many(rows: list[dict[str, Any]]) -> None:
    """Put mails, as rows of `columns_of`, into the running transaction by one statement."""
    ids = db.session.scalars(insert(Outbox).returning(Outbox.id), rows).all()
    g.setdefault("outbox_later", []).extend(ids[:AT_ONCE])


def has_recent(kind: str, account_id: int, since: datetime) -> bool:
    """Tell whether a mail of this kind was written to the person since then."""
    recent = exists().where(
        Outbox.account_id == account_id, Outbox.kind == kind, Outbox.made_at > since
    )
    return bool(db.session.scalar(select(recent)))


def columns_of(message: Message, account_id: int, recipient: str, at: datetime) -> dict[str, Any]:
    """Return the row of a mail, sealed for its recipient."""
    row = Outbox(seal_id=sealed.new_id(), account_id=account_id, recipient=recipient)
    row.seal("sealed_message", json.dumps(asdict(message)))
    return {
        "seal_id": row.seal_id,
        "account_id": account_id,
        "kind": message.kind,
        "recipient": recipient,
        "sealed_message": row.sealed_message,
        "made_at": at,
    }
