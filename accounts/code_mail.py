"""A code by mail: put into the outbox within its limits, delivered, or refused."""

from datetime import datetime

from accounts.models import Account
from factors.backup_email import LIFE
from factors.refusal import Refusal
from mail import code_limits, messages, postman
from mail.postman import Delivery

STATUS = {"mail_failed": 503, "mail_slow": 202}
"""How a page answers if the code has not left; otherwise it is a limit: 429."""


def put(
    account: Account,
    address: str,
    code: str,
    made_at: datetime,
    nonce: str,
    *,
    purpose: str,
    series: str,
    at: datetime,
) -> Refusal | None:
    """Mail a code to an address in canonical form, or say why not now (S-077)."""
    ends_at = made_at + LIFE
    message = messages.verification_code(account.name, code, ends_at, at, purpose)
    wait = code_limits.put_code(message, account.id, address, series, nonce, ends_at, at)
    if wait is None:
        return None
    if wait.until is None:
        return Refusal("no_more_mails")
    return Refusal("too_many_mails", {"time": wait.until})


def deliver() -> Refusal | None:
    """Send the code that this request has committed; return what to say if it has not left."""
    outcome = postman.deliver_now()
    if outcome is Delivery.SENT:
        return None
    return Refusal("mail_failed" if outcome is Delivery.NOT_SENT else "mail_slow")


def status_of(refusal: Refusal) -> int:
    """Return the status of a page that says why there is no code yet."""
    return STATUS.get(refusal.reason, 429)
