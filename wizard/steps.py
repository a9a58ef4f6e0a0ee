"""The steps of the wizard, in order. A new step is a class here and its template."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from flask import current_app

import addresses
from accounts import code_mail
from accounts.visitor import Visitor
from factors import backup_codes, backup_email, diagnosis, totp, void_record
from factors.backup_email import BackupEmail
from factors.refusal import Refusal
from factors.typed import APP, digits
from mail.code_limits import SET_UP
from wizard import qr
from wizard.forms import StepForm
from wizard.wizard import Kind, Wizard

FINISH = "finish"
"""What the last step answers: nothing is left to do but the finishing."""
CONFIRM = "confirm backup email"


@dataclass(frozen=True)
class Turn:
    """One POST of a step: whose wizard, what was sent, when."""

    wizard: Wizard
    found: Visitor
    form: StepForm
    at: datetime


class Step:
    """A step: what it needs when it is entered, shows, and does with what was sent."""

    name: ClassVar[str]

    def enter(self, wizard: Wizard, at: datetime) -> None:
        """Make what the step shows."""

    def values(self, wizard: Wizard) -> dict[str, Any]:
        """Return what the template needs."""
        return {}

    def submit(self, turn: Turn) -> str | Refusal:
        """Return the name of the next step, FINISH, or why not."""
        raise LookupError(self.name)


class App(Step):
    """Get an app: the introduction, whose form carries an entry ticket."""

    name = "app"


class Scan(Step):
    """Scan the QR code. The secret is made when it is entered, by a POST."""

    name = "scan"

    def enter(self, wizard: Wizard, at: datetime) -> None:
        wizard.make_secret(at)

    def values(self, wizard: Wizard) -> dict[str, Any]:
        issuer = current_app.config["ISSUER"]
        record = wizard.record
        uri = totp.provisioning_uri(record.secret, issuer, record.label)
        key = totp.grouped(record.secret)
        return {"qr": qr.svg(uri), "uri": uri, "key": key, "label": wizard.label}

    def submit(self, turn: Turn) -> str | Refusal:
        return Verify.name


class Verify(Step):
    """Enter the code; its time step is spent with the finishing POST."""

    name = "verify"

    def values(self, wizard: Wizard) -> dict[str, Any]:
        return {"label": wizard.label}

    def submit(self, turn: Turn) -> str | Refusal:
        wizard, code = turn.wizard, digits(turn.form.code.data)
        if malformed := APP.refusal(code):
            return malformed
        wizard.time_step = totp.matching_step(wizard.record.secret, code, turn.at)
        if wizard.time_step is None:
            return _diagnosed(turn, code)
        if wizard.kind is Kind.AUTHENTICATOR and _has_backup(wizard.account_id):
            return FINISH
        return Backup.name


def _diagnosed(turn: Turn, code: str) -> Refusal:
    """Return why a code does not fit; the clock's offset is kept for the next try."""
    wizard, bound = turn.wizard, turn.found.authenticator
    if bound is not None and bound.spent_last(code):
        return Refusal("used_old", {"label": bound.label, "current": wizard.label})
    void = void_record.of_account(wizard.account_id, turn.at)
    finding = diagnosis.in_set_up(code, wizard.record, void, wizard.clock_offset, turn.at)
    wizard.clock_offset = finding.offset
    return finding.refusal


class Backup(Step):
    """Choose a backup way."""

    name = "backup"

    def submit(self, turn: Turn) -> str | Refusal:
        ways = {"codes": Codes.name, "email": Email.name}
        return ways.get(turn.form.way.data or "", Refusal("choice"))


class Codes(Step):
    """Save ten backup codes; they are stored as digests with the finishing POST."""

    name = "codes"

    def enter(self, wizard: Wizard, at: datetime) -> None:
        wizard.codes = backup_codes.new_codes()

    def values(self, wizard: Wizard) -> dict[str, Any]:
        return {"codes": [backup_codes.shown(code) for code in wizard.codes]}

    def submit(self, turn: Turn) -> str | Refusal:
        return FINISH if turn.form.saved.data else Refusal("unsaved")


class Email(Step):
    """Give a backup address."""

    name = "email"

    def values(self, wizard: Wizard) -> dict[str, Any]:
        return {"address": wizard.address or ""}

    def submit(self, turn: Turn) -> str | Refusal:
        try:
            address = addresses.canonical(turn.form.address.data or "")
        except addresses.AddressRefused:
            return Refusal("address_bad")
        if addresses.same_mailbox(address, turn.found.account.email):
            return Refusal("address_same")
        return mail_code(turn, address, new=True) or EmailCode.name


class EmailCode(Step):
    """Confirm the code that was mailed."""

    name = "email_code"

    def values(self, wizard: Wizard) -> dict[str, Any]:
        return {"address": wizard.address}

    def submit(self, turn: Turn) -> str | Refusal:
        wizard, act = turn.wizard, turn.form.act.data
        if act == "address":
            return Email.name
        if act == "resend":
            made_at = wizard.email_made_at or wizard.started_at
            is_over = turn.at >= made_at + backup_email.LIFE
            return mail_code(turn, wizard.address or "", new=is_over) or EmailCode.name
        refusal = backup_email.check(
            CONFIRM,
            wizard.account_id,
            wizard.email_nonce or "",
            wizard.email_made_at or wizard.started_at,
            turn.form.code.data,
            turn.at,
        )
        return refusal or FINISH


def mail_code(turn: Turn, address: str, *, new: bool) -> Refusal | None:
    """Mail the code that confirms `address`, a new one or the same again."""
    wizard = turn.wizard
    nonce = backup_email.new_nonce() if new else wizard.email_nonce or ""
    made_at = turn.at if new else wizard.email_made_at or turn.at
    code = backup_email.derived(CONFIRM, wizard.account_id, nonce)
    refusal = code_mail.put(
        turn.found.account,
        address,
        code,
        made_at,
        nonce,
        purpose="confirm",
        series=f"{SET_UP} {wizard.attempt}",
        at=turn.at,
    )
    if refusal is None:
        wizard.address, wizard.email_nonce, wizard.email_made_at = (
            address,
            nonce,
            made_at,
        )
    return refusal


def _has_backup(account_id: int) -> bool:
    return backup_codes.has_unused(account_id) or BackupEmail.address_of(account_id) is not None


STEPS: dict[str, Step] = {
    step.name: step for step in (App(), Scan(), Verify(), Backup(), Codes(), Email(), EmailCode())
}

FIRST = {
    Kind.SET_UP: Scan.name,
    Kind.AUTHENTICATOR: Scan.name,
    Kind.CODES: Codes.name,
    Kind.EMAIL: Email.name,
}
"""The step that a start enters."""
