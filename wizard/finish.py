"""The finishing POST: everything that a set-up changes, in one transaction."""

from collections.abc import Iterator
from datetime import datetime

from accounts import events, reset
from accounts.sign_in import end_others
from accounts.visitor import Visitor
from addresses import masked
from factors import backup_codes
from factors.authenticator import Authenticator
from factors.backup_email import BackupEmail
from mail import messages, outbox
from mail.message import Message
from wizard.wizard import Kind, Wizard

NEW_APP = {Kind.SET_UP, Kind.AUTHENTICATOR}


def finish(wizard: Wizard, found: Visitor, at: datetime) -> None:
    """Make the set-up count, close the wizard and renew the sign-in (S-046, S-050)."""
    old_address = BackupEmail.address_of(wizard.account_id) if wizard.address else None
    if wizard.kind in NEW_APP:
        _bind(wizard, found, at)
    _keep_backup(wizard, at)
    events.record(f"finished: {wizard.kind}", wizard.account_id, at, factor=_way(wizard))
    for message, address in _told(wizard, found, old_address, at):
        outbox.put(message, found.account.id, address, at)
    wizard.finished_at = at
    wizard.wipe()


def _bind(wizard: Wizard, found: Visitor, at: datetime) -> None:
    if wizard.kind is Kind.AUTHENTICATOR:
        Authenticator.revoke(wizard.account_id, at)
    assert wizard.time_step is not None
    Authenticator.bind(wizard.account_id, wizard.record, wizard.time_step, at)
    reset.spend(found.account)
    found.keep(found.sign_in.pass_second("app", found.token, at))
    end_others(found.sign_in, at)


def _keep_backup(wizard: Wizard, at: datetime) -> None:
    if wizard.sealed_codes is not None and wizard.step == "codes":
        backup_codes.issue(wizard.account_id, wizard.codes, at)
    if wizard.address is not None and wizard.step == "email_code":
        BackupEmail.confirm(wizard.account_id, wizard.address, at)


def _told(
    wizard: Wizard, found: Visitor, old_address: str | None, at: datetime
) -> Iterator[tuple[Message, str]]:
    """Yield who is told what of the change (S-175); a replaced address is told as well."""
    name, email, label = found.account.name, found.account.email, wizard.label or ""
    if wizard.kind is Kind.SET_UP:
        yield messages.two_factor_on(name, label, _way(wizard), at), email
        return
    if wizard.kind is Kind.AUTHENTICATOR and found.authenticator is not None:
        old = found.authenticator.label
        yield messages.authenticator_replaced(name, label, old, at), email
    if wizard.step == "codes":
        yield messages.new_backup_codes(name, at), email
    if wizard.step == "email_code" and wizard.address is not None:
        shown = masked(wizard.address)
        if old_address is None:
            yield messages.backup_email_added(name, shown, at), email
            return
        message = messages.backup_email_changed(name, shown, at)
        yield from ((message, address) for address in (email, old_address))


def _way(wizard: Wizard) -> str:
    return {"codes": "backup codes", "email_code": "backup email"}.get(wizard.step, "app")
