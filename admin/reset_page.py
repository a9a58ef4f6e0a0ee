"""Resetting two-factor for somebody, and the page that shows their reset code once."""

from flask import Blueprint, Response

import clock
import web
from accounts import proof, reset
from accounts.models import Account
from accounts.visitor import me
from admin import access
from admin.forms import ResetForm
from admin.person_page import page, status_of
from db import db
from factors.refusal import Refusal

bp = Blueprint("reset", __name__, url_prefix="/people/<int:account_id>/reset")


@bp.get("")
def show(account_id: int) -> Response:
    """Ask why, after a fresh proof: whoever has typed a reason is not sent away."""
    account, _ = access.person(account_id)
    if refusal := _no_reset(account):
        return page(account, refusal, status_of(refusal))
    if not access.is_proved():
        return proof.ask(access.address("admin.reset.show", account_id=account_id))
    return _form(account, None, "", 200)


@bp.post("")
def submit(account_id: int) -> Response:
    """Reset somebody and show the reset code, this once."""
    account, _ = access.person(account_id)
    if refusal := _no_reset(account):
        return page(account, refusal, status_of(refusal))
    if not access.is_proved():
        return proof.ask(access.address("admin.reset.show", account_id=account_id))
    form = ResetForm.posted()
    reason = form.reason.data or ""
    code = reset.reset(account, reason, form.once.data or "", me().account, clock.now())
    if isinstance(code, Refusal):
        db.session.rollback()
        if code.reason.startswith("reason"):
            return _form(account, code, reason, 422)
        return page(account, code, 409)
    db.session.commit()
    return web.render("admin/reset_done.html", account=account, code=reset.shown(code))


def _no_reset(account: Account) -> Refusal | None:
    """Return why the visitor may not reset somebody: it needs a code of their own (S-170)."""
    if refusal := access.why_not(account):
        return refusal
    return None if me().authenticator is not None else Refusal("own_two_factor")


def _form(account: Account, refusal: Refusal | None, reason: str, status: int) -> Response:
    return web.render(
        "admin/reset.html",
        status,
        account=account,
        refusal=refusal,
        reason=reason,
        once=reset.new_nonce(),
    )
