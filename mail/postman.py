"""The postman: takes mails out of the outbox, sends them, and tries again later.

Codes leave while the person waits, everything else after the answer is sent. A mail
is claimed before it is sent, so that nobody sends it twice. Whoever dies between
sending and noting it leaves the claim behind: such a mail is never sent again, since
it may have left; `flask mail deliver` tells of it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from email.policy import SMTP
from pathlib import Path

from flask import Flask, Response, current_app, g
from sqlalchemy import ColumnElement, and_, or_, select, update

import clock
import keys
from db import db
from mail import smtp
from mail.letter import letter
from mail.outbox import Outbox
from mail.smtp import NotSent

WAITS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
)
"""Between the tries of a mail that could not be sent now; after the last one it has failed."""
STUCK = timedelta(minutes=10)
"""Age of a claim from which on its owner must have died."""
EVERY = timedelta(seconds=30)
"""How often later requests look for mails that are due."""
AT_ONCE = 3
"""Mails that one later request sends of those."""


def deliver_now() -> bool:
    """Deliver the codes that this request has committed; tell whether they left."""
    return False not in [deliver(outbox_id) for outbox_id in g.pop("outbox_now", [])]


def deliver_from_command() -> None:
    """Deliver what a command has committed, before it ends."""
    for outbox_id in g.pop("outbox_later", []):
        deliver(outbox_id)


def deliver_after(response: Response) -> Response:
    """Deliver what else this request has committed, and what is due, once the answer is sent."""
    waiting, app, at = g.pop("outbox_later", []), current_app._get_current_object(), clock.now()  # type: ignore[attr-defined]  # the proxy's own way
    looks = at >= app.extensions.get("mail_looked_at", at) + EVERY
    app.extensions.setdefault("mail_looked_at", at)
    if looks:
        app.extensions["mail_looked_at"] = at
    if waiting or looks:
        response.call_on_close(lambda: _deliver_within(app, waiting, looks))
    return response


def _deliver_within(app: Flask, ids: Iterable[int], looks: bool) -> None:
    with app.app_context():
        for outbox_id in ids:
            deliver(outbox_id)
        for outbox_id in due(clock.now(), AT_ONCE) if looks else []:
            deliver(outbox_id)


def due(at: datetime, most: int | None = None) -> list[int]:
    """Return the mails that wait and whose time has come, the oldest first.

    A code is its own request's to send; left behind, it is only looked at to wipe it.
    """
    is_left = or_(Outbox.expires_at.is_(None), Outbox.expires_at <= at)
    found = select(Outbox.id).where(_waits(at), is_left).order_by(Outbox.id).limit(most)
    ids = list(db.session.scalars(found))
    db.session.rollback()
    return ids


def stuck(at: datetime) -> list[Outbox]:
    """Return the mails that somebody began to send and never noted: they may have left."""
    claimed = and_(Outbox.sent_at.is_(None), Outbox.claimed_at <= at - STUCK)
    return list(db.session.scalars(select(Outbox).where(claimed).order_by(Outbox.id)))


def _waits(at: datetime) -> ColumnElement[bool]:
    is_due = or_(Outbox.next_try_at.is_(None), Outbox.next_try_at <= at)
    return and_(
        Outbox.sent_at.is_(None), Outbox.failed_at.is_(None), Outbox.claimed_at.is_(None), is_due
    )


def deliver(outbox_id: int) -> bool:
    """Claim one mail, send it, note the outcome; tell whether it left.

    The claim is a compare-and-set. No transaction is open while the server answers.
    """
    at = clock.now()
    row = db.session.scalar(
        update(Outbox)
        .where(Outbox.id == outbox_id, _waits(at))
        .values(claimed_at=at, tries=Outbox.tries + 1)
        .returning(Outbox),
        execution_options={"populate_existing": True, "synchronize_session": False},
    )
    db.session.commit()
    if row is None:
        return False
    try:
        if row.expires_at is not None and at >= row.expires_at:
            raise NotSent("too late", for_ever=True)
        _send(row, at)
    except NotSent as error:
        current_app.logger.warning("mail %s was not sent: %s", row.id, error)
        row.not_sent(str(error), _next_try(row, error, at), clock.now())
    else:
        row.sent(clock.now())
    db.session.commit()
    return row.sent_at is not None


def _next_try(row: Outbox, error: NotSent, at: datetime) -> datetime | None:
    """Return when it is tried again; a code never is: "Send it again" sends a fresh mail."""
    if error.for_ever or row.is_code or row.tries > len(WAITS):
        return None
    return at + WAITS[row.tries - 1]


def _send(row: Outbox, at: datetime) -> None:
    number = keys.ring().mac("message id", str(row.id).encode(), row.recipient.encode()).hex()
    try:
        made = letter(row.message(), row.recipient, number[:32], at)
    except keys.SealBroken:
        raise NotSent("SealBroken", for_ever=True) from None
    if current_app.config["MAIL_SERVER"]:
        smtp.send(made)
        return
    folder = Path(current_app.instance_path) / "outbox"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = f"{at:%Y%m%dT%H%M%S}-{at.microsecond:06d}-{row.id:06d}.eml"
    (folder / name).write_bytes(made.as_bytes(policy=SMTP))
