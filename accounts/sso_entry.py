"""What a provider's answer means for somebody: let in, tie first, proved, or refused."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import request
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from accounts import (
    browser,
    entering,
    events,
    identity,
    refusals,
    sso_link,
    sso_provider,
    sso_trip,
    visitor,
)
from accounts.id_token import LEEWAY, Claims, SsoFault
from accounts.models import Account, Membership, Organisation, Role
from accounts.sign_in import SignIn
from accounts.sso_trip import Purpose, Secrets, Trip
from accounts.visitor import Visitor
from db import db
from factors.refusal import Refusal
from providers import Provider


class TieFirst:
    """The person must show that the account with their email is theirs."""


class Proved:
    """The proof was given: go on with what it was for."""


Outcome = Visitor | TieFirst | Proved | Refusal


@dataclass(frozen=True)
class Sent:
    """What the provider's redirect carried; each field once, else it is missing (S-007)."""

    state: str
    code: str
    error: str
    issuer: str | None

    @classmethod
    def read(cls) -> "Sent":
        """Return it from the address of the request."""
        once = {name: request.args.getlist(name) for name in ("state", "code", "error", "iss")}
        first = {name: found[0] if len(found) == 1 else "" for name, found in once.items()}
        issuer = first["iss"] if once["iss"] else None
        return cls(first["state"], first["code"], first["error"], issuer)


def come_back(provider: Provider, sent: Sent, at: datetime) -> Outcome:
    """Take a provider's answer; every refusal has its event."""
    trip = sso_trip.spend(sent.state, provider.id, at)
    db.session.commit()  # nothing is held while the provider is asked
    if trip is None:
        return _refused(provider, None, "sso_state", "state", at)
    try:
        claims = _checked(provider, sent, trip.secrets(sent.state), at)
    except SsoFault as fault:
        reason = _reason_of(fault)
        return _refused(provider, trip, reason, fault.reason, at)
    if trip.purpose is Purpose.PROOF:
        return _prove(provider, claims, trip, at)
    return _once_more(lambda: _arrive(provider, claims, trip, at))


def _reason_of(fault: SsoFault) -> str:
    if fault.reason in {"unavailable", "cancelled"}:
        return f"sso_{fault.reason}"
    return "sso_answer"


def _checked(provider: Provider, sent: Sent, secrets: Secrets, at: datetime) -> Claims:
    """Return the claims, with the email of a person that we do not know yet."""
    if sent.error:
        raise SsoFault("cancelled" if sent.error == "access_denied" else "error")
    if not sent.code:
        raise SsoFault("answer")
    claims, access = sso_provider.answer(provider, sent.code, sent.issuer, secrets, at)
    is_known = identity.account_of(provider.issuer, claims.subject) is not None
    db.session.commit()
    if is_known or claims.has_email:
        return claims
    return sso_provider.more_claims(provider, claims, access, at)


def _once_more(act: Callable[[], Outcome]) -> Outcome:
    """Run it again if somebody else has just made the same person."""
    try:
        return act()
    except IntegrityError:
        db.session.rollback()
        return act()


def _refused(
    provider: Provider, trip: Trip | None, reason: str, word: str, at: datetime
) -> Refusal:
    if trip is not None:
        db.session.merge(trip).refused = reason
    kind = "proof" if trip is not None and trip.purpose is Purpose.PROOF else "sign-in"
    return note_refusal(provider, kind, reason, word, at)


def note_refusal(provider: Provider, kind: str, reason: str, word: str, at: datetime) -> Refusal:
    """Write down why a provider's answer, or its silence, let nobody in."""
    found = visitor.visitor()
    account_id = found.account.id if found is not None else None
    refusals.note(kind, account_id, at, factor="sso", result=f"refused: {word}")
    db.session.commit()
    return Refusal(reason, {"name": provider.name})


def _arrive(provider: Provider, claims: Claims, trip: Trip, at: datetime) -> Outcome:
    """Sign in whom the identity is tied to; else see whether it may be tied to somebody."""
    tied = identity.account_of(provider.issuer, claims.subject)
    account = tied or _newcomer(provider, claims, at)
    if isinstance(account, Refusal):
        return _refused(provider, trip, account.reason, account.reason[4:], at)
    account = Account.locked(account.id) or account  # the provider may have taken seconds
    if account.disabled_at is not None:
        return _refused(provider, trip, "sso_closed", "closed", at)
    if provider not in identity.providers_for(account.id):
        return _refused(provider, trip, "sso_organisation", "organisation", at)
    # Asked anew: the account of an email may have been tied to somebody else meanwhile.
    is_tied = identity.subject_of(account.id, provider.issuer) == claims.subject
    if not is_tied and not _is_theirs(account, at):
        return _ask_to_tie(provider, claims, account, trip, at)
    if not is_tied and not sso_link.tie(account, provider, claims.subject, at):
        return _refused(provider, trip, "sso_other_subject", "other_subject", at)
    return _admit(provider, account, claims, at)


