"""What becomes of a request to join: accepted, declined, or settled by somebody else.

Whoever is asked is locked by the gate, the organisation here, as by every change of a role,
then the placeholder, as by every mail: two answers, or an answer and an act, never meet halfway.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import InstrumentedAttribute

from accounts import events
from accounts.events import Event
from accounts.join_request import JoinRequest, is_open
from accounts.models import Account, Membership, Organisation
from accounts.password_link import PasswordLink
from db import db
from factors.refusal import Refusal
from factors.throttle import Throttle

NOT_SYNCHRONISED = {"synchronize_session": False}


def join(request: JoinRequest, at: datetime) -> Refusal | None:
    """Make who is asked a member, with the role that is offered at this moment, or say why not."""
    placeholder_id = request.placeholder_id
    organisation = _locked(request)
    role = db.session.scalar(select(Membership.role).where(Membership.account_id == placeholder_id))
    if role is None or not _answer(request, JoinRequest.accepted_at, at):
        return Refusal("request_over")
    _clear(request)
    Membership.begin(request.account_id, organisation.id, role, at)
    facts: events.Facts = {"organisation": organisation.id}
    facts["result"] = f"{organisation.name} as {role}"
    events.record("joined", request.account_id, at, **facts)
    return None


def decline(request: JoinRequest, at: datetime) -> Refusal | None:
    """Say no. The organisation is not told: somebody new who does nothing looks the same."""
    if not _answer(request, JoinRequest.declined_at, at):
        return Refusal("request_over")
    facts: events.Facts = {"organisation": events.OF_NOBODY}
    events.record("join declined", request.account_id, at, **facts)
    return None


def settle(account_id: int, organisation_id: int, at: datetime) -> None:
    """End the request to somebody who becomes a member in another way."""
    request = db.session.scalar(
        select(JoinRequest).where(
            JoinRequest.account_id == account_id,
            JoinRequest.organisation_id == organisation_id,
            JoinRequest.accepted_at.is_(None),
        )
    )
    if request is not None:
        _locked(request)
        _clear(request)
        db.session.delete(request)


def forget(organisation_id: int) -> None:
    """Forget all that an organisation has asked: it is removed."""
    _forget(JoinRequest.organisation_id == organisation_id)


def forget_person(account_id: int) -> None:
    """Forget all that a person was asked: they are removed."""
    _forget(JoinRequest.account_id == account_id)


def _forget(which: ColumnElement[bool]) -> None:
    for request in db.session.scalars(select(JoinRequest).where(which)).all():
        if request.placeholder_id is not None:
            _locked(request)
            _clear(request)
        db.session.delete(request)
    db.session.flush()


def _locked(request: JoinRequest) -> Organisation:
    of = select(Organisation).where(Organisation.id == request.organisation_id)
    organisation = db.session.scalars(of.with_for_update()).one()
    stands = select(Account.id).where(Account.id == request.placeholder_id)
    db.session.execute(stands.with_for_update())
    return organisation


def _answer(
    request: JoinRequest, answered: InstrumentedAttribute[datetime | None], at: datetime
) -> bool:
    """Note the answer, if the request is still open; one UPDATE decides."""
    noted = db.session.scalar(
        update(JoinRequest)
        .where(JoinRequest.id == request.id, *is_open(at))
        .values({answered: at})
        .returning(JoinRequest.id),
        execution_options=NOT_SYNCHRONISED,
    )
    return noted is not None


def _clear(request: JoinRequest) -> None:
    """Take the placeholder away; its events go to whom it stood for, and concern nobody else."""
    placeholder_id, request.placeholder_id = request.placeholder_id, None
    db.session.flush()
    facts = {"account_id": request.account_id, "organisation_id": request.organisation_id}
    told = update(Event).where(Event.account_id == placeholder_id).values(facts)
    db.session.execute(told, execution_options=NOT_SYNCHRONISED)
    for table in (Membership, PasswordLink, Throttle):
        theirs = delete(table).where(table.account_id == placeholder_id)
        db.session.execute(theirs, execution_options=NOT_SYNCHRONISED)
    gone = delete(Account).where(Account.id == placeholder_id)
    db.session.execute(gone, execution_options=NOT_SYNCHRONISED)
