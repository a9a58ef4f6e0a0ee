"""The page that asks for the reset code before somebody who was reset may set up again."""

from flask import Blueprint, Response, url_for

import clock
import web
from accounts import proof, reset, second_factor
from accounts.forms import CodeForm
from accounts.visitor import me
from db import db
from factors.refusal import Refusal

bp = Blueprint("reset", __name__)


@bp.get("/signin/reset-code")
def show() -> Response:
    """Ask for the code, if one is due."""
    if not reset.is_due(me()):
        return web.go(url_for("home"))
    return _page(None, 200)


@bp.post("/signin/reset-code")
def submit() -> Response:
    """Take the code and lead to the set-up."""
    found, form, at = me(), CodeForm.posted(), clock.now()
    if not reset.is_due(found):
        return web.go(url_for("home"))
    refusal = second_factor.reset_code(found, form.code.data, at)
    db.session.commit()
    if refusal is None:
        return web.go(url_for("wizard.show"))
    return _page(proof.signed_in(refusal), proof.status_of(refusal))


def _page(refusal: Refusal | None, status: int) -> Response:
    return web.render("accounts/reset_code.html", status, refusal=refusal)
