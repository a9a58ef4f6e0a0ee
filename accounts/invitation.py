"""An invitation: somebody is added, and chooses a first password by a mailed link."""

from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import insert

import keys
from accounts import events, notices, password_link
from accounts.events import Event
from accounts.models import Account, Membership, Organisation, Role
from accounts.password_link import PasswordLink, Purpose
from db import db
from factors.refusal import Refusal
from mail import messages, outbox
from mail.message import Message


def send_all(accounts: list[Account], organisation: Organisation, at: datetime) -> None:
    """Mail many at once, in as many statements as one: some leave now, the rest by and by."""
    sent = [_written(account, organisation, at) for account in accounts]
    links = [password_link.columns_of(a.id, Purpose.INVITATION, t, at) for a, t, _ in sent]
    db.session.execute(insert(PasswordLink), links)
    letters = [outbox.columns_of(message, a.id, a.email, at) for a, _, message in sent]
    outbox.put_many(letters)


def _written(
    account: Account, organisation: Organisation, at: datetime
) -> tuple[Account, str, Message]:
    token = keys.token()
    base_url = current_app.config["BASE_URL"].rstrip("/")
    link = f"{base_url}/signin/invitation/{token}"
    ends_at = at + password_link.INVITED
    return account, token, messages.invitation(account.name, organisation.name, link, ends_at, at)


def send_again(
    account: Account, organisation: Organisation, by: Account, at: datetime
) -> Refusal | None:
    """Mail the link once more, or say why not; a second click within a minute is no second act."""
    db.session.refresh(account, with_for_update=True)
    if account.password_hash is not None or account.disabled_at is not None:
        return Refusal("has_password", {"name": account.name})
    if not password_link.is_recent(account.id, Purpose.INVITATION, at):
        send(account, organisation, by, at)
    return None


def send(account: Account, organisation: Organisation, by: Account | None, at: datetime) -> None:
    """Mail the link, the only one that works from now on; it opens within three days."""
    _, token, message = _written(account, organisation, at)
    password_link.make(account.id, Purpose.INVITATION, token, at)
    notices.to_primary(account, message, at)
    role = db.session.get_one(Membership, (account.id, organisation.id)).role
    db.session.add(Event(**event_of(account.id, organisation, role, by, at)))


def event_of(
    account_id: int, organisation: Organisation, role: Role, by: Account | None, at: datetime
) -> dict[str, Any]:
    """Return the row of the event: it concerns this organisation alone, and says the role."""
    result = f"to {organisation.name} as {role}"
    return events.columns_of(
        "invited",
        account_id,
        at,
        by=by.id if by else None,
        result=result,
        organisation=organisation.id,
    )