def _newcomer(provider: Provider, claims: Claims, at: datetime) -> Account | Refusal:
    """Return the account with the verified email, or one made for it."""
    if claims.email is None:
        return Refusal("sso_unverified")
    account = db.session.scalar(select(Account).where(Account.email == claims.email))
    if account is not None:
        subject = identity.subject_of(account.id, provider.issuer)
        is_free = subject is None or subject == claims.subject
        return account if is_free else Refusal("sso_other_subject")
    organisations = list(
        db.session.scalars(
            select(Organisation).where(Organisation.name.in_(provider.organisations))
        )
    )
    if not provider.create_people or not organisations:
        return Refusal("sso_unknown_person")
    account = Account.create(claims.email, claims.name, None, at)
    for organisation in organisations:
        Membership.begin(account.id, organisation.id, Role.MEMBER, at)
    events.record("account added", account.id, at, factor="sso", result=provider.id)
    if not sso_link.tie(account, provider, claims.subject, at):
        db.session.rollback()
        return Refusal("sso_other_subject")
    return account


def _is_theirs(account: Account, at: datetime) -> bool:
    """Tell whether this browser has just proved that it is the account's owner."""
    found = visitor.visitor()
    return (
        found is not None
        and not found.is_spent
        and found.account.id == account.id
        and visitor.is_still_in(found, at)
        and found.is_authenticated
        and found.sign_in.is_proved(at)
    )


def _ask_to_tie(
    provider: Provider, claims: Claims, account: Account, trip: Trip, at: datetime
) -> Outcome:
    """Keep who came until the account's password is proved; without one nothing can prove it."""
    if account.password_hash is None:
        return _refused(provider, trip, "sso_no_password", "no password", at)
    kept = db.session.merge(trip)
    kept.account_id, kept.subject = account.id, claims.subject
    kept.exempt_at = at if claims.is_enough else None
    kept.demand_met_at = at if claims.met_demand else None
    events.record("sign-in", account.id, at, factor="sso", result="asked for the password")
    db.session.commit()
    return TieFirst()


def _admit(provider: Provider, account: Account, claims: Claims, at: datetime) -> Outcome:
    earlier = visitor.visitor()
    if earlier is not None and not earlier.is_spent:
        db.session.execute(
            update(SignIn)
            .where(SignIn.id == earlier.sign_in.id, SignIn.ended_at.is_(None))
            .values(ended_at=at)
        )
    device = browser.known(account.id, at)
    return entering.begin(
        account,
        device.id if device is not None else None,
        at,
        first_factor="sso",
        provider_id=provider.id,
        exempt_at=at if claims.is_enough else None,
        demand_met_at=at if claims.met_demand else None,
        next_path=entering.wanted_path(earlier),
    )


def _prove(provider: Provider, claims: Claims, trip: Trip, at: datetime) -> Outcome:
    """Take a sign-in at the provider as the proof, if it was made for it (S-183)."""
    found = visitor.visitor()
    if found is None or found.is_spent or found.sign_in.id != trip.sign_in_id:
        return _refused(provider, trip, "sso_state", "state", at)
    if not visitor.is_still_in(found, at):
        return _refused(provider, trip, "sso_state", "signed out", at)
    account = identity.account_of(provider.issuer, claims.subject)
    leeway = timedelta(seconds=LEEWAY)
    earliest, latest = (trip.started_at - leeway).timestamp(), (at + leeway).timestamp()
    if account is None or account.id != found.account.id:
        return _refused(provider, trip, "sso_other_person", "subject", at)
    if claims.auth_time is None:
        return _refused(provider, trip, "sso_no_auth_time", "no auth_time", at)
    if not earliest <= claims.auth_time <= latest:
        return _refused(provider, trip, "sso_stale", "auth_time", at)
    if found.sign_in.exempt_at is not None and not claims.is_enough:
        return _refused(provider, trip, "sso_lower", "amr or acr", at)
    if claims.met_demand:
        found.sign_in.demand_met_at = at
    events.record("proof", account.id, at, factor="sso")
    return Proved()
