"""The postman: takes mails out of the outbox, by SMTP or into instance/outbox/.

Flask-Mail 0.10 has no timeout and does not verify certificates; its
connection is replaced here by one that does both.
"""

import smtplib
import ssl
from collections.abc import Iterable
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr
from pathlib import Path
from urllib.parse import urlsplit

import flask_mail
from flask import Flask, Response, current_app, g
from sqlalchemy import update
from sqlalchemy.engine import CursorResult

import clock
import keys
from db import db
from mail.outbox import Outbox


class TimedConnection(flask_mail.Connection):
    """Flask-Mail's connection with a timeout and verified certificates."""

    def configure_host(self) -> smtplib.SMTP:
        state, seconds = self.mail, current_app.config["MAIL_TIMEOUT"]
        context = ssl.create_default_context()
        if state.use_ssl:
            host: smtplib.SMTP = smtplib.SMTP_SSL(
                state.server, state.port, timeout=seconds, context=context
            )
        else:
            host = smtplib.SMTP(state.server, state.port, timeout=seconds)
        if state.use_tls:
            host.starttls(context=context)
        if state.username:
            host.login(state.username, state.password or "")
        return host


class TimedMail(flask_mail.Mail):
    """Flask-Mail that connects in our way."""

    def connect(self) -> TimedConnection:
        return TimedConnection(current_app.extensions["mail"])


mail = TimedMail()


def deliver_now() -> bool:
    """Deliver the codes that this request has committed; tell whether they left."""
    return False not in [_deliver(outbox_id) for outbox_id in g.pop("outbox_now", [])]


def deliver_after(response: Response) -> Response:
    """Deliver what else this request has committed once the answer is sent."""
    waiting = g.pop("outbox_later", [])
    if waiting:
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy's own way
        response.call_on_close(lambda: _deliver_all(app, waiting))
    return response


def _deliver_all(app: Flask, ids: Iterable[int]) -> None:
    with app.app_context():
        for outbox_id in ids:
            _deliver(outbox_id)


def _deliver(outbox_id: int) -> bool:
    """Claim one mail, send it, note the outcome; True if it left.

    The claim is a compare-and-set, so that nobody sends it twice. No
    transaction is open while the mail server answers.
    """
    at = clock.now()
    claimed = db.session.execute(
        update(Outbox)
        .where(
            Outbox.id == outbox_id,
            Outbox.sent_at.is_(None),
            Outbox.claimed_at.is_(None),
        )
        .values(claimed_at=at)
    )
    assert isinstance(claimed, CursorResult)
    db.session.commit()
    if claimed.rowcount != 1:
        return False
    row = db.session.get_one(Outbox, outbox_id)
    db.session.commit()
    try:
        _send(_letter(row, at), outbox_id, at)
    except (OSError, smtplib.SMTPException, keys.SealBroken) as error:
        current_app.logger.warning("mail %s was not sent: %s", outbox_id, type(error).__name__)
        row.failed_at, row.error, row.claimed_at = at, type(error).__name__, None
    else:
        row.sent_at, row.sealed_message, row.failed_at = clock.now(), None, None
    db.session.commit()
    return row.sent_at is not None


def _letter(row: Outbox, at: datetime) -> EmailMessage:
    """Write the mail; EmailMessage refuses line breaks in every header (S-080)."""
    message, letter = row.message(), EmailMessage()
    domain = urlsplit(current_app.config["BASE_URL"]).hostname
    letter["From"] = current_app.config["MAIL_DEFAULT_SENDER"]
    letter["To"] = row.recipient
    letter["Subject"] = message.subject
    letter["Date"] = format_datetime(at)
    letter["Message-ID"] = make_msgid(f"onward-{row.id}", domain=domain)
    letter["Auto-Submitted"] = "auto-generated"
    letter["X-Auto-Response-Suppress"] = "All"
    letter.set_content(message.text)
    letter.add_alternative(message.html, subtype="html")
    return letter


def _send(letter: EmailMessage, outbox_id: int, at: datetime) -> None:
    if not current_app.config["MAIL_SERVER"]:
        folder = Path(current_app.instance_path) / "outbox"
        folder.mkdir(mode=0o700, exist_ok=True)
        name = f"{at:%Y%m%dT%H%M%S}-{at.microsecond:06d}-{outbox_id:06d}.eml"
        (folder / name).write_bytes(letter.as_bytes(policy=SMTP))
        return
    with mail.connect() as connection:
        sender = parseaddr(str(letter["From"]))[1]
        assert connection.host is not None
        connection.host.send_message(letter, sender, [str(letter["To"])])
