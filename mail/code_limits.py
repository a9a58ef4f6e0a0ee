"""How many codes are mailed (S-077): part of the INSERT that puts them into the outbox."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import g
from sqlalchemy import ColumnElement, and_, func, insert, literal, or_, select, true

from db import db
from mail.message import Message
from mail.outbox import Outbox, columns_of

SAME_CODE_WAIT = timedelta(seconds=60)
"""Between two mails of the same code."""
PER_SERIES = 3
"""Code mails in one sign-in or one set-up."""
PER_HOUR, HOUR = 5, timedelta(hours=1)
PER_DAY, DAY = 10, timedelta(days=1)
"""Code mails per account, and per address over all accounts."""
SET_UP = "set-up"
"""How the series of a set-up begins: its address was typed, and may be somebody else's."""


@dataclass(frozen=True)
class Wait:
    """No further code mail before `until`; None: not in this series any more."""

    until: datetime | None


def put_code(
    message: Message,
    account_id: int,
    recipient: str,
    series: str,
    nonce: str,
    expires_at: datetime,
    at: datetime,
) -> Wait | None:
    """Put a mail with a code, unless one of the limits of S-077 forbids it.

    The person waits for it: it is delivered before the answer.
    The limits are part of the INSERT itself; only a refusal asks which one it was.
    """
    row = columns_of(message, account_id, recipient, at) | {
        "series": series,
        "code_nonce": nonce,
        "expires_at": expires_at,
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
    same_account, same_address = Outbox.account_id == account_id, Outbox.recipient == recipient
    if not series.startswith(SET_UP):
        same_address = and_(same_address, _concerns(account_id))
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


def _concerns(account_id: int) -> ColumnElement[bool]:
    """Whether a mail counts when somebody signs in: not one of another person's set-up,
    by which strangers would keep the owner of the address out (S-098)."""
    return or_(Outbox.account_id == account_id, ~Outbox.series.startswith(SET_UP))


def _wait(account_id: int, recipient: str, series: str, nonce: str, at: datetime) -> Wait:
    """Return until when the limits forbid another code mail."""
    is_set_up = series.startswith(SET_UP)
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
            true() if is_set_up else _concerns(account_id),
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
