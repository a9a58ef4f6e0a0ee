"""Enforcement: how an organisation comes to ask, and whom it concerns; see also policy.py."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import and_, func, select

from accounts import events
from accounts.models import Account, Enforcement, Membership, Organisation
from accounts.visitor import Visitor
from db import db
from factors.authenticator import Authenticator
from factors.refusal import Refusal


@dataclass(frozen=True)
class Consequences:
    """What an organisation's choice means in numbers."""

    members: int
    protected: int
    to_set_up: int
    exempt: int


def set_policy(
    organisation: Organisation,
    enforcement: Enforcement,
    hard_from: datetime | None,
    by: Visitor | None,
    at: datetime,
    grace_days: int | None = None,
) -> Refusal | None:
    """Let an organisation ask in this way from now on, or say why not.

    It counts at the next request of everybody signed in (S-011). Nobody makes it a
    must, now or later, who has no second factor; `by` is None for the command line,
    which may. The caller commits.
    """
    is_must = enforcement is Enforcement.HARD or hard_from is not None
    if is_must and by is not None and by.authenticator is None:
        return Refusal("hard_without_own")
    if hard_from is not None and enforcement is not Enforcement.SOFT:
        return Refusal("date_without_soft")
    if hard_from is not None and hard_from <= at and hard_from != organisation.hard_from:
        return Refusal("date_past")
    organisation.enforcement, organisation.hard_from = enforcement, hard_from
    if grace_days is not None:
        organisation.grace_days = grace_days
    account_id = by.account.id if by is not None else None
    result = f"{organisation.name}: {enforcement}"
    if hard_from is not None:
        result += f", hard from {hard_from.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    events.record("enforcement changed", account_id, at, result=result)
    return None


def consequences(organisation_id: int, at: datetime) -> Consequences:
    """Return whom a choice of this organisation concerns: people who are not disabled."""
    members, protected = db.session.execute(
        select(func.count(), func.count(Authenticator.id))
        .select_from(Membership)
        .join(Account, Account.id == Membership.account_id)
        .outerjoin(
            Authenticator,
            and_(Authenticator.account_id == Account.id, Authenticator.revoked_at.is_(None)),
        )
        .where(Membership.organisation_id == organisation_id, Account.disabled_at.is_(None))
    ).one()
    return Consequences(members, protected, members - protected, exempt=0)
