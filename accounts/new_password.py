"""A new password: by a mailed link, or in place of the old one. Either ends what the old opened.

Trust is given for a password and goes with it (S-117): by its moment
(`TrustedDevice.is_trusted`), and by an UPDATE, because trust that a request gave while
another one was setting the password may have the later moment.
"""

from datetime import datetime

from sqlalchemy import select, update

import keys
from accounts import (
    events,
    gate,
    hash_queue,
    link_limits,
    notices,
    password,
    password_link,
    password_tries,
)
from accounts.hash_queue import Asker
from accounts.models import Account
from accounts.password_link import PasswordLink, Purpose
from accounts.sign_in import end_all, end_others
from accounts.visitor import Visitor
from db import db
from factors import throttle, trusted_device
from factors.refusal import Refusal
from factors.throttle import Throttle
from mail import messages
from mail.message import our_address


def mail_link(address: str, device_token: str | None, at: datetime) -> None:
    """Mail a link to the owner of this address, if somebody has it and may have a link.

    `device_token` is that of the browser that asked. Somebody who signs in by a provider
    only has no password to forget.
    """
    account = db.session.scalar(
        select(Account)
        .where(
            Account.email == address,
            Account.disabled_at.is_(None),
            Account.password_hash.is_not(None),
        )
        .with_for_update(key_share=True)
    )
    if account is None:
        return
    device = trusted_device.recognise(account.id, device_token, at)
    asked_in = device.id if device is not None else None
    if not link_limits.may_reset(account.id, asked_in, at):
        return
    token = keys.token()
    password_link.make(account.id, Purpose.RESET, token, at, asked_in)
    link = our_address(f"/signin/reset/{token}")
    ends_at = at + password_link.LIFE
    events.record("password link mailed", account.id, at)
    notices.to_primary(account, messages.password_reset(account.name, link, ends_at, at), at)


def hashed(secret: str, asker: Asker) -> str | Refusal:
    """Return the hash of a new password, or why not now. The caller has ended its transaction."""
    with hash_queue.place(asker) as busy:
        return busy or password.hashed(secret)


def strength(secret: str) -> Refusal | None:
    """Return why nobody may use this password, or None."""
    try:
        password.check_strength(secret)
    except password.PasswordRefused as error:
        return Refusal("password_weak", {"why": str(error)})
    return None


def choose(link: PasswordLink, hashed: str, at: datetime) -> bool:
    """Set the password that an opened link lets somebody choose; one UPDATE decides.

    Signs nobody in, and leaves the second factor as it is (S-174).
    """
    account = Account.locked(link.account_id)
    if account is None or account.disabled_at is not None or not password_link.spend(link, at):
        return False
    _set(account, hashed, at)
    end_all(account.id, at)
    throttle.locked(Throttle, account.id).lift(at)
    return True


def set_first(found: Visitor, hashed: str, at: datetime) -> bool:
    """Set a password where there is none; tell whether it was us. One UPDATE decides."""
    gate.check_again(found, at)
    account = found.account
    first = db.session.scalar(
        update(Account)
        .where(Account.id == account.id, Account.password_hash.is_(None))
        .values(
            password_hash=hashed,
            password_at=at,
            password_version=Account.password_version + 1,
        )
        .returning(Account.id)
    )
    if first is None:
        return False
    end_others(found.sign_in, at)
    password_link.end_all(account.id, at)
    events.record("password set", account.id, at)
    notices.to_primary(account, messages.password_set(account.name, at), at)
    return True


def change(found: Visitor, hashed: str, at: datetime) -> None:
    """Set another password: other sign-ins and all trust end, this sign-in is renewed.

    The old one was verified before `hashed` was computed. Any new password since then
    has ended this sign-in or renewed its token, so that it is turned away here.

    With a fresh proof by a second factor wrong codes count anew: whoever knows the
    old password has nothing to guess with any more.
    """
    gate.check_again(found, at)
    _set(found.account, hashed, at)
    end_others(found.sign_in, at)
    if found.authenticator is not None and found.sign_in.is_proved(at):
        throttle.locked(Throttle, found.account.id).open()
    found.keep(found.sign_in.renew(found.token, at))


def _set(account: Account, hashed: str, at: datetime) -> None:
    """Write the new password into the locked account, and end what the old one opened."""
    account.password_hash, account.password_at = hashed, at
    account.password_version += 1
    trusted_device.end_trust(account.id)
    password_tries.clear(password_tries.bucket(account.email))
    password_link.end_all(account.id, at)
    events.record("password changed", account.id, at)
    notices.to_primary(account, messages.password_changed(account.name, at), at)
