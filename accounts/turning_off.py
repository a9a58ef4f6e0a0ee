"""Turning two-factor off: by an app code, a backup code or, on a page of its own, a mailed code."""

from flask import Blueprint, Response, url_for

import clock
import web
from accounts import code_mail, removals, second_factor
from accounts.forms import CodeForm
from accounts.proof import by_code, signed_in, status_of
from accounts.visitor import me
from addresses import masked
from db import db
from factors.backup_email import TURN_OFF, BackupEmail
from factors.refusal import Refusal

bp = Blueprint("turning_off", __name__, url_prefix="/security/turn-off")


@bp.get("")
def show() -> Response:
    """Ask for a code, or tell who demands that it stays on."""
    return _refused() or _page("turn_off", None)


@bp.post("")
def submit() -> Response:
    """Spend an app code or a backup code, and turn two-factor off."""
    if refused := _refused():
        return refused
    return _answer("turn_off", by_code(me(), CodeForm.posted().code.data, clock.now()))


@bp.get("/email")
def email() -> Response:
    """Offer to mail a code to the backup address."""
    return _refused() or _page("turn_off_email", None)


@bp.post("/email")
def send_email() -> Response:
    """Mail the code, or the same one again."""
    if refused := _refused():
        return refused
    refusal = second_factor.mail_code(me(), clock.now(), TURN_OFF)
    db.session.commit()
    refusal = refusal or code_mail.deliver()
    if refusal is None:
        return web.go(url_for("turning_off.email_code"))
    return _page("turn_off_code", refusal, code_mail.status_of(refusal))


@bp.get("/email/code")
def email_code() -> Response:
    """Ask for the mailed code."""
    return _refused() or _page("turn_off_code", None)


@bp.post("/email/code")
def submit_email_code() -> Response:
    """Spend the mailed code, and turn two-factor off."""
    if refused := _refused():
        return refused
    refusal = second_factor.email_code(me(), CodeForm.posted().code.data, clock.now(), TURN_OFF)
    return _answer("turn_off_code", signed_in(refusal))


def _refused() -> Response | None:
    """Answer whoever has nothing to turn off, or must not."""
    if me().authenticator is None:
        return web.go(url_for("security.show"))
    kept = removals.why_kept_on(me(), clock.now())
    return web.render("accounts/kept_on.html", 409, refusal=kept) if kept else None


def _answer(page: str, refusal: Refusal | None) -> Response:
    if refusal is None:
        removals.turn_off(me(), clock.now())
        db.session.commit()
        return web.go(url_for("security.show"))
    db.session.commit()
    return _page(page, refusal, status_of(refusal))


def _page(name: str, refusal: Refusal | None, status: int = 200) -> Response:
    address = BackupEmail.address_of(me().account.id)
    if address is None and name != "turn_off":
        return web.go(url_for("turning_off.show"))
    return web.render(
        f"accounts/{name}.html",
        status,
        refusal=refusal,
        address=masked(address) if address else None,
    )
