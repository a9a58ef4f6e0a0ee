"""Identity: who somebody is at a provider, tied to an account (S-181).

The key is the pair of issuer and subject. An email address never ties by
itself: it may be given to somebody else, or be typed in by whoever has it not.
"""

from datetime import datetime

from flask import current_app
from sqlalchemy import ColumnElement, ForeignKey, UniqueConstraint, and_, exists, select
from sqlalchemy.orm import Mapped, mapped_column

import bounds
from accounts.models import Account, Membership, Organisation
from bounds import at_most
from db import Model, db
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
