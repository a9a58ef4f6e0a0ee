"""What is done to an account by those who look after it: unlock, disable, let back in."""

from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.engine import CursorResult

from accounts import events, past_membership
from accounts.identity import cannot_sign_in
from accounts.models import Account, Membership, Organisation, Role
from accounts.sign_in import end_all
from db import db
from factors import throttle
from factors.refusal import Refusal
from factors.throttle import Throttle, Tries
from factors.trusted_device import TrustedDevice


def unlock(account: Account, by: Account | None, at: datetime) -> bool:
    """End every pause of the second factor; tell whether anything had counted."""
    tries = throttle.locked(Throttle, account.id)
    devices = db.session.scalars(
        select(TrustedDevice).where(TrustedDevice.account_id == account.id).with_for_update()
    ).all()
    every: list[Tries] = [tries, *devices]
    buckets = [bucket for bucket in every if bucket.wrong_at or bucket.locked_until]
    for bucket in buckets:
        bucket.open()
    if buckets:
        events.record("unlocked", account.id, at, by=by.id if by else None)
    return bool(buckets)


def disable(account: Account, by: Account | None, at: datetime) -> Refusal | None:
    """Keep a person out from their next request on, and end their sign-ins (S-119)."""
    lock_organisations(account.id)
    if is_last_owner(account.id):
        return Refusal("last_owner", {"name": account.name})
    if _set(account, Account.disabled_at.is_(None), at):
        end_all(account.id, at)
        events.record("disabled", account.id, at, by=by.id if by else None)
    return None


def enable(account: Account, by: Account | None, at: datetime) -> None:
    """Let a disabled person sign in again."""
    if _set(account, Account.disabled_at.is_not(None), None):
        events.record("enabled", account.id, at, by=by.id if by else None)


def change_role(
    account: Account,
    organisation_id: int,
    role: Role,
    by: Account | None,
    at: datetime,
    last_owner_may_go: bool = False,
) -> Refusal | None:
    """Give somebody another role in an organisation; its last owner keeps theirs.

    `by` is the administrator, None the command line, which may take away the last owner.
    """
    lock_organisations(account.id)
    tie = db.session.get_one(Membership, (account.id, organisation_id), populate_existing=True)
    old = tie.role
    if old is role:
        return None
    is_last = old is Role.OWNER and is_last_owner(account.id, organisation_id)
    if is_last and not last_owner_may_go:
        return Refusal("last_owner", {"name": account.name})
    tie.role = role
    change = f"{old} to {role}"
    events.record(
        "role changed",
        account.id,
        at,
        by=by.id if by else None,
        result=change,
        organisation=organisation_id,
    )
    return None


def leave(account: Account, organisation: Organisation, at: datetime) -> Refusal | None:
    """Take somebody out of an organisation; its last owner stays."""
    lock_organisations(account.id)
    if is_last_owner(account.id, organisation.id):
        return Refusal("last_owner", {"name": account.name})
    if past_membership.end(account.id, organisation.id, at):
        result = organisation.name
        events.record("left", account.id, at, result=result, organisation=organisation.id)
    return None


def lock_organisations(account_id: int) -> None:
    """Let no two owners of an organisation remove one another at the same time."""
    ties = select(Membership.organisation_id).where(Membership.account_id == account_id)
    query = select(Organisation.id).where(Organisation.id.in_(ties)).order_by(Organisation.id)
    db.session.execute(query.with_for_update())


def _set(account: Account, where: ColumnElement[bool], disabled_at: datetime | None) -> bool:
    """Set or clear the moment by one UPDATE, so that a double click does it once."""
    done = db.session.execute(
        update(Account)
        .where(Account.id == account.id, where)
        .values(disabled_at=disabled_at)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(done, CursorResult)
    return done.rowcount == 1


def is_last_owner(account_id: int, organisation_id: int | None = None) -> bool:
    """Tell whether an organisation of theirs, or this one, has no other owner who can sign in."""
    mine = select(Membership.organisation_id).where(
        Membership.account_id == account_id, Membership.role == Role.OWNER
    )
    if organisation_id is not None:
        mine = mine.where(Membership.organisation_id == organisation_id)
    others = (
        select(Membership.organisation_id)
        .join(Account, Account.id == Membership.account_id)
        .where(
            Membership.role == Role.OWNER,
            Account.id != account_id,
            Account.disabled_at.is_(None),
            ~cannot_sign_in(),
        )
    )
    return bool(db.session.scalar(select(mine.except_(others).exists())))


def without_owner() -> list[str]:
    """Return the names of organisations that have no owner who is let in."""
    owned = (
        select(Membership.organisation_id)
        .join(Account, Account.id == Membership.account_id)
        .where(Membership.role == Role.OWNER, Account.disabled_at.is_(None))
    )
    names = select(Organisation.name).where(Organisation.id.not_in(owned))
    return list(db.session.scalars(names.order_by(Organisation.name)))
