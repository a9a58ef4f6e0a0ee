"""How a wizard moves: the UPDATE that takes a ticket, and the one that voids.

Each is one compare-and-set, so that of several requests exactly one moves it.
"""

from datetime import datetime
from functools import cache

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    case,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from db import UTCDateTime, choice, db
from wizard.tickets import Ticket
from wizard.wizard import IDLE, LONGEST, Reason, Wizard


def take(
    ticket: Ticket, account_id: int, sign_in_id: int, view: str | None, at: datetime
) -> Wizard | None:
    """Take a ticket: the one UPDATE by which a set-up goes forward.

    Returns the wizard if the ticket was current, else None with nothing
    changed. `view` names the page that a browser without script will be sent to.
    """
    return db.session.scalar(
        _taking(),
        {
            "its_attempt": ticket.attempt,
            "its_turn": ticket.turn,
            "its_account": account_id,
            "its_sign_in": sign_in_id,
            "new_view": view,
            "now": at,
            "idle_since": at - IDLE,
            "begun_since": at - LONGEST,
        },
        execution_options={"populate_existing": True, "synchronize_session": False},
    )


@cache
def _taking() -> ReturningUpdate[Wizard]:
    """Return the UPDATE that takes a ticket, composed once."""
    now = bindparam("now", type_=UTCDateTime)
    return (
        update(Wizard)
        .where(
            Wizard.attempt == bindparam("its_attempt"),
            Wizard.turn == bindparam("its_turn"),
            Wizard.account_id == bindparam("its_account"),
            Wizard.sign_in_id == bindparam("its_sign_in"),
            live(),
            Wizard.turned_at > bindparam("idle_since", type_=UTCDateTime),
            Wizard.started_at > bindparam("begun_since", type_=UTCDateTime),
        )
        .values(
            turn=Wizard.turn + 1,
            turned_at=now,
            refusal=null(),
            view=bindparam("new_view"),
            view_seen_at=None,
            page=null(),
            page_number=null(),
            hidden_at=null(),
            # Whoever posts the form has seen its page.
            shown_at=case((Wizard.shown_at.is_(None), now), else_=Wizard.shown_at),
        )
        .returning(Wizard)
    )


def live() -> ColumnElement[bool]:
    """Neither voided nor finished."""
    return and_(Wizard.voided_at.is_(None), Wizard.finished_at.is_(None))


def over(at: datetime) -> ColumnElement[bool]:
    """Past its life (S-044)."""
    return or_(Wizard.turned_at <= at - IDLE, Wizard.started_at <= at - LONGEST)


def _word(reason: Reason) -> ColumnElement[Reason]:
    return literal(reason, choice(Reason))


def void_where(which: ColumnElement[bool], reason: Reason, at: datetime) -> bool:
    """Void the live wizard that `which` picks, by one UPDATE; tell whether there was one.

    What it held is wiped, except where a page may be brought back (hidden_pages.py).
    """
    voided = db.session.scalar(
        update(Wizard)
        .where(which, live())
        .values(
            voided_at=at,
            void_reason=case((over(at), _word(Reason.EXPIRED)), else_=_word(reason)),
        )
        .returning(Wizard),
        execution_options={"populate_existing": True, "synchronize_session": False},
    )
    if voided is None:
        return False
    voided.lay_off(at)
    if voided.is_resumable(at):
        voided.set_aside()
    else:
        voided.wipe()
    voided.tell("voided", at)
    db.session.flush()
    return True


def void_everybodys(at: datetime) -> None:
    """Void every set-up that lives, and let none be brought back (S-164)."""
    for wizard in db.session.scalars(select(Wizard).where(live())):
        wizard.void(Reason.RESTORED, at)
    db.session.execute(
        update(Wizard)
        .where(Wizard.sealed_kept.is_not(None))
        .values(sealed_kept=None)
        .execution_options(synchronize_session=False)
    )


def is_current(ticket: Ticket, sign_in_id: int) -> ColumnElement[bool]:
    """The wizard of this sign-in whose current ticket this is."""
    return and_(
        Wizard.attempt == ticket.attempt,
        Wizard.turn == ticket.turn,
        Wizard.sign_in_id == sign_in_id,
    )
