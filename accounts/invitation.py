"""An invitation: somebody is added, and chooses a first password by a mailed link."""

from datetime import datetime

import keys
from accounts import events, notices, password_link
from accounts.models import Account, Membership, Organisation, Role
from accounts.password_link import Purpose
from db import db
from mail import messages


def invite(
    email: str,
    name: str,
    organisation: Organisation,
    role: Role,
    base_url: str,
    at: datetime,
) -> Account:
    """Add a person to an organisation and mail them a link. `email` is canonical and new.

    The caller commits; the events and the mail go with it.
    """
    account = Account.create(email, name, None, at)
    db.session.add(
        Membership(account_id=account.id, organisation_id=organisation.id, role=role, since=at)
    )
    send(account, organisation, base_url, at)
    return account


def send(account: Account, organisation: Organisation, base_url: str, at: datetime) -> None:
    """Mail the link, the only one that works from now on; it opens within three days."""
    token = keys.token()
    password_link.make(account.id, Purpose.INVITATION, token, at)
    link = f"{base_url.rstrip('/')}/signin/invitation/{token}"
    ends_at = at + password_link.INVITED
    message = messages.invitation(account.name, organisation.name, link, ends_at, at)
    notices.to_primary(account, message, at)
    events.record("invited", account.id, at, result=organisation.name)
