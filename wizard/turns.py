"""What a POST to the wizard means: the protocol table of the design, as code."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto

from sqlalchemy import delete, func, or_, select

from accounts.models import REPLAY
from accounts.visitor import Visitor
from db import db
from factors import void_record
from factors.refusal import Refusal
from wizard.finish import finish
from wizard.forms import StepForm
from wizard.moves import revive, take, void_where
from wizard.steps import FINISH, FIRST, STEPS, Turn
from wizard.tickets import EntryTicket, Ticket
from wizard.wizard import KEPT, LONGEST, WRONG_CODES, Kind, Reason, Wizard

COUNTED = {
    "unknown",
    "expired",
    "used_old",
    "void_record",
    "clock_behind",
    "clock_behind_perhaps",
    "clock_ahead",
    "clock_ahead_perhaps",
    "email_unknown",
    "email_expired",
}
"""Refusals of a code that was compared; a code of the wrong shape costs nothing."""


class Answer(StrEnum):
    """What the person gets."""

    STEP = auto()
    REPLAY = auto()
    RESTART = auto()
    STARTED_AGAIN = auto()
    DONE = auto()
    OUT_OF_DATE = auto()
    PROOF = auto()


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


def start(entry: EntryTicket, asked: Asked) -> Outcome:
    """Begin a set-up from a form with an entry ticket; the secret is made here."""
    found, at = asked.found, asked.at
    if entry.sign_in_id != found.sign_in.id:
        return Outcome(Answer.OUT_OF_DATE)
    kind = Kind(entry.kind)
    same, latest = _of_account(found.account.id, entry.nonce)
    if same is not None:
        return _again(same, asked, was_last_turn=same.turn == 1)
    if (kind is Kind.SET_UP) != (found.authenticator is None):
        return Outcome(Answer.DONE)
    if latest is not None and latest.is_live:
        void_where(Wizard.id == latest.id, Reason.SECOND, at)
        db.session.refresh(latest)
        return Outcome(Answer.RESTART, latest)
    if latest is not None and latest.voided_at is not None and latest.attempt != entry.told:
        return Outcome(Answer.RESTART, latest)
    proved_at = _proof(found, latest, at)
    if proved_at is None:
        return Outcome(Answer.PROOF)
    if latest is not None:
        latest.wipe()
    return Outcome(Answer.STEP, _begin(entry, kind, proved_at, asked))


def _begin(entry: EntryTicket, kind: Kind, proved_at: datetime, asked: Asked) -> Wizard:
    wizard = Wizard.begin(entry, asked.found.account.id, FIRST[kind], proved_at, asked.at)
    wizard.view = asked.view
    wizard.shown_at = asked.at if asked.by_htmx else None
    STEPS[wizard.step].enter(wizard, asked.at)
    db.session.add(wizard)
    return wizard


def _proof(found: Visitor, latest: Wizard | None, at: datetime) -> datetime | None:
    """Return when the proof for this set-up was given, or None if one is due (S-047).

    "Start again" in the same sign-in inherits the proof for 30 minutes.
    """
    if found.sign_in.is_proved(at):
        return found.sign_in.proved_at
    if latest is None or latest.voided_at is None or latest.sign_in_id != found.sign_in.id:
        return None
    return latest.proved_at if at < latest.proved_at + LONGEST else None


def submit(ticket: Ticket, form: StepForm, asked: Asked) -> Outcome:
    """Take the ticket and do the step, or answer a ticket that is no longer current."""
    found, at = asked.found, asked.at
    wizard = take(ticket, found.account.id, found.sign_in.id, asked.view, at)
    if wizard is None:
        return _late(ticket, asked)
    if form.act.data == "again":
        wizard.void(Reason.ASKED, at)
        return Outcome(Answer.STARTED_AGAIN, wizard)
    turn = Turn(wizard, found, form, at)
    result = STEPS[wizard.step].submit(turn)
    if isinstance(result, Refusal):
        return _refused(turn, result)
    if result == FINISH:
        finish(wizard, found, at)
    elif result != wizard.step:
        wizard.step = result
        STEPS[result].enter(wizard, at)
    return Outcome(Answer.STEP, wizard)


def _refused(turn: Turn, refusal: Refusal) -> Outcome:
    """Keep the reason; the tenth wrong code voids the set-up."""
    wizard = turn.wizard
    wizard.wrong_codes += refusal.reason in COUNTED
    if wizard.wrong_codes >= WRONG_CODES:
        wizard.void(Reason.WRONG_CODES, turn.at)
        return Outcome(Answer.RESTART, wizard)
    wizard.refuse(refusal)
    return Outcome(Answer.STEP, wizard)


def _late(ticket: Ticket, asked: Asked) -> Outcome:
    """Answer a ticket that could not be taken."""
    found, at = asked.found, asked.at
    wizard = _named(ticket, found)
    if wizard is None:
        return Outcome(Answer.OUT_OF_DATE)
    if ticket.turn == wizard.turn and wizard.is_live:
        void_where(Wizard.id == wizard.id, Reason.EXPIRED, at)
        db.session.refresh(wizard)
        return Outcome(Answer.RESTART, wizard)
    return _again(wizard, asked, was_last_turn=ticket.turn == wizard.turn - 1)


def _named(ticket: Ticket, found: Visitor) -> Wizard | None:
    """Return the wizard that a ticket names, if this sign-in began it."""
    return db.session.scalar(
        select(Wizard).where(
            Wizard.attempt == ticket.attempt,
            Wizard.account_id == found.account.id,
            Wizard.sign_in_id == found.sign_in.id,
        )
    )


def _again(wizard: Wizard, asked: Asked, *, was_last_turn: bool) -> Outcome:
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


def resume(proof: Ticket, asked: Asked) -> Outcome:
    """Go on with a set-up whose page a phone discarded, as the page of that very tab proves.

    Coming back looks like a reload, which has voided it a moment ago. Everything
    else that looks like one stays void: only the discarded page knows the proof.
    """
    found, at = asked.found, asked.at
    wizard = revive(proof, found.account.id, found.sign_in.id, at)
    if wizard is not None:
        void_record.drop(wizard.account_id, wizard.label or "")
        return Outcome(Answer.STEP, wizard)
    wizard = _named(proof, found)
    if wizard is None or wizard.finished_at is not None:
        return Outcome(Answer.OUT_OF_DATE)
    if wizard.voided_at is not None:
        return Outcome(Answer.RESTART, wizard)
    if wizard.turn == wizard.resumed_turn == proof.turn + 1:
        return Outcome(Answer.REPLAY, wizard)
    return Outcome(Answer.OUT_OF_DATE)


def replay_finish(ticket: Ticket | None, asked: Asked) -> Outcome | None:
    """Answer the finishing POST again to the token that it spent, and nothing else."""
    if ticket is None:
        return None
    wizard = db.session.scalar(
        select(Wizard).where(
            Wizard.attempt == ticket.attempt,
            Wizard.turn == ticket.turn + 1,
            Wizard.sign_in_id == asked.found.sign_in.id,
            Wizard.finished_at > asked.at - REPLAY,
        )
    )
    return Outcome(Answer.REPLAY, wizard) if wizard is not None else None


def loaded(account_id: int, at: datetime, reason: Reason = Reason.LOADED) -> Wizard | None:
    """Void what a document load finds pending; return an end that is still to be told."""
    void_where(Wizard.account_id == account_id, reason, at)
    _, latest = _of_account(account_id, None)
    ended = or_(Wizard.finished_at < at - KEPT, Wizard.voided_at < at - KEPT)
    keep = latest.id if latest is not None else 0
    if latest is not None and not latest.is_resumable(at):
        latest.wipe()
    void_record.wipe(at)
    db.session.execute(
        delete(Wizard).where(Wizard.account_id == account_id, ended, Wizard.id != keep)
    )
    return latest if latest is not None and latest.voided_at is not None else None


def _of_account(account_id: int, nonce: str | None) -> tuple[Wizard | None, Wizard | None]:
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
