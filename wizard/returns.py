"""Coming back to a set-up: a page loaded anew, one that was discarded, an answer that was lost."""

from datetime import datetime

from sqlalchemy import delete, or_, select

from accounts.sign_in import REPLAY
from db import db
from factors import void_record
from wizard.answers import Answer, Asked, Outcome, named, of_account
from wizard.hidden_pages import revive
from wizard.moves import void_where
from wizard.tickets import Ticket
from wizard.wizard import KEPT, Reason, Wizard


def loaded(account_id: int, at: datetime, reason: Reason = Reason.LOADED) -> Wizard | None:
    """Void what a document load finds pending; return an end that is still to be told."""
    void_where(Wizard.account_id == account_id, reason, at)
    _, latest = of_account(account_id, None)
    ended = or_(Wizard.finished_at < at - KEPT, Wizard.voided_at < at - KEPT)
    keep = latest.id if latest is not None else 0
    if latest is not None and (reason is Reason.UNREADABLE or not latest.is_resumable(at)):
        latest.wipe()
    void_record.wipe(at)
    db.session.execute(
        delete(Wizard).where(Wizard.account_id == account_id, ended, Wizard.id != keep)
    )
    return latest if latest is not None and latest.voided_at is not None else None


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
    wizard = named(proof, found)
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
