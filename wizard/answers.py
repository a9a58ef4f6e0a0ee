"""What the wizard answers, and the set-up that an answer is about."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto

from sqlalchemy import func, or_, select

from accounts.sign_in import REPLAY
from accounts.visitor import Visitor
from db import db
from wizard.moves import void_where
from wizard.tickets import Ticket
from wizard.wizard import Reason, Wizard


class Answer(StrEnum):
    """What the person gets."""

    STEP = auto()
    REPLAY = auto()
    RESTART = auto()
    STARTED_AGAIN = auto()
    DONE = auto()
    OUT_OF_DATE = auto()
    PROOF = auto()
    RESET_CODE = auto()


@dataclass(frozen=True)
class Outcome:
    """An answer and the wizard it is about."""

    answer: Answer
    wizard: Wizard | None = None


@dataclass(frozen=True)
class Asked:
    """Who posts, by which means, when."""

    found: Visitor
    by_htmx: bool
    view: str | None
    at: datetime


def again(wizard: Wizard, asked: Asked, *, was_last_turn: bool) -> Outcome:
    """Answer the POST that comes a second time, or one from a page further back."""
    at = asked.at
    is_replay = was_last_turn and (asked.by_htmx or wizard.is_view_open(at))
    if wizard.finished_at is not None:
        fresh = is_replay and at < wizard.finished_at + REPLAY
        return Outcome(Answer.REPLAY if fresh else Answer.DONE, wizard)
    if wizard.voided_at is not None:
        return Outcome(Answer.RESTART, wizard)
    if is_replay and not wizard.is_over(at):
        return Outcome(Answer.REPLAY, wizard)
    void_where(Wizard.id == wizard.id, Reason.BACK, at)
    db.session.refresh(wizard)
    return Outcome(Answer.RESTART, wizard)


def named(ticket: Ticket, found: Visitor) -> Wizard | None:
    """Return the wizard that a ticket names, if this sign-in began it."""
    return db.session.scalar(
        select(Wizard).where(
            Wizard.attempt == ticket.attempt,
            Wizard.account_id == found.account.id,
            Wizard.sign_in_id == found.sign_in.id,
        )
    )


def of_account(account_id: int, nonce: str | None) -> tuple[Wizard | None, Wizard | None]:
    """Return the wizard that an entry form has begun already, and the latest of the account."""
    newest = select(func.max(Wizard.id)).where(Wizard.account_id == account_id).scalar_subquery()
    rows = db.session.scalars(
        select(Wizard)
        .where(
            Wizard.account_id == account_id,
            or_(Wizard.id == newest, Wizard.entry_nonce == (nonce or "")),
        )
        .order_by(Wizard.id),
        execution_options={"populate_existing": True},
    ).all()
    same = next((row for row in rows if nonce and row.entry_nonce == nonce), None)
    return same, rows[-1] if rows else None
