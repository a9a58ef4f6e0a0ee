"""Removal: a person goes, and with them everything but the bare facts of the log.

Their events stay, with the number of the account alone, and so does when they were in which
organisation, which says whose log an event stands in. The number keeps no name, no address
and no way in, and goes itself with the last event that has it (lives.py).
"""

from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from flask import current_app
from sqlalchemy import delete, or_, select, text, update

from accounts import events, join_answer, past_membership, upkeep
from accounts.events import Event
from accounts.identity import Identity
from accounts.models import REMOVED, Account, Membership
from accounts.password_link import PasswordLink
from accounts.reminders import Reminder
from accounts.sign_in import SignIn
from accounts.sso_trip import Trip
from db import Model, db
from factors.authenticator import Authenticator
from factors.backup_codes import BackupCode
from factors.backup_email import BackupEmail, EmailCode
from factors.refusal import Refusal
from factors.throttle import Throttle
from factors.trusted_device import TrustedDevice
from factors.void_record import VoidRecord
from mail.outbox import Outbox
from operations.files import MAILS
from wizard.wizard import Wizard

THEIRS: tuple[type[Model], ...] = (
    EmailCode,
    Wizard,
    SignIn,
    TrustedDevice,
    Authenticator,
    BackupCode,
    BackupEmail,
    VoidRecord,
    Identity,
    PasswordLink,
    Reminder,
    Throttle,
)
"""Tables whose rows go; each before those that its rows point to."""
NOT_SYNCHRONISED = {"synchronize_session": False}


def remove(account: Account, at: datetime, last_owner_may_go: bool = False) -> Refusal | None:
    """Remove a person in the running transaction, or say why not; the caller commits."""
    upkeep.lock_organisations(account.id)
    db.session.refresh(account, with_for_update=True)
    if not last_owner_may_go and upkeep.is_last_owner(account.id):
        return Refusal("last_owner", {"name": account.name})
    addresses = _addresses(account)
    _overwrite_what_is_deleted()
    _forget_rows(account)
    _leave_all(account.id, at)
    _strip_events(account.id)
    _strip(account, at)
    db.session.flush()
    _delete_caught_mails(addresses)
    return None


def _addresses(account: Account) -> set[str]:
    """Return every address of theirs of which anything is known."""
    mailed = select(Outbox.recipient).where(Outbox.account_id == account.id)
    backup = BackupEmail.address_of(account.id)
    return {account.email, *db.session.scalars(mailed), *([backup] if backup else [])}


def _overwrite_what_is_deleted() -> None:
    """SQLite only unlinks deleted values, unless it was built or told to overwrite them."""
    if db.engine.dialect.name == "sqlite":
        db.session.execute(text("PRAGMA secure_delete = ON"))


def forget_earlier_pages() -> None:
    """Empty SQLite's log of pages, which holds them as they were before the commit."""
    if db.engine.dialect.name == "sqlite":
        connection = db.engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()


def _forget_rows(account: Account) -> None:
    join_answer.forget_person(account.id)
    sign_ins = select(SignIn.id).where(SignIn.account_id == account.id)
    trips = or_(Trip.account_id == account.id, Trip.sign_in_id.in_(sign_ins))
    mails = or_(Outbox.account_id == account.id, Outbox.recipient == account.email)
    db.session.execute(delete(Trip).where(trips), execution_options=NOT_SYNCHRONISED)
    db.session.execute(delete(Outbox).where(mails), execution_options=NOT_SYNCHRONISED)
    for model in THEIRS:
        theirs = model.__table__.c.account_id == account.id
        db.session.execute(delete(model).where(theirs), execution_options=NOT_SYNCHRONISED)


def _leave_all(account_id: int, at: datetime) -> None:
    """Leave every organisation and write the event into the log of each."""
    ids = select(Membership.organisation_id).where(Membership.account_id == account_id)
    left = db.session.scalars(ids).all()
    for organisation_id in left:
        past_membership.end(account_id, organisation_id, at)
        events.record("person removed", account_id, at, organisation=organisation_id)
    if not left:
        events.record("person removed", account_id, at)


def _strip_events(account_id: int) -> None:
    """Take what may name them, or say where they were, out of their events."""
    of_them = Event.account_id == account_id
    reasons = update(Event).where(of_them, Event.reason.is_not(None)).values(reason=None)
    origins = (
        update(Event)
        .where(or_(of_them, Event.by_account_id == account_id), text(events.HAS_ADDRESS))
        .values(address=events.NOT_KEPT)
    )
    for change in (reasons, origins):
        db.session.execute(change, execution_options=NOT_SYNCHRONISED)


def _strip(account: Account, at: datetime) -> None:
    """Leave nothing of the account but its number, which nobody can sign in to."""
    account.email = account.name = f"{REMOVED}{account.id}"
    account.password_hash = account.reset_digest = account.reset_at = None
    account.password_version += 1
    account.records_issued = 0
    account.reminders_off_at = None
    account.disabled_at = at


def _delete_caught_mails(addresses: set[str]) -> None:
    """Delete the mails that lie as files because no server is set, to them or telling of them."""
    for file in Path(current_app.instance_path).glob(MAILS):
        made = message_from_bytes(file.read_bytes(), policy=default)
        words = str(made["To"]) + "".join(_texts(made))
        if any(address in words for address in addresses):
            file.unlink(missing_ok=True)


def _texts(made: EmailMessage) -> list[str]:
    parts = (part for part in made.walk() if part.get_content_maintype() == "text")
    return [str(part.get_content()) for part in parts]
