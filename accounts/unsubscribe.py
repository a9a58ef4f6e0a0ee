"""No more reminders: one click in a mail program, or a button on a page (RFC 8058).

The one POST that other sites may send. Its address is signed for this purpose alone,
names no mail address, and changes nothing but the reminders of one person.
"""

from flask import Blueprint, Response, abort, current_app, url_for
from itsdangerous import BadSignature, URLSafeSerializer

import clock
import keys
import web
from accounts import events
from accounts.models import Account
from db import db

bp = Blueprint("unsubscribe", __name__)
PURPOSE = "unsubscribe"


def link(account_id: int) -> str:
    """Return the address that ends a person's reminders."""
    return f"{current_app.config['BASE_URL'].rstrip('/')}/help/unsubscribe/{_signed(account_id)}"


@bp.get("/help/unsubscribe/<token>")
def show(token: str) -> Response:
    """Offer to end the reminders; a mail program that only looks changes nothing (S-079)."""
    account = _account(token)
    return web.render(
        "accounts/unsubscribe.html", token=token, is_off=account.reminders_off_at is not None
    )


@bp.post("/help/unsubscribe/<token>")
def submit(token: str) -> Response:
    """End the reminders of whoever got the mail."""
    account = _account(token)
    if account.reminders_off_at is None:
        account.reminders_off_at = clock.now()
        events.record("reminders ended", account.id, clock.now())
        db.session.commit()
    return web.go(url_for("unsubscribe.show", token=token))


def _signed(account_id: int) -> str:
    return str(_serializer().dumps(account_id))


def _account(token: str) -> Account:
    try:
        account = db.session.get(Account, _serializer().loads(token))
    except BadSignature:
        account = None
    return account or abort(404)


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(keys.ring().derived(PURPOSE), salt=PURPOSE)
