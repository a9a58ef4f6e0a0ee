"""A first password for somebody who so far signs in by SSO alone.

Whoever wants two-factor authentication needs one before: the code stands beside it.
"""

from datetime import datetime

from flask import Blueprint, Response, request, url_for
from sqlalchemy import update

import clock
import web
from accounts import events, notices, password, proof
from accounts.forms import SignInForm
from accounts.models import Account, end_others
from accounts.visitor import Visitor, me
from db import db
from factors.refusal import Refusal
from mail import messages

bp = Blueprint("first_password", __name__)


@bp.get("/security/first-password")
def show() -> Response:
    """Ask for the password, if there is none."""
    if me().account.password_hash is not None:
        return web.go(url_for("security.show"))
    return web.render("accounts/first_password.html", refusal=None)


@bp.post("/security/first-password")
def submit() -> Response:
    """Set the password and lead to the set-up; without one, ask for the proof and then for it."""
    found, at = me(), clock.now()
    if not found.sign_in.is_proved(at):
        return proof.ask(url_for("first_password.show"))
    if "password" not in request.form:
        return web.go(url_for("first_password.show"))
    refusal = set_first(found, SignInForm.posted().password.data or "", at)
    if refusal is not None:
        return web.render("accounts/first_password.html", 422, refusal=refusal)
    return web.go(url_for("wizard.show"))


def set_first(found: Visitor, typed: str, at: datetime) -> Refusal | None:
    """Set the password unless there is one by now, or say why it can't be used."""
    try:
        password.check_strength(typed)
    except password.PasswordRefused as error:
        return Refusal("password_weak", {"why": str(error)})
    db.session.rollback()  # no transaction is open while it is hashed
    hashed = password.hashed(typed)
    spent = db.session.execute(
        update(Account)
        .where(Account.id == found.account.id, Account.password_hash.is_(None))
        .values(password_hash=hashed, password_at=at)
        .returning(Account.id)
    )
    if spent.first() is None:
        return None
    end_others(found.sign_in, at)
    events.record("password set", found.account.id, at)
    notices.to_primary(found.account, messages.password_set(found.account.name, at), at)
    db.session.commit()
    return None
