"""The postman: takes mails out of the outbox, sends them, and tries again later.

Mails leave on the carrier's thread: codes first, while the page waits for a moment,
everything else after the answer is sent. A mail is claimed before it is sent, so that
nobody sends it twice. A process that dies between sending and noting leaves the claim
behind: such a mail is not sent again by itself, since it may have left; `flask mail list`
tells of it.
"""

import os
from collections.abc import Callable
from concurrent.futures import TimeoutError as NotYet
from datetime import datetime, timedelta
from email.policy import SMTP
from enum import StrEnum
from functools import partial
from pathlib import Path

from flask import Response, current_app, g
from sqlalchemy import ColumnElement, and_, func, not_, or_, select, update
from sqlalchemy.orm.exc import StaleDataError

import clock
import keys
from db import db, reading
from mail import pause, smtp
from mail.carrier import Carrier, Urgency, carrier
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
AT_ONCE = 20
"""Mails that one look hands to the carrier."""
WRITERS: list[Callable[[], None]] = []
"""What writes mails that were asked for and are not written yet: rooms above add theirs."""


class Delivery(StrEnum):
    """What became of a mail."""

    SENT = "sent"
    UNDER_WAY = "under way"
    """Nobody knows yet, or nobody can know: the server went away after it had the text."""
    NOT_SENT = "not sent"
    NOT_OURS = "not ours"
    """Somebody else sends it, or its time has not come."""


def deliver_now() -> Delivery:
    """Deliver the codes that this request has committed, and wait for it a moment.

    At most MAIL_WAITERS requests of a process wait, so that a slow mail server never
    holds the threads that answer everybody else.
    """
    ids = g.pop("outbox_now", [])
    if not ids:
        return Delivery.SENT
    waiters, config = carrier().waiters, current_app.config
    outcome = carrier().carry(Urgency.CODE, partial(_deliver_all, ids))
    if not waiters.acquire(blocking=False):
        return Delivery.UNDER_WAY
    try:
        return Delivery(str(outcome.result(config["MAIL_WAIT"])))
    except NotYet:
        return Delivery.UNDER_WAY
    finally:
        waiters.release()


def _deliver_all(ids: list[int]) -> Delivery:
    """Deliver several; the worst outcome counts."""
    outcomes = {deliver(outbox_id) for outbox_id in ids}
    order = (Delivery.NOT_SENT, Delivery.UNDER_WAY, Delivery.NOT_OURS, Delivery.SENT)
    return next(one for one in order if one in outcomes)


def deliver_from_command() -> None:
    """Deliver what a command has committed, before it ends."""
    for outbox_id in g.pop("outbox_later", []):
        deliver(outbox_id)


def deliver_after(response: Response) -> Response:
    """Hand over what else this request has committed, and what is due, after the answer."""
    waiting, app, at = g.pop("outbox_later", []), current_app, clock.now()
    looks = at >= app.extensions.get("mail_looked_at", at) + EVERY
    app.extensions.setdefault("mail_looked_at", at)
    if looks:
        app.extensions["mail_looked_at"] = at
    if waiting or looks:
        response.call_on_close(partial(_hand_over, carrier(), waiting, looks))
    return response


def _hand_over(to: Carrier, ids: list[int], looks: bool) -> None:
    for outbox_id in ids:
        to.carry(Urgency.NOTICE, partial(deliver, outbox_id))
    if looks:
        to.carry(Urgency.NOTICE, lambda: _hand_over(to, due(clock.now(), AT_ONCE), False))


def due(at: datetime, most: int | None = None) -> list[int]:
    """Return the mails that wait and whose time has come, the oldest first.

    A code is its own request's to send; left behind, it is only looked at to wipe it.
    Whatever was asked for and left behind is written before.
    """
    for write in WRITERS:
        write()
    found = select(Outbox.id).where(_is_due(at)).order_by(Outbox.id).limit(most)
    ids = list(db.session.scalars(found))
    db.session.rollback()
    return ids


def waiting_since(at: datetime) -> datetime | None:
    """Return since when the longest waiting mail is due, or None if nothing is."""
    time = func.coalesce(Outbox.next_try_at, Outbox.expires_at, Outbox.made_at)
    with reading() as connection:
        return connection.scalar(select(func.min(time)).where(_is_due(at)))


def _is_due(at: datetime) -> ColumnElement[bool]:
    is_left = or_(Outbox.expires_at.is_(None), Outbox.expires_at <= at)
    return and_(_waits(at), is_left)


def _waits(at: datetime) -> ColumnElement[bool]:
    is_due = or_(Outbox.next_try_at.is_(None), Outbox.next_try_at <= at)
    return and_(
        Outbox.sent_at.is_(None), Outbox.failed_at.is_(None), Outbox.claimed_at.is_(None), is_due
    )


def deliver(outbox_id: int) -> Delivery:
    """Claim one mail, send it, note the outcome.

    The claim is a compare-and-set. No transaction is open while the server answers.
    """
    at = clock.now()
    row = db.session.scalar(
        update(Outbox)
        .where(Outbox.id == outbox_id, _waits(at), not_(pause.is_on(at)))
        .values(claimed_at=at, tries=Outbox.tries + 1)
        .returning(Outbox),
        execution_options={"populate_existing": True, "synchronize_session": False},
    )
    if row is None:
        return _left_alone(outbox_id, at)
    db.session.commit()
    try:
        if row.expires_at is not None and at >= row.expires_at:
            raise NotSent("too late", for_ever=True)
        _send(row, at)
    except NotSent as error:
        _note(row, error, at)
        outcome = Delivery.UNDER_WAY if error.may_have_left else Delivery.NOT_SENT
    else:
        row.sent(clock.now())
        outcome = Delivery.SENT
    _keep_note()
    return outcome


def _keep_note() -> None:
    """Commit what became of a mail; its row may be gone, with its person, while it was sent."""
    try:
        db.session.commit()
    except StaleDataError:
        db.session.rollback()


def _left_alone(outbox_id: int, at: datetime) -> Delivery:
    """Give up a code that nobody tries to send during a pause: its page offers a fresh mail."""
    given_up = None
    if pause.current(at) is not None:
        given_up = db.session.scalar(
            update(Outbox)
            .where(Outbox.id == outbox_id, Outbox.series.is_not(None), _waits(at))
            .values(failed_at=at, error="the mail server is silent", sealed_message=None)
            .returning(Outbox.id),
            execution_options={"synchronize_session": False},
        )
    db.session.commit()
    return Delivery.NOT_SENT if given_up is not None else Delivery.NOT_OURS


def _note(row: Outbox, error: NotSent, at: datetime) -> None:
    current_app.logger.warning("mail %s was not sent: %s", row.id, error)
    now = clock.now()
    if error.is_silent:
        pause.begin(str(error), now)
    row.not_sent(str(error), _next_try(row, error, at), now)


def _next_try(row: Outbox, error: NotSent, at: datetime) -> datetime | None:
    """Return when it is tried again; a code never is: "Send it again" sends a fresh mail."""
    if error.for_ever or row.is_code or row.tries > len(WAITS):
        return None
    return at + WAITS[row.tries - 1]


def _send(row: Outbox, at: datetime) -> None:
    # A row's number comes again after an old copy was put back; its random id does not. No
    # key: a mail that is tried again must have the same id after a rotation (S-162).
    number = keys.token_hash(f"{row.seal_id} {row.recipient}")
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
    handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(made.as_bytes(policy=SMTP))
