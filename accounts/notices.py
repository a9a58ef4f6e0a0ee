"""What a person is told by mail when something of theirs was used or trusted (S-066, S-175)."""

from datetime import datetime

from accounts.models import Account
from accounts.visitor import Visitor
from factors import backup_codes
from mail import messages, outbox
from mail.message import Message


def backup_code_used(found: Visitor, at: datetime) -> None:
    """Tell that a backup code was used, and how many are left."""
    left = backup_codes.left(found.account.id)
    name = found.account.name
    if left:
        to_primary(found.account, messages.backup_code_used(name, left, at), at)
    else:
        to_primary(found.account, messages.last_backup_code_used(name, at), at)


def backup_email_used(found: Visitor, at: datetime) -> None:
    """Tell the primary address of every use of the backup address (S-070)."""
    to_primary(found.account, messages.backup_email_used(found.account.name, at), at)


def device_trusted(found: Visitor, at: datetime) -> None:
    """Tell that a browser asks for no code from now on."""
    to_primary(found.account, messages.new_trusted_device(found.account.name, at), at)


def to_primary(account: Account, message: Message, at: datetime) -> None:
    """Put a message to the address that the person signs in with into the outbox."""
    outbox.put(message, account.id, account.email, at)
