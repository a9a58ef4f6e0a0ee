"""How a set-up begins: the POST of a form with an entry ticket."""

from datetime import datetime

from accounts import reset
from accounts.visitor import Visitor
from db import db
from wizard.answers import Answer, Asked, Outcome, again, of_account
from wizard.moves import void_where
from wizard.steps import FIRST, STEPS
from wizard.tickets import EntryTicket
from wizard.wizard import LONGEST, Kind, Reason, Wizard


def start(entry: EntryTicket, asked: Asked) -> Outcome:
    """Begin a set-up from a form with an entry ticket; the secret is made here."""
    found, at = asked.found, asked.at
    if entry.sign_in_id != found.sign_in.id:
        return Outcome(Answer.OUT_OF_DATE)
    kind = Kind(entry.kind)
    same, latest = of_account(found.account.id, entry.nonce)
    if same is not None:
        return again(same, asked, was_last_turn=same.turn == 1)
    is_first = kind is Kind.SET_UP
    if is_first != (found.authenticator is None) or (is_first and found.needs_password_first):
        return Outcome(Answer.DONE)
    if latest is not None and latest.is_live:
        void_where(Wizard.id == latest.id, Reason.SECOND, at)
        db.session.refresh(latest)
        return Outcome(Answer.RESTART, latest)
    if latest is not None and latest.voided_at is not None and latest.attempt != entry.told:
        return Outcome(Answer.RESTART, latest)
    if reset.is_due(found):
        return Outcome(Answer.RESET_CODE)
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
