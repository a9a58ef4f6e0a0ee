"""Confirm it is you: a fresh proof before a sensitive act (S-047).

With two-factor on it is an app code or a backup code, otherwise the password, or
for somebody who came by SSO a new sign-in at the provider (S-183). From a provider
that does not say when it was, a code mailed to the sign-in address. A trusted
device is no proof (S-118).
"""

from datetime import datetime

from flask import Blueprint, Response, url_for
from sqlalchemy import update

import clock
import web
from accounts import code_mail, events, gate, identity, nudge, second_factor, sso_trip
from accounts.forms import ProofForm
from accounts.sign_in import SignIn
from accounts.typed_password import TypedPassword
from accounts.visitor import Visitor, me
from db import db
from factors import backup_codes
from factors.backup_email import PROVE
from factors.refusal import Refusal
from factors.typed import digits

bp = Blueprint("proof", __name__)


def ask(page: str) -> Response:
    """Ask for a proof and lead to `page` afterwards, an address made by ourselves.

    From a GET as well: its reading transaction ends first, because one that reads and
    then writes does not wait.
    """
    sign_in_id = me().sign_in.id
    db.session.rollback()
    db.session.execute(update(SignIn).where(SignIn.id == sign_in_id).values(proof_for=page))
    db.session.commit()
    return web.go(url_for("proof.show"))


@bp.get("/signin/confirm")
def show() -> Response:
    """Ask for a code or the password."""
    return page(None, 200)


@bp.post("/signin/confirm")
def submit() -> Response:
    """Take the proof; the sign-in gets a new token with it."""
    found, form, at = me(), ProofForm.posted(), clock.now()
    refusal = prove(found, form, at)
    if refusal is not None:
        db.session.commit()
        return page(refusal, status_of(refusal))
    return passed(found, at)


@bp.post("/signin/confirm/mail")
def mail_code() -> Response:
    """Mail a code to somebody whose provider can't prove that they signed in just now."""
    found = me()
    if not _may_have_mail(found):
        return web.go(url_for("proof.show"))
    refusal = second_factor.mail_proof_code(found, clock.now())
    db.session.commit()
    refusal = refusal or code_mail.deliver()
    if refusal is not None:
        return page(refusal, code_mail.status_of(refusal))
    return web.go(url_for("proof.show"))


def passed(found: Visitor, at: datetime) -> Response:
    """Note the proof, and go on with what it was for."""
    page = found.sign_in.proof_for or url_for("home")
    found.sign_in.proof_for, found.sign_in.proved_at = None, at
    found.keep(found.sign_in.renew(found.token, at))
    db.session.commit()
    return web.go(page)


def status_of(refusal: Refusal) -> int:
    """Return the status of a page that refuses: 429 while nothing is read, 503 for "not now"."""
    if refusal.is_busy or refusal.reason == "sso_unavailable":
        return 503
    waits = refusal.is_closed or refusal.reason in {"locked_proof", "password_wait"}
    return 429 if waits else 422


def prove(found: Visitor, form: ProofForm, at: datetime) -> Refusal | None:
    """Return why this is no proof that the visitor is who they say, or None."""
    if found.authenticator is None and form.code.data and _may_have_mail(found):
        return signed_in(second_factor.email_code(found, form.code.data, at, PROVE))
    if found.authenticator is None:
        return by_password(found, form.password.data or "", at)
    return by_code(found, form.code.data, at)


def by_code(found: Visitor, typed: str | None, at: datetime) -> Refusal | None:
    """Spend an app code or a backup code, or say why not."""
    is_backup = len(digits(typed)) == backup_codes.DIGITS
    spend = second_factor.backup_code if is_backup else second_factor.app_code
    refusal = signed_in(spend(found, typed, at))
    if refusal is None:
        found.sign_in.give_second("backup code" if is_backup else "app", at)
    return refusal


def signed_in(refusal: Refusal | None) -> Refusal | None:
    """Return the refusal for somebody whose sign-in a pause leaves alone (S-099)."""
    if refusal is not None and refusal.reason == "locked":
        return Refusal("locked_proof", refusal.values)
    return refusal


def by_password(found: Visitor, secret: str, at: datetime) -> Refusal | None:
    """Check the password without an open transaction, within the budget of this browser.

    Turns away somebody whose sign-in ended meanwhile: with another password, say.
    """
    typed = TypedPassword.for_(found.account.email, found.account, at)
    if wait := typed.waiting(at):
        return wait
    db.session.commit()
    if busy := typed.verify(secret):
        return busy
    gate.check_again(found, at)
    settled = typed.settle(at, clear=False)
    if not isinstance(settled, Refusal):
        events.record("proof", found.account.id, at, factor="password")
        return None
    events.record("proof", found.account.id, at, factor="password", result="refused")
    return Refusal("password") if settled.reason == "pair" else settled


def _may_have_mail(found: Visitor) -> bool:
    """Tell whether a mailed code may be the proof: only where SSO turned out to give none."""
    is_by_sso = found.sign_in.first_factor == "sso" and found.authenticator is None
    return is_by_sso and sso_trip.lacks_auth_time(found.sign_in.id)


def page(refusal: Refusal | None, status: int) -> Response:
    """Show what may be the proof of this person."""
    found = me()
    may_have_mail = _may_have_mail(found)
    return web.render(
        "accounts/confirm.html",
        status,
        refusal=refusal,
        for_administration=(found.sign_in.proof_for or "").startswith(nudge.ADMINISTRATION),
        provider=identity.providers().get(found.sign_in.provider_id or ""),
        may_have_mail=may_have_mail,
        is_mailed=may_have_mail and second_factor.newest_email_code(found, PROVE) is not None,
    )
