"""Alarm: the mails that tell of wrong codes after the right password (S-102)."""

from datetime import datetime, timedelta

from accounts import notices
from accounts.visitor import Visitor
from factors.refusal import Refusal
from mail import messages, outbox

HOUR = timedelta(hours=1)
"""A person gets each of the two mails at most once in this time."""


def raise_for(found: Visitor, refusal: Refusal, at: datetime) -> None:
    """Tell the person that codes are wrong, or that sign-in is paused.

    One wrong code in a browser of theirs is a slip and no alarm; wrong ones of
    strangers, and every pause, are.
    """
    account = found.account
    is_stranger = found.owes_second_factor(at) and found.known_device is None
    if refusal.reason in {"locked", "stopped"}:
        message = messages.sign_in_paused(account.name, refusal.values.get("time"), at)
    elif is_stranger or refusal.reason == "browser_stopped":
        message = messages.wrong_code(account.name, at)
    else:
        return
    if not outbox.has_recent(message.kind, account.id, at - HOUR):
        notices.to_primary(account, message, at)
