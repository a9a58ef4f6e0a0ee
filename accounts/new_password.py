"""A new password: by a mailed link, or in place of the old one. Either ends what the old opened.

Trust is given for a password (`TrustedDevice.is_trusted`), so that it goes by itself (S-117).
"""

from datetime import datetime

from sqlalchemy import select, update

import keys
from accounts import events, notices, password, password_link, password_tries
from accounts.models import Account, end_all, end_others
from accounts.password_link import PasswordLink, Purpose
from accounts.visitor import Visitor
from db import db
from factors import throttle
from factors.refusal import Refusal
from factors.throttle import Throttle
from mail import messages


def mail_link(address: str, base_url: str, at: datetime) -> None:
    """Mail a link to whoever has this address; nobody learns whether anybody has (S-152).

    Somebody who signs in by a provider only has no password to forget.
    """
    account = db.session.scalar(
        select(Account).where(
            Account.email == address,
            Account.disabled_at.is_(None),
            Account.password_hash.is_not(None),
        )
    )
    if account is None or not password_link.has_room(account.id, at):
        return
    token = keys.token()
    password_link.make(account.id, Purpose.RESET, token, at)
    link = f"{base_url.rstrip('/')}/signin/reset/{token}"
    ends_at = at + password_link.LIFE
    events.record("password link mailed", account.id, at)
    notices.to_primary(account, messages.password_reset(account.name, link, ends_at, at), at)


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
    if not password_link.spend(link, at):
        return False
    account = Account.locked(link.account_id)
    assert account is not None  # its link points to it
    _set(account, hashed, at)
    end_all(account.id, at)
    throttle.locked(Throttle, account.id).lift(at)
    return True


def set_first(found: Visitor, hashed: str, at: datetime) -> bool:
    """Set a password where there is none; tell whether it was us. One UPDATE decides."""
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

    With a fresh proof by a second factor wrong codes count anew: whoever knows the
    old password has nothing to guess with any more.
    """
    _set(found.account, hashed, at)
    end_others(found.sign_in, at)
    if found.authenticator is not None and found.sign_in.is_proved(at):
        throttle.locked(Throttle, found.account.id).open()
    found.keep(found.sign_in.renew(found.token, at))


def _set(account: Account, hashed: str, at: datetime) -> None:
    account.password_hash, account.password_at = hashed, at
    account.password_version += 1
    password_tries.clear(password_tries.bucket(account.email, None))
    password_link.end_all(account.id, at)
    events.record("password changed", account.id, at)
    notices.to_primary(account, messages.password_changed(account.name, at), at)
