"""A turn of the wizard: the POST of a step with its ticket, current or late."""

from db import db
from factors.refusal import Refusal
from wizard.answers import Answer, Asked, Outcome, again, named
from wizard.finish import finish
from wizard.forms import StepForm
from wizard.moves import take, void_where
from wizard.steps import FINISH, STEPS, Turn
from wizard.tickets import Ticket
from wizard.wizard import WRONG_CODES, Kind, Reason, Wizard

FREE = {
    "empty",
    "length",
    "letters",
    "looks_like_backup",
    "email_empty",
    "looks_like_backup_not_mail",
    "choice",
    "unsaved",
    "address_bad",
    "address_same",
    "too_many_mails",
    "no_more_mails",
}
"""Refusals of what was no code at all. Every other one counts, also one that is new."""


def submit(ticket: Ticket, form: StepForm, asked: Asked) -> Outcome:
    """Take the ticket and do the step, or answer a ticket that is no longer current."""
    found, at = asked.found, asked.at
    wizard = take(ticket, found.account.id, found.sign_in.id, asked.view, at)
    if wizard is None:
        return _late(ticket, asked)
    if (wizard.kind is Kind.SET_UP) != (found.authenticator is None):
        # Two-factor was turned off or on elsewhere since: nothing here fits any more.
        wizard.void(Reason.SECOND, at)
        return Outcome(Answer.DONE)
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
    wizard.wrong_codes += refusal.reason not in FREE
    if wizard.wrong_codes >= WRONG_CODES:
        wizard.void(Reason.WRONG_CODES, turn.at)
        return Outcome(Answer.RESTART, wizard)
    wizard.refuse(refusal)
    return Outcome(Answer.STEP, wizard)


def _late(ticket: Ticket, asked: Asked) -> Outcome:
    """Answer a ticket that could not be taken."""
    found, at = asked.found, asked.at
    wizard = named(ticket, found)
    if wizard is None:
        return Outcome(Answer.OUT_OF_DATE)
    if ticket.turn == wizard.turn and wizard.is_live:
        void_where(Wizard.id == wizard.id, Reason.EXPIRED, at)
        db.session.refresh(wizard)
        return Outcome(Answer.RESTART, wizard)
    return again(wizard, asked, was_last_turn=ticket.turn == wizard.turn - 1)
