"""A first password for somebody who so far signs in by SSO alone.

Whoever wants two-factor authentication needs one before: the code stands beside it.
"""

from flask import Blueprint, Response, request, url_for

import clock
import web
from accounts import new_password, proof
from accounts.forms import SignInForm
from accounts.hash_queue import Asker
from accounts.visitor import me
from db import db
from factors.refusal import Refusal

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
    typed = SignInForm.posted().password.data or ""
    if refusal := new_password.strength(typed):
        return web.render("accounts/first_password.html", 422, refusal=refusal)
    asker = Asker.of(f"account {found.account.id}")
    db.session.rollback()  # no transaction is open while it is hashed
    hashed = new_password.hashed(typed, asker)
    if isinstance(hashed, Refusal):
        status = proof.status_of(hashed)
        return web.render("accounts/first_password.html", status, refusal=hashed)
    if not new_password.set_first(found, hashed, clock.now()):
        db.session.rollback()
        return web.go(url_for("first_password.show"))  # which tells that there is one
    db.session.commit()
    return web.go(url_for("wizard.show"))
