"""The second factor at sign-in: app code, backup code, backup email."""

from datetime import datetime

from flask import Blueprint, Response, url_for

import clock
import cookies
import web
from accounts import code_mail, entering, second_factor, visitor
from accounts.forms import CodeForm
from accounts.visitor import Visitor, me
from addresses import masked
from db import db
from factors import backup_codes
from factors.backup_email import BackupEmail
from factors.refusal import Refusal

bp = Blueprint("challenge", __name__)


@bp.get("/signin/code")
def show() -> Response:
    """Ask for the app code."""
    return _page("code")


@bp.post("/signin/code")
def submit() -> Response:
    """Spend an app code."""
    form, at = CodeForm.posted(), clock.now()
    refusal = second_factor.app_code(me(), form.code.data, at)
    return _answer("code", "app", refusal, at, trust=form.trust.data)


@bp.get("/signin/another-way")
def other_way() -> Response:
    """Offer the backup ways that the person has."""
    codes = backup_codes.has_unused(me().account.id)
    return _page("another_way", has_codes=codes, address=BackupEmail.address_of(me().account.id))


@bp.get("/signin/backup-code")
def backup_code() -> Response:
    """Ask for a backup code."""
    return _page("backup_code")


@bp.post("/signin/backup-code")
def submit_backup_code() -> Response:
    """Spend a backup code."""
    at = clock.now()
    refusal = second_factor.backup_code(me(), CodeForm.posted().code.data, at)
    return _answer("backup_code", "backup code", refusal, at)


@bp.get("/signin/backup-email")
def backup_email() -> Response:
    """Offer to mail a code."""
    address = BackupEmail.address_of(me().account.id)
    if address is None:
        return web.go(url_for("challenge.other_way"))
    return _page("backup_email", address=masked(address))


@bp.post("/signin/backup-email")
def send_email() -> Response:
    """Mail a code, or the same code again, and lead to its form."""
    refusal = second_factor.mail_code(me(), clock.now())
    db.session.commit()
    refusal = refusal or code_mail.deliver()
    if refusal is not None:
        return _email_code_page(refusal, code_mail.status_of(refusal))
    return web.go(url_for("challenge.email_code"))


@bp.get("/signin/backup-email/code")
def email_code() -> Response:
    """Ask for the mailed code."""
    return _email_code_page(None, 200)


@bp.post("/signin/backup-email/code")
def submit_email_code() -> Response:
    """Spend a mailed code."""
    at = clock.now()
    refusal = second_factor.email_code(me(), CodeForm.posted().code.data, at)
    return _answer("email_code", "backup email", refusal, at)


def _answer(
    page: str, factor: str, refusal: Refusal | None, at: datetime, trust: bool = False
) -> Response:
    """Let the person in, show the form with the reason, or tell of the pause."""
    found = me()
    if refusal is None:
        return _let_in(found, factor, at, trust)
    db.session.commit()
    if refusal.is_closed:
        visitor.leave()
        return web.render("accounts/locked.html", 429, refusal=refusal)
    if page == "email_code":
        return _email_code_page(refusal, 422)
    return _page(page, refusal, 422)


def _let_in(found: Visitor, factor: str, at: datetime, trust: bool) -> Response:
    token = second_factor.complete(found, factor, at, trust)
    db.session.commit()
    answer = web.go(entering.landing(found, at))
    cookies.set_device(answer, token)
    return answer


def _email_code_page(refusal: Refusal | None, status: int) -> Response:
    address = BackupEmail.address_of(me().account.id)
    if address is None:
        return web.go(url_for("challenge.other_way"))
    return _page("email_code", refusal, status, address=masked(address))


def _page(
    name: str, refusal: Refusal | None = None, status: int = 200, **values: object
) -> Response:
    return web.render(f"accounts/{name}.html", status, refusal=refusal, **values)
