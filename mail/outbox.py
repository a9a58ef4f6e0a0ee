"""The outbox: a mail is a row of the transaction that it tells of.

What is written is sealed until it is sent and wiped then, so that a pending
code never lies in the database. Limits on mailed codes: S-077.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import g
from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    and_,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

import keys
from db import Model, db
from mail.messages import Message

SAME_CODE_WAIT = timedelta(seconds=60)
"""Between two mails of the same code."""
PER_SERIES = 3
"""Code mails in one sign-in or one set-up."""
PER_HOUR, HOUR = 5, timedelta(hours=1)
PER_DAY, DAY = 10, timedelta(days=1)
"""Code mails per account, and per address over all accounts."""
PURPOSE = "outbox"


@dataclass(frozen=True)
class Wait:
    """No further code mail before `until`; None: not in this series any more."""

    until: datetime | None


class Outbox(Model):
    """One mail to one address."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    kind: Mapped[str]
    recipient: Mapped[str] = mapped_column(index=True)
    sealed_message: Mapped[str | None]
    series: Mapped[str | None]
    code_nonce: Mapped[str | None]
    made_at: Mapped[datetime]
    claimed_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    error: Mapped[str | None]

    def message(self) -> Message:
        """Return what is to be sent."""
        plain = keys.ring().unseal(self.sealed_message or "", PURPOSE, self.recipient)
        return Message(**json.loads(plain))


def put(message: Message, account_id: int, recipient: str, at: datetime) -> None:
    """Put a mail into the running transaction; it leaves after the commit."""
    row = _row(message, account_id, recipient, at)
    new_id = db.session.scalar(insert(Outbox).values(**row).returning(Outbox.id))
    g.setdefault("outbox_later", []).append(new_id)


def has_recent(kind: str, account_id: int, since: datetime) -> bool:
    """Tell whether a mail of this kind was written to the person since then."""
    recent = exists().where(
        Outbox.account_id == account_id, Outbox.kind == kind, Outbox.made_at > since
    )
    return bool(db.session.scalar(select(recent)))


def put_code(
    message: Message,
    account_id: int,
    recipient: str,
    series: str,
    nonce: str,
    at: datetime,
) -> Wait | None:
    """Put a mail with a code, unless one of the limits of S-077 forbids it.

    The person waits for it: it is delivered before the answer.
    The limits are part of the INSERT itself; only a refusal asks which one it was.
    """
    row = _row(message, account_id, recipient, at) | {
        "series": series,
        "code_nonce": nonce,
    }
    columns = [Outbox.__table__.c[name] for name in row]
    values = [literal(row[c.name], c.type) for c in columns]
    limits = _limits(account_id, recipient, series, nonce, at)
    allowed = and_(*(_count(rows) < most for rows, most in limits))
    new_id = db.session.scalar(
        insert(Outbox).from_select(columns, select(*values).where(allowed)).returning(Outbox.id)
    )
    if new_id is not None:
        g.setdefault("outbox_now", []).append(new_id)
        return None
    return _wait(account_id, recipient, series, nonce, at)


def _row(message: Message, account_id: int, recipient: str, at: datetime) -> dict[str, Any]:
    sealed = keys.ring().seal(json.dumps(asdict(message)).encode(), PURPOSE, recipient)
    return {
        "account_id": account_id,
        "kind": message.kind,
        "recipient": recipient,
        "sealed_message": sealed,
        "made_at": at,
    }


def _counted() -> ColumnElement[bool]:
    """Mails with a code that left or will leave: one that failed starts no wait."""
    return and_(Outbox.series.is_not(None), Outbox.failed_at.is_(None))


def _count(rows: ColumnElement[bool]) -> ColumnElement[int]:
    return select(func.count()).where(_counted(), rows).scalar_subquery()


def _limits(
    account_id: int, recipient: str, series: str, nonce: str, at: datetime
) -> list[tuple[ColumnElement[bool], int]]:
    """Return each limit: which mails it counts, and how many there may be."""
    concerned = or_(Outbox.account_id == account_id, Outbox.recipient == recipient)
    same_account, same_address = (
        Outbox.account_id == account_id,
        Outbox.recipient == recipient,
    )
    limits = [
        (
            and_(
                concerned,
                Outbox.code_nonce == nonce,
                Outbox.made_at > at - SAME_CODE_WAIT,
            ),
            1,
        ),
        (and_(concerned, Outbox.series == series), PER_SERIES),
    ]
    for scope in (same_account, same_address):
        limits.append((and_(scope, Outbox.made_at > at - HOUR), PER_HOUR))
        limits.append((and_(scope, Outbox.made_at > at - DAY), PER_DAY))
    return limits


def _wait(account_id: int, recipient: str, series: str, nonce: str, at: datetime) -> Wait:
    """Return until when the limits forbid another code mail."""
    sent = db.session.execute(
        select(
            Outbox.made_at,
            Outbox.account_id,
            Outbox.recipient,
            Outbox.series,
            Outbox.code_nonce,
        )
        .where(
            _counted(),
            or_(Outbox.account_id == account_id, Outbox.recipient == recipient),
            Outbox.made_at > at - DAY,
        )
        .order_by(Outbox.made_at.desc())
    ).all()
    if sum(row.series == series and row.account_id == account_id for row in sent) >= PER_SERIES:
        return Wait(None)
    ends = [row.made_at + SAME_CODE_WAIT for row in sent if row.code_nonce == nonce]
    for mine in (
        [row.made_at for row in sent if row.account_id == account_id],
        [row.made_at for row in sent if row.recipient == recipient],
    ):
        ends += [
            mine[n - 1] + span for n, span in ((PER_HOUR, HOUR), (PER_DAY, DAY)) if len(mine) >= n
        ]
    return Wait(max(ends, default=at + SAME_CODE_WAIT))
