"""Signing in with email and password, and signing out."""

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, request, session, url_for
from sqlalchemy import select

import addresses
import clock
import cookies
import web
from accounts import entering, events, identity, password, password_tries, sso_provider, visitor
from accounts.forms import SignInForm
from accounts.models import Account
from accounts.sso_trip import Trip
from accounts.visitor import Visitor
from db import db
from factors import trusted_device
from factors.refusal import Refusal
from factors.trusted_device import TrustedDevice

bp = Blueprint("signin", __name__)


@dataclass(frozen=True)
class Known:
    """What the database knows of an address before the password is read."""

    address: str
    account: Account | None
    device: TrustedDevice | None
    bucket: str


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
        waits = outcome.is_closed or outcome.reason == "password_wait"
        return page(outcome, form.email.data or "", 429 if waits else 422)
    answer = web.go(entering.landing(outcome, at))
    if outcome.new_device_token is not None:
        cookies.set_device(answer, outcome.new_device_token)
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


def sign_in(typed: str, secret: str, at: datetime, trip: Trip | None = None) -> Visitor | Refusal:
    """Sign somebody in by password, or say why not.

    No transaction is open while the password is hashed. The answer is decided
    in the transaction that counts it, so that parallel tries learn no more
    than serial ones.
    """
    known = _known(typed, at)
    if wait := password_tries.waiting(known.bucket, at):
        return wait
    db.session.rollback()
    account = known.account
    right = password.matches(account.password_hash if account else None, secret)
    if account is None or not right or account.disabled_at is not None:
        wait = password_tries.charge(known.bucket, at)
        events.record("sign-in", account.id if account else None, at, result="refused")
        db.session.commit()
        return wait or Refusal("pair")
    return _admit(known, account, trip, at)


def _known(typed: str, at: datetime) -> Known:
    try:
        address = addresses.canonical(typed)
    except addresses.AddressRefused:
        address = ""
    account = db.session.scalar(select(Account).where(Account.email == address))
    device = None
    if account is not None:
        device = trusted_device.recognise(account.id, cookies.device_token(request), at)
        db.session.expunge(account)
        if device is not None:
            db.session.expunge(device)
    return Known(
        address,
        account,
        device,
        password_tries.bucket(address, device.id if device else None),
    )


def _admit(known: Known, account: Account, trip: Trip | None, at: datetime) -> Visitor | Refusal:
    """Let the right password in; `trip` is the SSO sign-in that waits for it."""
    password_tries.clear(known.bucket)
    if trip is None:
        path = session.get("next")
        return entering.begin(account, known.device, at, first_factor="password", next_path=path)
    return entering.begin(
        account,
        None,  # trust spares the code, but is no proof that the account is theirs (S-118)
        at,
        trip,
        first_factor="password",
        provider_id=trip.provider_id,
        next_path=entering.wanted_path(visitor.visitor()),
    )


def page(refusal: Refusal | None, email: str, status: int) -> Response:
    """Show the sign-in form; other rooms end here with their reason."""
    return web.render("accounts/sign_in.html", status, refusal=refusal, email=email)
