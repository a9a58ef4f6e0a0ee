"""Enforcement: how an organisation comes to ask, and whom it concerns; see also policy.py."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import and_, case, func, select

import bounds
from accounts import events
from accounts.models import Account, Enforcement, Membership, Organisation
from accounts.reminders import only_by_sso
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

    It counts at the next request of everybody signed in (S-011). `by` is None for the
    command line. What changes nothing, like a second click, is no event. The caller commits.
    """
    db.session.refresh(organisation, with_for_update=True)
    days = organisation.grace_days if grace_days is None else grace_days
    if refusal := why_not(organisation, enforcement, hard_from, by, at, days):
        return refusal
    chosen = (enforcement, hard_from, days)
    if chosen == (organisation.enforcement, organisation.hard_from, organisation.grace_days):
        return None
    organisation.enforcement, organisation.hard_from, organisation.grace_days = chosen
    result = f"{organisation.name}: {enforcement}"
    if hard_from is not None:
        result += f", hard from {hard_from.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if days:
        result += f", {days} days for new people"
    account_id = by.account.id if by is not None else None
    events.record(
        "enforcement changed", account_id, at, result=result, organisation=organisation.id
    )
    return None


def why_not(
    organisation: Organisation,
    enforcement: Enforcement,
    hard_from: datetime | None,
    by: Visitor | None,
    at: datetime,
    grace_days: int,
) -> Refusal | None:
    """Return why an organisation can't ask in this way, or None.

    Nobody makes it a must, now or later, who has no second factor; the command line may.
    """
    is_must = enforcement is Enforcement.HARD or hard_from is not None
    if is_must and by is not None and by.authenticator is None:
        return Refusal("hard_without_own")
    if hard_from is not None and enforcement is not Enforcement.SOFT:
        return Refusal("date_without_soft")
    if hard_from is not None and hard_from <= at and hard_from != organisation.hard_from:
        return Refusal("date_past")
    if hard_from is not None and not bounds.is_moment(hard_from):
        return Refusal("date_far", {"year": bounds.LATEST.year})
    if not 0 <= grace_days <= bounds.MOST_DAYS:
        return Refusal("days_bad", {"most": bounds.MOST_DAYS})
    return None


def consequences(organisation_id: int, at: datetime) -> Consequences:
    """Return whom a choice of this organisation concerns: people who are not disabled."""
    has_none = Authenticator.id.is_(None)
    members, protected, exempt = db.session.execute(
        select(
            func.count(),
            func.count(Authenticator.id),
            func.coalesce(func.sum(case((and_(has_none, only_by_sso(at)), 1), else_=0)), 0),
        )
        .select_from(Membership)
        .join(Account, Account.id == Membership.account_id)
        .outerjoin(Authenticator, Authenticator.is_bound_to(Account.id))
        .where(Membership.organisation_id == organisation_id, Account.disabled_at.is_(None))
    ).one()
    return Consequences(members, protected, members - protected - exempt, exempt)
