"""What an operator should know of mails: the queue, and whether the server greets."""

from datetime import datetime, timedelta

from flask import current_app

from mail import pause, postman, queue, smtp
from mail.queue import State

LATE = timedelta(minutes=15)
"""Age of a due mail from which on nobody seems to deliver: timers come every five minutes."""


def in_queue(at: datetime) -> str:
    """Return how many mails wait and how old the oldest is, in words."""
    found = queue.counts(at)
    waiting = [found.get(state) for state in (State.DUE, State.WAITING)]
    due, later = (one[0] if one else 0 for one in waiting)
    oldest = min((one[1] for one in waiting if one), default=None)
    told = f"{due} due, {later} wait for their next try"
    return f"{told}, oldest {_minutes(oldest, at)}" if oldest else told


def not_moving(at: datetime) -> str | None:
    """Return that due mails are not sent, or None."""
    since = postman.waiting_since(at)
    if since is None or since > at - LATE:
        return None
    return f"a mail has been due for {_minutes(since, at)}: is onward-deliver.timer on?"


def troubled(at: datetime) -> str | None:
    """Return how many mails need an operator, or None."""
    found = queue.counts(at)
    stuck, failed = (found[one][0] if one in found else 0 for one in (State.STUCK, State.FAILED))
    if not (stuck or failed):
        return None
    return f"mails: {stuck} stuck, {failed} failed: see flask --app app mail list"


def unwelcome(at: datetime) -> str | None:
    """Return why the mail server takes no mails, or None. It is asked as for a real mail."""
    config = current_app.config
    if not config["MAIL_SERVER"] or pause.current(at) is not None:
        return None
    try:
        smtp.greet()
    except smtp.NotSent as error:
        return f"mail server {config['MAIL_SERVER']}:{config['MAIL_PORT']} takes no mails: {error}"
    return None


def _minutes(since: datetime, at: datetime) -> str:
    return f"{int((at - since).total_seconds() // 60)} min"
