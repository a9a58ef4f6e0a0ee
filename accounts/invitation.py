"""An invitation: somebody is added, and chooses a first password by a mailed link.

Who has an account elsewhere is asked to join instead (join_request.py). Both leave the same
rows behind on what the list shows, so that nobody who looks there tells one from the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import insert, select

import keys
from accounts import events, join_request, link_limits, password_link
from accounts.events import Event
from accounts.join_request import Asked
from accounts.models import Account, Membership, Organisation, Role
from accounts.password_link import PasswordLink, Purpose
from db import db
from factors.refusal import Refusal
from mail import messages, outbox
from mail.message import Message

Row = dict[str, Any]
DOUBLE_CLICK = timedelta(minutes=1)
"""How long the button that sends it again does nothing more."""


@dataclass(frozen=True)
class Invited:
    """An account that was added, and whom it stands for if it is a placeholder."""

    account: Account
    asked: Asked | None

    @property
    def chooses(self) -> Account:
        """Who would choose a first password by the link."""
        return self.asked.account if self.asked else self.account

    @property
    def is_mailed(self) -> bool:
        """Whether a mail is sent: not to somebody who said no, or who got many."""
        return self.asked is None or self.asked.may_be_mailed

    @property
    def needs_password(self) -> bool:
        """Whether the mail has a link: nothing opens their account yet."""
        return self.asked is None or not self.asked.can_sign_in


def send_all(invited: list[Invited], organisation: Organisation, at: datetime) -> None:
    """Mail many at once, in as many statements as one: some leave now, the rest by and by."""
    links: list[Row] = []
    letters: list[Row] = []
    for one in invited:
        token = keys.token()
        links += _links(one, token, at)
        letters += _letters(one, organisation, token, at)
    db.session.execute(insert(PasswordLink), links)
    if letters:
        outbox.put_many(letters)


def _links(one: Invited, token: str, at: datetime) -> list[Row]:
    """Return the rows of the links: a placeholder has one too, which nobody ever gets."""
    own = token if one.asked is None else keys.token()
    rows = [password_link.columns_of(one.account.id, Purpose.INVITATION, own, at)]
    if one.asked is not None and one.is_mailed and one.needs_password:
        rows.append(password_link.columns_of(one.chooses.id, Purpose.INVITATION, token, at))
    return rows


def _letters(one: Invited, organisation: Organisation, token: str, at: datetime) -> list[Row]:
    if not one.is_mailed:
        return []
    message = _message(one, organisation, token, at)
    return [outbox.columns_of(message, one.chooses.id, one.chooses.email, at)]


def _message(one: Invited, organisation: Organisation, token: str, at: datetime) -> Message:
    base_url = current_app.config["BASE_URL"].rstrip("/")
    name, ends_at = one.chooses.name, at + password_link.INVITED
    link = f"{base_url}/signin/invitation/{token}"
    if one.asked is None:
        return messages.invitation(name, organisation.name, link, ends_at, at)
    if one.needs_password:
        return messages.join_request_first(name, organisation.name, link, ends_at, at)
    page = f"{base_url}/security/organisations"
    return messages.join_request(name, organisation.name, page, ends_at, at)


def send_again(
    account: Account, organisation: Organisation, by: Account, at: datetime
) -> Refusal | None:
    """Mail them once more, or say why not; a second click within a minute is no second act.

    Within the limits of other mailed links (S-077). What other organisations sent counts
    not: nobody learns of it.
    """
    account = db.session.get_one(Account, account.id, with_for_update=True, populate_existing=True)
    if account.password_hash is not None or account.disabled_at is not None:
        return Refusal("has_password", {"name": account.name})
    sent = _sent(account.id, organisation.id, at)
    if sent and sent[0] > at - DOUBLE_CLICK:
        return None
    if until := link_limits.full_until(link_limits.USUAL, sent, at):
        return Refusal("invited_often", {"name": account.name, "time": until})
    send(account, organisation, by, at)
    return None


def _sent(account_id: int, organisation_id: int, at: datetime) -> Sequence[datetime]:
    """Return when this organisation invited somebody within a day, the newest first."""
    query = select(Event.at).where(
        Event.account_id == account_id,
        Event.organisation_id == organisation_id,
        Event.kind == "invited",
        Event.at > at - timedelta(days=1),
    )
    return db.session.scalars(query.order_by(Event.at.desc())).all()


def send(account: Account, organisation: Organisation, by: Account | None, at: datetime) -> None:
    """Mail the link, the only one that works from now on; it opens within three days."""
    asked = join_request.of_placeholder(account.id, at)
    password_link.end_all(account.id, at)
    if asked is not None:
        join_request.ask_again(account.id, at)
    send_all([Invited(account, asked)], organisation, at)
    role = db.session.get_one(Membership, (account.id, organisation.id)).role
    db.session.add(Event(**event_of(account.id, organisation, role, by, at)))


def event_of(
    account_id: int, organisation: Organisation, role: Role, by: Account | None, at: datetime
) -> Row:
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
