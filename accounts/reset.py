"""Reset two-factor for somebody who lost everything, and the reset code that follows.

All factors go, none is set or shown (S-170). The next set-up needs a one-time code,
handed over in person or by phone: the password alone is not enough (S-171).
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import exists, func, select, update
from sqlalchemy.engine import CursorResult

import bounds
import clock
import keys
from accounts import events
from accounts.models import Account
from accounts.sign_in import SignIn, end_all
from accounts.visitor import Visitor
from db import db
from factors import backup_codes, throttle, trusted_device
from factors.authenticator import Authenticator
from factors.backup_email import BackupEmail
from factors.refusal import Refusal
from factors.throttle import Throttle
from factors.typed import MAX_TYPED
from mail import messages, outbox

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Signs that nobody confuses when they are read out."""
LENGTH = 16
"""Signs of a code: 80 bits."""
LIFE = timedelta(days=7)
REPLAY = timedelta(minutes=1)
"""How long the form that reset is answered with the same code again: a double click."""


def new_nonce() -> str:
    """Return what a form of one reset carries, so that a second click of it is no second act."""
    return secrets.token_hex(16)


def reset(
    account: Account, reason: str, nonce: str, by: Account | None, at: datetime
) -> str | Refusal:
    """End every factor, sign-in and trust of a person; return the reset code, shown once.

    `by` is the administrator, None the command line.
    """
    db.session.refresh(account, with_for_update=True)
    if (code := _again(account, nonce, at)) is not None:
        return code
    if refusal := _why_not(account, reason):
        return refusal
    addresses = [account.email, BackupEmail.address_of(account.id)]
    Authenticator.revoke(account.id, at)
    backup_codes.revoke(account.id, at)
    BackupEmail.remove(account.id, at)
    end_all(account.id, at)
    trusted_device.forget(account.id)
    throttle.locked(Throttle, account.id).open()
    code = _codes(account.id, nonce, at)[0]
    account.reset_digest, account.reset_at = _digests(account.id, code)[0], at
    words = one_line(reason)
    by_id = by.id if by else None
    events.record("two-factor reset", account.id, at, by=by_id, reason=words)
    message = messages.reset(account.name, by.name if by else None, words, at)
    for address in filter(None, addresses):
        outbox.put(message, account.id, address, at)
    return code


def _why_not(account: Account, reason: str) -> Refusal | None:
    if account.disabled_at is not None:
        return Refusal("disabled", {"name": account.name})
    if Authenticator.of_account(account.id) is None and account.reset_digest is None:
        return Refusal("nothing_to_reset", {"name": account.name})
    return reason_refused(reason)


def _again(account: Account, nonce: str, at: datetime) -> str | None:
    """Return the code of the reset that this very form has just made."""
    if account.reset_at is None or not clock.within(account.reset_at, REPLAY, at):
        return None
    codes = _codes(account.id, nonce, account.reset_at)
    return next((c for c in codes if account.reset_digest in _digests(account.id, c)), None)


def _codes(account_id: int, nonce: str, at: datetime) -> list[str]:
    """Return the code that belongs to account, form and moment: no key, no code.

    One for each signing key, the newest first (S-162).
    """
    owner = (str(account_id).encode(), nonce.encode(), at.isoformat().encode())
    drawn = keys.ring().macs("reset code", *owner)
    return ["".join(ALPHABET[b % len(ALPHABET)] for b in one[:LENGTH]) for one in drawn]


def _digests(account_id: int, code: str) -> list[bytes]:
    """Return the digests of a code, one for each pepper, the newest first."""
    return keys.ring().peppers(b"reset code", str(account_id).encode(), code.encode())


def waiting(made_before: datetime, at: datetime) -> int:
    """Return how many codes wait to be typed that were made before a moment."""
    waits = select(func.count()).where(
        Account.reset_digest.is_not(None),
        Account.reset_at < made_before,
        Account.reset_at > at - LIFE,
    )
    return db.session.scalar(waits) or 0


def shown(code: str) -> str:
    """Return the code as it is read out: ABCD EFGH JKLM NPQR."""
    return " ".join(code[place : place + 4] for place in range(0, len(code), 4))


def one_line(reason: str) -> str:
    """Return a reason without line breaks: it goes into the log and a mail (S-080, S-176)."""
    return " ".join(reason.split())


def reason_refused(reason: str) -> Refusal | None:
    """Return what is wrong with a reason, or None."""
    words = one_line(reason)
    if not words:
        return Refusal("reason_empty")
    if not bounds.is_line(words, bounds.REASON):
        return Refusal("reason_long")
    return None


def is_due(found: Visitor) -> bool:
    """Tell whether a set-up of this sign-in has to wait for the reset code."""
    return found.account.reset_digest is not None and found.sign_in.reset_code_at is None


def shape(typed: str | None) -> str | Refusal:
    """Return the code that was typed, or what is wrong with its shape, which costs no try."""
    signs = (typed or "")[:MAX_TYPED].upper()
    code = "".join(sign for sign in signs if sign not in " -–\t")
    if not code:
        return Refusal("reset_code_empty")
    if len(code) != LENGTH or not set(code) <= set(ALPHABET):
        return Refusal("reset_code_shape")
    return code


def consume(found: Visitor, code: str, at: datetime) -> Refusal | None:
    """Let this sign-in begin a set-up, or say why not; one UPDATE decides.

    The code is spent by the set-up that finishes, so that one which has to start
    again does not need another one.
    """
    account_id, digests = found.account.id, _digests(found.account.id, code)
    fits = exists().where(Account.id == account_id, Account.reset_digest.in_(digests))
    given = db.session.execute(
        update(SignIn)
        .where(SignIn.id == found.sign_in.id, fits.where(Account.reset_at > at - LIFE))
        .values(reset_code_at=at)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(given, CursorResult)
    if given.rowcount == 1:
        return None
    is_old = db.session.scalar(select(fits))
    return Refusal("reset_code_old" if is_old else "reset_code_unknown")


def run_out(at: datetime) -> None:
    """Let every reset code be too old from now on, without sparing anybody from it (S-164).

    Forgetting it would let the password alone begin a set-up.
    """
    db.session.execute(
        update(Account)
        .where(Account.reset_digest.is_not(None), Account.reset_at > at - LIFE)
        .values(reset_at=at - LIFE)
        .execution_options(synchronize_session=False)
    )


def spend(account: Account) -> None:
    """Make the reset code worthless, with the set-up that it was for."""
    if account.reset_digest is not None:
        account.reset_digest = account.reset_at = None
