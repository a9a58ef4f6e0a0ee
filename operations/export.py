"""Export: what is kept about one person, in one file; no secret, no key and no hash."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select

from accounts.events import Event
from accounts.identity import Identity
from accounts.join_request import JoinRequest
from accounts.models import Account, Membership, Organisation
from accounts.password_link import PasswordLink
from accounts.past_membership import PastMembership
from accounts.reminders import Reminder
from accounts.sign_in import SignIn
from accounts.sso_trip import Trip
from db import Model, db
from factors.authenticator import Authenticator
from factors.backup_codes import BackupCode
from factors.backup_email import BackupEmail, EmailCode
from factors.throttle import Throttle
from factors.trusted_device import TrustedDevice
from factors.void_record import VoidRecord
from mail.outbox import Outbox
from wizard.wizard import Wizard

ACCOUNT = (
    *("email", "name", "created_at", "password_at", "disabled_at"),
    *("reminders_off_at", "records_issued", "reset_at"),
)
EVENT = ("at", "kind", "factor", "result", "reason", "address", "browser", "system")
PARTS: dict[str, tuple[type[Model], tuple[str, ...]]] = {
    "authenticators": (Authenticator, ("label", "bound_at", "last_used_at", "revoked_at")),
    "backup_codes": (BackupCode, ("made_at", "used_at", "replaced_at", "stale_at")),
    "backup_emails": (BackupEmail, ("address", "confirmed_at")),
    "set_ups": (
        Wizard,
        ("kind", "step", "label", "address", "started_at", "voided_at", "finished_at"),
    ),
    "void_records": (VoidRecord, ("label", "voided_at")),
    "wrong_codes": (Throttle, ("failures", "wrong_at", "locks", "locked_until", "lifted_at")),
    "known_browsers": (
        TrustedDevice,
        ("browser", "system", "known_at", "last_used_at", "trusted_at", "failures", "locked_until"),
    ),
    "sign_ins": (
        SignIn,
        (
            *("first_factor", "first_at", "provider_id", "second_factor", "second_at"),
            *("browser", "system", "seen_at", "ended_at"),
        ),
    ),
    "sso_ties": (Identity, ("issuer", "subject", "tied_at")),
    "sso_trips": (Trip, ("provider_id", "purpose", "started_at", "used_at", "subject")),
    "password_links": (PasswordLink, ("purpose", "made_at", "opened_at", "used_at")),
    "mailed_codes": (EmailCode, ("purpose", "made_at", "used_at")),
    "mails": (Outbox, ("kind", "recipient", "made_at", "sent_at", "failed_at")),
    "reminders": (Reminder, ("put_at",)),
}
"""Each part of the file: its table, and the columns that are told."""
TIES: dict[str, tuple[type[Model], tuple[str, ...]]] = {
    "memberships": (Membership, ("role", "since")),
    "past_memberships": (PastMembership, ("since", "until")),
    "join_requests": (JoinRequest, ("asked_at", "accepted_at", "declined_at")),
}
"""The same for what ties the person to an organisation, which is told by its name."""


def of_person(account: Account) -> dict[str, Any]:
    """Return everything that is kept about a person, ready to be written as JSON."""
    found: dict[str, Any] = {"account": _told(account, ACCOUNT)}
    found["account"]["has_password"] = account.password_hash is not None
    for part, (model, names) in TIES.items():
        found[part] = list(_ties(model, names, account.id))
    for part, (model, names) in PARTS.items():
        theirs = model.__table__.c.account_id == account.id
        found[part] = [_told(row, names) for row in _rows(model, theirs)]
    found["events"] = [_about(row) for row in _rows(Event, Event.account_id == account.id)]
    found["acts_on_others"] = [_by(row) for row in _rows(Event, _acts_of(account.id))]
    return found


def _rows(model: type[Model], where: ColumnElement[bool]) -> Iterator[Model]:
    """Yield rows, the oldest first; a great log is not held whole."""
    query = select(model).where(where).order_by(*model.__table__.primary_key)
    yield from db.session.scalars(query.execution_options(yield_per=500))


def _ties(model: type[Model], names: tuple[str, ...], account_id: int) -> Iterator[dict[str, Any]]:
    columns = model.__table__.c
    query = (
        select(model, Organisation.name)
        .join(Organisation, Organisation.id == columns.organisation_id)
        .where(columns.account_id == account_id)
        .order_by(Organisation.name)
    )
    for row, organisation in db.session.execute(query):
        yield {"organisation": organisation} | _told(row, names)


def _acts_of(account_id: int) -> ColumnElement[bool]:
    return Event.by_account_id == account_id


def _about(event: Model) -> dict[str, Any]:
    """Return an event of theirs; who else did it is told without a name or their browser."""
    told, by = _told(event, EVENT), getattr(event, "by_account_id", None)
    if by is None:
        return told
    for name in ("address", "browser", "system"):
        del told[name]
    return told | {"by": "an administrator"}


def _by(event: Model) -> dict[str, Any]:
    """Return what they did to somebody else, who is told by their number alone.

    The reason is left out: it was written about that person, and may name them.
    """
    told = _told(event, EVENT)
    del told["reason"]
    return {"person": getattr(event, "account_id", None)} | told


def _told(row: Model, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; moments in ISO 8601, in UTC."""
    return value.isoformat() if isinstance(value, datetime) else value
