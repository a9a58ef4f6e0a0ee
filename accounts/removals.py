"""What people end of their own: two-factor, the backup email, sign-ins."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.engine import CursorResult

from accounts import events, notices
from accounts.policy import Demand, demand
from accounts.sign_in import SignIn, end_others
from accounts.visitor import Visitor
from addresses import masked
from db import db
from factors import backup_codes
from factors.authenticator import Authenticator
from factors.backup_email import BackupEmail
from factors.refusal import Refusal
from mail import messages, outbox


def enforced(found: Visitor, at: datetime) -> Demand | None:
    """Return who demands two-factor of this person, however they have signed in."""
    asked = demand(found.policies, at)
    return asked if asked is not None and asked.is_must else None


def why_kept_on(found: Visitor, at: datetime) -> Refusal | None:
    """Return why the person can't turn two-factor off (S-012), or None."""
    must = enforced(found, at)
    return Refusal("must_keep", {"organisation": must.asked_by}) if must else None


def turn_off(found: Visitor, at: datetime) -> None:
    """Turn two-factor off, after a code: every factor and other sign-in ends with it.

    The sign-in gets a new token, and what asks for it does so from the next request on.
    """
    account = found.account
    Authenticator.revoke(account.id, at)
    backup_codes.revoke(account.id, at)
    address = BackupEmail.address_of(account.id)
    BackupEmail.remove(account.id, at)
    end_others(found.sign_in, at)
    found.keep(found.sign_in.renew(found.token, at))
    events.record("two-factor off", account.id, at)
    message = messages.two_factor_off(account.name, at)
    for recipient in (account.email, address):
        if recipient is not None:
            outbox.put(message, account.id, recipient, at)


def remove_backup_email(found: Visitor, at: datetime) -> Refusal | None:
    """Remove the backup address, or say why not: the last way stays while it is a must."""
    account = found.account
    address = BackupEmail.address_of(account.id)
    if address is None:
        return None
    must = enforced(found, at)
    if must is not None and not backup_codes.has_unused(account.id):
        return Refusal("last_backup_way", {"organisation": must.asked_by})
    BackupEmail.remove(account.id, at)
    events.record("backup email removed", account.id, at)
    message = messages.backup_email_removed(account.name, masked(address), at)
    notices.to_primary(account, message, at)
    outbox.put(message, account.id, address, at)
    return None


def end_sign_in(found: Visitor, sign_in_id: int, at: datetime) -> bool:
    """End one other sign-in of the person; tell whether there was one to end."""
    ended = db.session.execute(
        update(SignIn)
        .where(
            SignIn.id == sign_in_id,
            SignIn.account_id == found.account.id,
            SignIn.id != found.sign_in.id,
            SignIn.ended_at.is_(None),
        )
        .values(ended_at=at)
    )
    assert isinstance(ended, CursorResult)
    if ended.rowcount:
        events.record("sign-in ended", found.account.id, at)
    return bool(ended.rowcount)


def end_other_sign_ins(found: Visitor, at: datetime) -> None:
    """End every sign-in of the person but this one."""
    if end_others(found.sign_in, at):
        events.record("other sign-ins ended", found.account.id, at)
