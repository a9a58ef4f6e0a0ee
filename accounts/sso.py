"""Sign in by SSO: leave for a provider, come back, show whose account it is.

The callback is the one GET beside the wizard's that changes state: the standard
has the provider send people back by GET. Its state is good once (S-132).
"""

from flask import Blueprint, Response, abort, request, url_for

import clock
import web
from accounts import identity, proof, signin, sso_entry, sso_provider, sso_trip
from accounts.forms import SignInForm
from accounts.id_token import SsoFault
from accounts.models import Account
from accounts.sso_trip import Purpose, Trip
from accounts.visitor import me, visitor
from db import db, writes
from factors.refusal import Refusal
from providers import Provider

bp = Blueprint("sso", __name__)


def _provider(provider_id: str) -> Provider:
    return identity.providers().get(provider_id) or abort(404)


@bp.post("/signin/sso/<provider_id>")
def start(provider_id: str) -> Response:
    """Leave for the provider to sign in."""
    return _leave(_provider(provider_id), Purpose.SIGN_IN, None)


@bp.post("/signin/confirm/sso")
def start_proof() -> Response:
    """Leave for the provider of this sign-in to prove once more who one is."""
    found = me()
    provider_id = found.sign_in.provider_id or ""
    if found.sign_in.first_factor != "sso" or found.authenticator is not None:
        return web.go(url_for("proof.show"))
    return _leave(_provider(provider_id), Purpose.PROOF, found.sign_in.id)


def _leave(provider: Provider, purpose: Purpose, sign_in_id: int | None) -> Response:
    at = clock.now()
    trip, secrets = sso_trip.begin(provider.id, purpose, sign_in_id, at)
    db.session.commit()  # nothing is held while the provider is asked
    is_proof = purpose is Purpose.PROOF
    try:
        address = sso_provider.authorization_address(provider, secrets, at, anew=is_proof)
    except SsoFault as fault:
        kind = "proof" if is_proof else "sign-in"
        refusal = sso_entry.note_refusal(provider, kind, "sso_unavailable", fault.reason, at)
        return proof.page(refusal, 503) if is_proof else signin.page(refusal, "", 503)
    # Only now: anybody can press the button, and a provider that is down leaves no rows behind.
    db.session.add(trip)
    db.session.commit()
    return web.render("accounts/leaving.html", address=address, name=provider.name)


@bp.get("/signin/sso/<provider_id>/callback")
@writes
def callback(provider_id: str) -> Response:
    """Take the provider's answer."""
    if request.method != "GET":
        abort(405)  # a HEAD must not spend the answer
    provider, at = _provider(provider_id), clock.now()
    outcome = sso_entry.come_back(provider, sso_entry.Sent.read(), at)
    if isinstance(outcome, sso_entry.TieFirst):
        return web.go(url_for("sso.tie"))
    if isinstance(outcome, sso_entry.Proved):
        return proof.passed(me(), at)
    if isinstance(outcome, Refusal):
        return _refused(outcome)
    return signin.let_in(outcome, clock.now())


def _refused(refusal: Refusal) -> Response:
    """Say why, on the page where the person can try again or go another way."""
    status, found = proof.status_of(refusal), visitor()
    if found is None:
        return signin.page(refusal, "", status)
    if found.sign_in.proof_for is not None and found.is_authenticated:
        return proof.page(refusal, status)
    return web.render("accounts/sso_refused.html", status, refusal=refusal)


@bp.get("/signin/tie")
def tie() -> Response:
    """Ask for the password of the account that the provider's email belongs to."""
    trip = sso_trip.waiting_tie(clock.now())
    return web.go(url_for("signin.show")) if trip is None else _tie_page(trip, None, 200)


@bp.post("/signin/tie")
def submit_tie() -> Response:
    """Check the password; the tie is made when the second factor is passed too, if it is on."""
    at = clock.now()
    trip = sso_trip.waiting_tie(at)
    if trip is None:
        return _refused(Refusal("sso_state"))
    account, provider = db.session.get_one(Account, trip.account_id), _provider(trip.provider_id)
    if provider not in identity.providers_for(account.id):
        reason = ("sso_organisation", "organisation")
        return _refused(sso_entry.note_refusal(provider, "sign-in", *reason, at))
    typed = SignInForm.posted().password.data or ""
    outcome = signin.sign_in(account.email, typed, at, trip)
    if isinstance(outcome, Refusal):
        shown = Refusal("password") if outcome.reason == "pair" else outcome
        return _tie_page(trip, shown, proof.status_of(shown))
    return signin.let_in(outcome, clock.now())


def _tie_page(trip: Trip, refusal: Refusal | None, status: int) -> Response:
    account, provider = db.session.get_one(Account, trip.account_id), _provider(trip.provider_id)
    return web.render(
        "accounts/tie.html", status, refusal=refusal, email=account.email, provider=provider
    )
