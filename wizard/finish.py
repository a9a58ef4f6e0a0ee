"""The finishing POST: everything that a set-up changes, in one transaction."""

from datetime import datetime

from accounts import events
from accounts.models import end_others
from accounts.visitor import Visitor
from factors import backup_codes
from factors.authenticator import Authenticator
from factors.backup_email import BackupEmail
from mail import messages, outbox
from wizard.wizard import Kind, Wizard

NEW_APP = {Kind.SET_UP, Kind.AUTHENTICATOR}


def finish(wizard: Wizard, found: Visitor, at: datetime) -> None:
    """Make the set-up count, close the wizard and renew the sign-in (S-046, S-050)."""
    if wizard.kind in NEW_APP:
        _bind(wizard, found, at)
    _keep_backup(wizard, at)
    events.record(f"finished: {wizard.kind}", wizard.account_id, at, factor=_way(wizard))
    if wizard.kind is Kind.SET_UP:
        message = messages.two_factor_on(found.account.name, wizard.label or "", _way(wizard), at)
        outbox.put(message, found.account.id, found.account.email, at)
    wizard.finished_at = at
    wizard.wipe()


def _bind(wizard: Wizard, found: Visitor, at: datetime) -> None:
    if wizard.kind is Kind.AUTHENTICATOR:
        Authenticator.revoke(wizard.account_id, at)
    assert wizard.time_step is not None
    Authenticator.bind(wizard.account_id, wizard.record, wizard.time_step, at)
    found.keep(found.sign_in.pass_second("app", found.token, at))
    end_others(found.sign_in, at)


def _keep_backup(wizard: Wizard, at: datetime) -> None:
    if wizard.sealed_codes is not None and wizard.step == "codes":
        backup_codes.issue(wizard.account_id, wizard.codes, at)
    if wizard.address is not None and wizard.step == "email_code":
        BackupEmail.confirm(wizard.account_id, wizard.address, at)


def _way(wizard: Wizard) -> str:
    return {"codes": "backup codes", "email_code": "backup email"}.get(wizard.step, "app")
