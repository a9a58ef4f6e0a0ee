"""Hidden pages: what the page of a turn says of itself, and how a discarded one comes back.

A phone discards only pages that nobody sees. So the page tells when it goes hidden, when it
is shown again and when it goes for good; a load is undone only if the page's last word was
"hidden", a few minutes ago. Beacons overtake each other: each names its turn, its page and
its place among the words of that page. What permits something counts only while the turn is
live; what forbids something also counts later. No word turns a ticket or lengthens a life.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from sqlalchemy import and_, func, not_, or_, select, update

from accounts import events
from db import db
from wizard.forms import PageForm
from wizard.moves import is_current, live, over, void_where
from wizard.tickets import Ticket
from wizard.wizard import RESUMABLE, Reason, Wizard

LAST = 2**31 - 1
"""The place of a word after which a page says nothing more: no number reaches it."""


class Word(StrEnum):
    """What a page can say of itself."""

    HIDDEN = "hidden"
    SHOWN = "shown"
    GONE = "gone"


@dataclass(frozen=True)
class Said:
    """One word of one page; a page is named at random, and its numbers rise."""

    word: Word
    page: str
    number: int

    @classmethod
    def read(cls, form: PageForm) -> Self | None:
        """Return what the form says, or None if no page of ours says such a thing."""
        word, page, number = form.word.data or "", form.page.data or "", form.number.data or ""
        fits = re.fullmatch(r"[0-9a-f]{1,16}", page) and re.fullmatch(r"[0-9]{1,9}", number)
        if not fits or word not in set(Word):
            return None
        return cls(Word(word), page, LAST if word == Word.GONE else int(number))


def note(ticket: Ticket, sign_in_id: int, said: Said, at: datetime) -> None:
    """Note what the page of the current turn says, if it has said nothing later.

    Shown again after a load has voided its turn, it can't be the page that was discarded:
    what was kept for that one is wiped.
    """
    counts = live()
    if said.word is Word.SHOWN:
        counts = or_(counts, Wizard.sealed_kept.is_not(None))
    is_next = and_(Wizard.page == said.page, Wizard.page_number < said.number)
    db.session.execute(
        update(Wizard)
        .where(is_current(ticket, sign_in_id), counts, or_(Wizard.page.is_(None), is_next))
        .values(
            page=said.page,
            page_number=said.number,
            hidden_at=at if said.word is Word.HIDDEN else None,
            sealed_kept=None,
        )
    )


def leave(ticket: Ticket, sign_in_id: int, at: datetime) -> None:
    """Void the set-up whose shown page was left; after a load nothing of it comes back."""
    if not void_where(is_current(ticket, sign_in_id), Reason.LEFT, at):
        forget(ticket, sign_in_id)


def forget(turn: Ticket, sign_in_id: int) -> None:
    """Wipe what was kept for a discarded page of this turn."""
    db.session.execute(
        update(Wizard)
        .where(is_current(turn, sign_in_id), Wizard.sealed_kept.is_not(None))
        .values(sealed_kept=None)
    )


def revive(proof: Ticket, account_id: int, sign_in_id: int, at: datetime) -> Wizard | None:
    """Bring back the newest set-up of the account, whose hidden page a load has voided.

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
            Wizard.hidden_at > at - RESUMABLE,
            not_(over(at)),
        )
        .values(
            voided_at=None,
            void_reason=None,
            turn=Wizard.turn + 1,
            resumed_turn=Wizard.turn + 1,
            turned_at=at,
            page=None,
            page_number=None,
            hidden_at=None,
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
