"""Ties: a person of a provider becomes that of an account, once the account is proved (S-181)."""

from datetime import datetime

from accounts import events, notices, sso_trip
from accounts.identity import Identity, account_of, providers, providers_for, subject_of
from accounts.models import Account
from accounts.sign_in import SignIn
from db import add_if_new
from mail import messages
from providers import Provider


def tie(account: Account, provider: Provider, subject: str, at: datetime) -> bool:
    """Tie a person of a provider to the account, and tell its owner; False if either is taken."""
    add_if_new(Identity, issuer=provider.issuer, subject=subject, account_id=account.id, tied_at=at)
    owner = account_of(provider.issuer, subject)
    if owner is None or owner.id != account.id:
        return False
    events.record("sso tied", account.id, at, factor="sso", result=provider.id)
    message = messages.sso_tied(account.name, provider.name, at)
    notices.to_primary(account, message, at)
    return True


def finish_tie(sign_in: SignIn, account: Account, at: datetime) -> None:
    """Make the tie that waited for the proof of this account; the sign-in now is one by SSO.

    Called where the proof is whole: after the password, or after the second factor.
    """
    trip = sso_trip.tie_of(sign_in.id)
    provider = providers().get(sign_in.provider_id or "")
    if trip is None or trip.subject is None or provider not in providers_for(account.id):
        return  # the person may have left its organisation since they came
    if not trip.tie_once(at):
        return
    if subject_of(account.id, provider.issuer) is not None or not tie(
        account, provider, trip.subject, at
    ):
        return
    sign_in.first_factor, sign_in.exempt_at = "sso", trip.exempt_at
    sign_in.demand_met_at = trip.demand_met_at
