"""What a person is told by mail when something of theirs was used or trusted (S-066, S-175)."""

from datetime import datetime

from accounts.visitor import Visitor
from factors import backup_codes
from mail import messages, outbox
from mail.messages import Message


def backup_code_used(found: Visitor, at: datetime) -> None:
    """Tell that a backup code was used, and how many are left."""
    left = backup_codes.left(found.account.id)
    name = found.account.name
    if left:
        _to_primary(found, messages.backup_code_used(name, left, at), at)
    else:
        _to_primary(found, messages.last_backup_code_used(name, at), at)


def backup_email_used(found: Visitor, at: datetime) -> None:
    """Tell the primary address of every use of the backup address (S-070)."""
    _to_primary(found, messages.backup_email_used(found.account.name, at), at)


def device_trusted(found: Visitor, at: datetime) -> None:
    """Tell that a browser asks for no code from now on."""
    _to_primary(found, messages.new_trusted_device(found.account.name, at), at)


def _to_primary(found: Visitor, message: Message, at: datetime) -> None:
    outbox.put(message, found.account.id, found.account.email, at)
