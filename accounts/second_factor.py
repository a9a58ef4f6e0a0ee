"""The verbs of the second factor: each spends one code within the account's budget."""

from collections.abc import Callable
from datetime import datetime

from flask import current_app, request
from sqlalchemy import select

import client
import cookies
import keys
from accounts import alarm, code_mail, events, notices, reset, sso_link
from accounts.sign_in import end_pending
from accounts.visitor import Visitor
from db import db
from factors import backup_codes, throttle, trusted_device
from factors.authenticator import Authenticator
from factors.backup_email import PROVE, SIGN_IN, BackupEmail, EmailCode
from factors.refusal import Refusal
from factors.throttle import Throttle, Tries
from factors.trusted_device import TrustedDevice
from factors.typed import APP, BACKUP, EMAIL


def app_code(found: Visitor, typed: str | None, at: datetime) -> Refusal | None:
    """Spend a code of the bound app."""
    authenticator = found.authenticator
    if authenticator is None:
        return Refusal("proof_old")
    if malformed := APP.refusal(typed):
        return malformed
    return _spend(found, "app", at, lambda: _accept(authenticator, typed, at))


def _accept(authenticator: Authenticator, typed: str | None, at: datetime) -> Refusal | None:
    """Spend the code; a secret that does not open lets nobody in, and is told (S-160)."""
    try:
        return authenticator.accept(typed, at)
    except keys.SealBroken as error:
        current_app.logger.error("%s: authenticator %s", error, authenticator.id)
        return Refusal("unknown", {"label": authenticator.label})


def backup_code(found: Visitor, typed: str | None, at: datetime) -> Refusal | None:
    """Spend a backup code."""
    if malformed := BACKUP.refusal(typed):
        return malformed
    refusal = _spend(
        found,
        "backup code",
        at,
        lambda: backup_codes.consume(found.account.id, typed, at),
    )
    if refusal is None:
        notices.backup_code_used(found, at)
    return refusal


def email_code(
    found: Visitor, typed: str | None, at: datetime, purpose: str = SIGN_IN
) -> Refusal | None:
    """Spend the code mailed to this sign-in for this purpose (S-074)."""
    if malformed := EMAIL.refusal(typed):
        return malformed
    newest = newest_email_code(found, purpose)
    if newest is None:
        return Refusal("email_unknown")
    factor = "email" if purpose == PROVE else "backup email"
    refusal = _spend(found, factor, at, lambda: newest.consume(typed, at))
    if refusal is None and purpose != PROVE:
        notices.backup_email_used(found, at)
    return refusal


def reset_code(found: Visitor, typed: str | None, at: datetime) -> Refusal | None:
    """Take the reset code, which lets this sign-in begin a set-up (S-171)."""
    code = reset.shape(typed)
    if isinstance(code, Refusal):
        return code
    return _spend(found, "reset code", at, lambda: reset.consume(found, code, at))


def _spend(
    found: Visitor, factor: str, at: datetime, check: Callable[[], Refusal | None]
) -> Refusal | None:
    """Run a check within the budget, with its event; a pause ends pending sign-ins."""
    budget = _budget(found)
    device = found.known_device
    refusal = throttle.guard(budget, at, check)
    if device is not None and refusal is not None and refusal.reason == "stopped":
        db.session.delete(device)  # from now on it is a stranger like any other
        refusal = Refusal("browser_stopped")
    result = "accepted" if refusal is None else f"refused: {refusal.reason}"
    events.record("second factor", found.account.id, at, factor=factor, result=result)
    if refusal is not None and refusal.is_closed and not found.is_trusted(at):
        end_pending(found.account.id, device.id if device else None, at)
    if refusal is not None:
        alarm.raise_for(found, refusal, at)
    return refusal


def _budget(found: Visitor) -> Tries:
    """Return the tries of the browser, if it is known, or else of all strangers."""
    if found.known_device is not None:
        own = throttle.locked_if_there(TrustedDevice, found.known_device.id)
        if own is not None:
            return own
        found.device = None  # swept since the gate has read it
    return throttle.locked(Throttle, found.account.id)


def newest_email_code(found: Visitor, purpose: str) -> EmailCode | None:
    """Return the newest unused code mailed to this sign-in for this purpose."""
    return db.session.scalar(
        select(EmailCode)
        .where(
            EmailCode.sign_in_id == found.sign_in.id,
            EmailCode.purpose == purpose,
            EmailCode.used_at.is_(None),
        )
        .order_by(EmailCode.id.desc())
        .limit(1)
    )


def mail_code(found: Visitor, at: datetime, purpose: str = SIGN_IN) -> Refusal | None:
    """Put a code for this sign-in into the outbox; within its life the same one."""
    address = BackupEmail.address_of(found.account.id)
    if address is None:
        return Refusal("no_more_mails")
    return _mail(found, address, purpose, at)


def mail_proof_code(found: Visitor, at: datetime) -> Refusal | None:
    """Put a code that proves who somebody is into the outbox, to the sign-in address."""
    return _mail(found, found.account.email, PROVE, at)


def _mail(found: Visitor, address: str, purpose: str, at: datetime) -> Refusal | None:
    code = newest_email_code(found, purpose)
    if code is None or at >= code.ends_at:
        code = EmailCode.issue(found.account.id, found.sign_in.id, at, purpose)
    return code_mail.put(
        found.account,
        address,
        code.code,
        code.made_at,
        code.nonce,
        purpose=purpose,
        series=f"{purpose} {found.sign_in.id}",
        at=at,
    )


def complete(found: Visitor, factor: str, at: datetime, trust: bool = False) -> str:
    """Note the passed second factor and the browser; return the device token it is to keep.

    Trust is given only after an app code (S-117); a new token each time, so
    that a copy of an older one is worth nothing.
    """
    found.keep(found.sign_in.pass_second(factor, found.token, at))
    if found.sign_in.provider_id is not None and found.sign_in.first_factor != "sso":
        sso_link.finish_tie(found.sign_in, found.account, at)
    token = cookies.device_token(request)
    device = trusted_device.recognise(found.account.id, token, at)
    if token is not None and device is not None and not trust:
        device.last_used_at = device.proved_at = at
        found.sign_in.device_id = device.id
        return token
    if device is not None:
        db.session.delete(device)
    if trust:
        notices.device_trusted(found, at)
    authenticator_id = found.authenticator.id if trust and found.authenticator else None
    browser, system = client.browser_and_system()
    device, token = trusted_device.remember(
        found.account.id, browser, system, at, proved=True, authenticator_id=authenticator_id
    )
    db.session.flush()
    found.sign_in.device_id = device.id
    return token
