"""Signing in with email and password, and signing out."""

from datetime import datetime

from flask import Blueprint, Response, session, url_for
from sqlalchemy import select

import addresses
import clock
import cookies
import web
from accounts import entering, events, identity, proof, refusals, sso_provider, visitor
from accounts.forms import SignInForm
from accounts.models import Account
from accounts.sso_trip import Trip
from accounts.typed_password import TypedPassword
from accounts.visitor import Visitor
from db import db
from factors.refusal import Refusal

bp = Blueprint("signin", __name__)


@bp.get("/signin")
def show() -> Response:
    """Show the sign-in form; a half sign-in goes on."""
    return page(None, "", 200)


@bp.post("/signin")
def submit() -> Response:
    """Check email and password, then lead to the second factor or in."""
    form, at = SignInForm.posted(), clock.now()
    outcome = sign_in(form.email.data or "", form.password.data or "", at)
    if isinstance(outcome, Refusal):
        return page(outcome, form.email.data or "", proof.status_of(outcome))
    return let_in(outcome, at)


def let_in(found: Visitor, at: datetime) -> Response:
    """Lead somebody who has just begun a sign-in on, in a browser that is known for 30 days."""
    answer = web.go(entering.landing(found, at))
    if found.device_token is not None:
        cookies.set_device(answer, found.device_token)
    return answer


@bp.post("/signout")
def sign_out() -> Response:
    """End the sign-in, also a half one (S-010)."""
    found = visitor.visitor()
    if found is not None and not found.is_spent:
        found.sign_in.end(clock.now())
        events.record("signed out", found.account.id, clock.now())
        db.session.commit()
    visitor.leave()
    answer = _sign_out_at_provider(found) or web.go(url_for("signin.show"))
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


def _sign_out_at_provider(found: Visitor | None) -> Response | None:
    """Send somebody who came by SSO on to sign out there too, where that can be done."""
    if found is None or found.is_spent or found.sign_in.first_factor != "sso":
        return None
    provider = identity.providers()[found.sign_in.provider_id or ""]
    address = sso_provider.sign_out_address(provider, clock.now())
    if address is None:
        return None
    return web.render("accounts/signed_out.html", address=address, name=provider.name)


def sign_in(address: str, secret: str, at: datetime, trip: Trip | None = None) -> Visitor | Refusal:
    """Sign somebody in by password, or say why not; `trip` is the SSO sign-in that waits for it.

    No transaction is open while the password is hashed.
    """
    typed = _typed(address, at)
    if wait := typed.waiting(at):
        return wait
    db.session.rollback()
    if busy := typed.verify(secret):
        return busy
    account = typed.settle(at, clear=True)
    if isinstance(account, Refusal):
        refusals.note("sign-in", typed.account_id, at, result="refused")
        db.session.commit()
        return account
    if trip is not None:
        return _admit_to_tie(account, trip, at)
    path = session.get("next")
    return entering.begin(account, typed.device_id, at, first_factor="password", next_path=path)


def _typed(address: str, at: datetime) -> TypedPassword:
    try:
        canonical = addresses.canonical(address)
    except addresses.AddressRefused:
        canonical = ""
    account = db.session.scalar(select(Account).where(Account.email == canonical))
    return TypedPassword.for_(canonical, account, at)


def _admit_to_tie(account: Account, trip: Trip, at: datetime) -> Visitor | Refusal:
    """Let the owner in, to whom somebody of a provider is to be tied.

    Trust spares the code, but is no proof that the account is theirs (S-118).
    """
    return entering.begin(
        account,
        None,
        at,
        trip,
        first_factor="password",
        provider_id=trip.provider_id,
        next_path=entering.wanted_path(visitor.visitor()),
    )


def page(refusal: Refusal | None, email: str, status: int) -> Response:
    """Show the sign-in form; other rooms end here with their reason."""
    return web.render("accounts/sign_in.html", status, refusal=refusal, email=email)
