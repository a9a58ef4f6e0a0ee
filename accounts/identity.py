"""Identity: who somebody is at a provider, tied to an account (S-181).

The key is the pair of issuer and subject. An email address never ties by
itself: it may be given to somebody else, or be typed in by whoever has it not.
"""

from datetime import datetime

from flask import current_app
from sqlalchemy import ColumnElement, ForeignKey, UniqueConstraint, and_, exists, select
from sqlalchemy.orm import Mapped, mapped_column

import bounds
from accounts import events, notices, sso_trip
from accounts.models import Account, Membership, Organisation
from accounts.sign_in import SignIn
from bounds import at_most
from db import Model, add_if_new, db
from mail import messages
from providers import Provider


class Identity(Model):
    """One person of a provider, tied to one account."""

    __tablename__ = "identities"
    __table_args__ = (
        UniqueConstraint("issuer", "subject"),
        UniqueConstraint("account_id", "issuer"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    issuer: Mapped[str] = mapped_column(at_most("issuer", bounds.ISSUER))
    subject: Mapped[str] = mapped_column(at_most("subject", bounds.SUBJECT))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    tied_at: Mapped[datetime]


def cannot_sign_in() -> ColumnElement[bool]:
    """Whether an account has neither a password nor a tie: an invitation is not answered yet."""
    tie = exists().where(Identity.account_id == Account.id).correlate(Account)
    return and_(Account.password_hash.is_(None), ~tie)


def providers() -> dict[str, Provider]:
    """Return the providers of the settings by id."""
    found: dict[str, Provider] = current_app.config["PROVIDERS"]
    return found


def providers_for(account_id: int) -> list[Provider]:
    """Return the providers that may sign in members of the person's organisations."""
    if not providers():
        return []
    names = _organisations(account_id)
    return [one for one in providers().values() if names.intersection(one.organisations)]


def _organisations(account_id: int) -> set[str]:
    return set(
        db.session.scalars(
            select(Organisation.name)
            .join(Membership, Membership.organisation_id == Organisation.id)
            .where(Membership.account_id == account_id)
        )
    )


def account_of(issuer: str, subject: str) -> Account | None:
    """Return the account that this person of a provider is tied to."""
    return db.session.scalar(
        select(Account)
        .join(Identity, Identity.account_id == Account.id)
        .where(Identity.issuer == issuer, Identity.subject == subject)
    )


def subject_of(account_id: int, issuer: str) -> str | None:
    """Return the person at this issuer that the account is tied to."""
    query = select(Identity.subject).where(
        Identity.account_id == account_id, Identity.issuer == issuer
    )
    return db.session.scalar(query)


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
