"""Hidden pages: how the page of a set-up comes back that a phone has discarded."""

from datetime import datetime

from sqlalchemy import func, not_, select, update

from accounts import events
from db import db
from wizard.moves import is_current, over
from wizard.tickets import Ticket
from wizard.wizard import RESUMABLE, Reason, Wizard


def revive(proof: Ticket, account_id: int, sign_in_id: int, at: datetime) -> Wizard | None:
    """Bring back the newest set-up of the account, voided by a load a moment ago.

    One UPDATE, and each proof is good for one turn: it succeeds once.
    """
    newest = select(func.max(Wizard.id)).where(Wizard.account_id == account_id).scalar_subquery()
    revived = db.session.scalar(
        update(Wizard)
        .where(
            Wizard.id == newest,
            is_current(proof, sign_in_id),
            Wizard.void_reason == Reason.LOADED,
            Wizard.sealed_kept.is_not(None),
            Wizard.voided_at > at - RESUMABLE,
            not_(over(at)),
        )
        .values(
            voided_at=None,
            void_reason=None,
            turn=Wizard.turn + 1,
            resumed_turn=Wizard.turn + 1,
            turned_at=at,
        )
        .returning(Wizard),
        execution_options={"populate_existing": True, "synchronize_session": False},
    )
    if revived is not None:
        revived.take_up()
        _tell(revived, at)
    return revived


def _tell(revived: Wizard, at: datetime) -> None:
    events.record(
        f"resumed: {revived.kind}",
        revived.account_id,
        at,
        factor=revived.step,
        result=str(Reason.LOADED),
    )
