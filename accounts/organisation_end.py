"""The end of an organisation: its ties and what it has begun go, its people stay."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, delete, exists, select, update
from sqlalchemy.orm import aliased

from accounts import events, join_answer, join_request
from accounts.events import Event
from accounts.identity import cannot_sign_in
from accounts.join_request import JoinRequest
from accounts.models import Account, Membership, Organisation
from accounts.password_link import PasswordLink, Purpose
from accounts.past_membership import PastMembership
from accounts.reminders import Reminder
from db import db
from mail.outbox import Outbox

REMINDERS = ("reminder_soft", "reminder_hard")
INVITATION = "invitation"
WAITS = (Outbox.sent_at.is_(None), Outbox.claimed_at.is_(None))
"""A mail that has not left, and that nobody is sending."""
NOT_SYNCHRONISED = {"synchronize_session": False}


@dataclass(frozen=True)
class Ended:
    """What became of the people of an organisation that has ended."""

    people: int
    invited: int
    """How many of them have never answered: their invitation is void."""


def end(organisation: Organisation, at: datetime) -> Ended:
    """End an organisation in the running transaction; nobody is asked anything by it any more.

    Its events belong to nobody's log from then on: a later one may get its number.
    """
    db.session.refresh(organisation, with_for_update=True)
    _take_back(_asks(organisation.id))
    join_answer.forget(organisation.id)
    people = select(Membership.account_id).where(Membership.organisation_id == organisation.id)
    _take_back_reminders(people)
    found = Ended(len(db.session.scalars(people).all()), _void_invitations(people, at))
    for tie in (Membership, PastMembership):
        db.session.execute(delete(tie).where(tie.organisation_id == organisation.id))
    theirs = update(Event).where(Event.organisation_id == organisation.id)
    db.session.execute(theirs.values(organisation_id=events.OF_NOBODY))
    events.record("organisation removed", None, at, result=organisation.name)
    db.session.delete(organisation)
    return found


def _asks(organisation_id: int) -> ColumnElement[bool]:
    """The mails that ask people of elsewhere to join: each is as old as its request."""
    return exists().where(
        Outbox.kind.in_(join_request.KINDS),
        JoinRequest.organisation_id == organisation_id,
        JoinRequest.account_id == Outbox.account_id,
        JoinRequest.asked_at == Outbox.made_at,
    )


def _take_back_reminders(people: Select[int]) -> None:
    """Take back reminders that have not left; who is still asked by another one gets a new one."""
    reminders = and_(Outbox.account_id.in_(people), Outbox.kind.in_(REMINDERS))
    theirs = select(Outbox.account_id).where(reminders, *WAITS)
    anew = update(Reminder).where(Reminder.account_id.in_(theirs)).values(put_at=None)
    db.session.execute(anew, execution_options=NOT_SYNCHRONISED)
    _take_back(reminders)


def _void_invitations(people: Select[int], at: datetime) -> int:
    """End the links of those who never answered and are in no other organisation; count them."""
    other = aliased(Membership)
    only_here = ~exists().where(
        other.account_id == Membership.account_id,
        other.organisation_id != Membership.organisation_id,
    )
    joined = people.join(Account, Account.id == Membership.account_id)
    invited = joined.where(cannot_sign_in(), only_here)
    links = update(PasswordLink).where(
        PasswordLink.account_id.in_(invited),
        PasswordLink.purpose == Purpose.INVITATION,
        PasswordLink.used_at.is_(None),
    )
    db.session.execute(links.values(used_at=at), execution_options=NOT_SYNCHRONISED)
    _take_back(and_(Outbox.account_id.in_(invited), Outbox.kind == INVITATION))
    return len(db.session.scalars(invited).all())


def _take_back(mails: ColumnElement[bool]) -> None:
    """Delete those of these mails that have not left and that nobody is sending."""
    db.session.execute(delete(Outbox).where(mails, *WAITS), execution_options=NOT_SYNCHRONISED)
