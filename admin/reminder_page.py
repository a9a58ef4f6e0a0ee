"""Send a reminder now: who will get it, then the mail."""

from flask import Blueprint, Response

import clock
import web
from accounts import proof, reminders
from accounts.visitor import me
from admin import access
from admin.access import desk
from db import db

bp = Blueprint("reminder", __name__, url_prefix="/people/remind")
MOST = 200
"""Mails of one press; who is left gets one by the next press, or by `remind`."""
SHOWN = 50
"""Names that the page shows."""


@bp.get("")
def show() -> Response:
    """Show who will get a reminder."""
    return _page(None)


@bp.post("")
def submit() -> Response:
    """Remind them, each at most once a day however often this is pressed."""
    if not access.is_proved():
        return proof.ask(access.address("admin.reminder.show"))
    at, sent = clock.now(), 0
    people = list(reminders.due_now(desk().organisation.id, at))[:MOST]
    for person in people:
        sent += reminders.put_by_hand(person, me().account, at)
    db.session.commit()
    return _page(sent)


def _page(sent: int | None) -> Response:
    people = list(reminders.due_now(desk().organisation.id, clock.now()))
    return web.render(
        "admin/reminder.html", people=people[:SHOWN], number=len(people), most=MOST, sent=sent
    )
