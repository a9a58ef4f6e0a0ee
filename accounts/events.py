"""Event: the audit log. Who did what to whose account, when, from where (S-176)."""

from datetime import datetime
from typing import Any, TypedDict, Unpack

from sqlalchemy import Connection, ForeignKey, Index, event, insert, text
from sqlalchemy.orm import Mapped, Mapper, Session, mapped_column, object_session

import bounds
import client
from bounds import at_most
from db import Model, db

OF_NOBODY = 0
"""Instead of an organisation: stands in no organisation's log, since none has this number."""


NOT_KEPT = "not kept"
"""Instead of the network address that an event came from, once that has had its day."""
HAS_ADDRESS = f"address NOT IN ('', '{NOT_KEPT}')"
"""As a condition, in the very words of its index."""
NEWEST = "onward-newest-event"
"""In a session's `info`: the newest event that its transaction has written."""


class Event(Model):
    """One thing that happened; holds no secret, code or token."""

    __tablename__ = "events"
    __table_args__ = (
        # Few events have it: found without reading all, by a search and when a row is deleted.
        Index(
            "ix_events_by_account_id",
            "by_account_id",
            sqlite_where=text("by_account_id IS NOT NULL"),
            postgresql_where=text("by_account_id IS NOT NULL"),
        ),
        # The addresses that are to be blanked next: found without reading all that are.
        Index(
            "ix_events_address_at",
            "at",
            sqlite_where=text(HAS_ADDRESS),
            postgresql_where=text(HAS_ADDRESS),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"), index=True)
    by_account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    """Who did it, where it was not the person: an administrator."""
    organisation_id: Mapped[int | None] = mapped_column(index=True)
    """Which organisation alone it concerns; None: every one of the person's."""
    kind: Mapped[str]
    factor: Mapped[str | None] = mapped_column(at_most("factor", bounds.WORD))
    result: Mapped[str] = mapped_column(at_most("result", bounds.RESULT))
    reason: Mapped[str | None] = mapped_column(at_most("reason", bounds.REASON))
    """Why, in the words of who did it; one line."""
    address: Mapped[str] = mapped_column(at_most("address", bounds.ORIGIN))
    browser: Mapped[str] = mapped_column(at_most("browser", bounds.ORIGIN))
    system: Mapped[str] = mapped_column(at_most("system", bounds.ORIGIN))


@event.listens_for(Event, "after_insert")
def _note(mapper: Mapper[Any], connection: Connection, row: Event) -> None:
    if (session := object_session(row)) is not None:
        note_newest(session, row.id)


class Facts(TypedDict, total=False):
    """What may be told of an event beside its kind, whom it concerns, and when."""

    factor: str | None
    result: str
    by: int | None
    reason: str | None
    organisation: int | None


def record(kind: str, account_id: int | None, at: datetime, **facts: Unpack[Facts]) -> None:
    """Write an event into the transaction of the change that it tells of."""
    db.session.add(Event(**columns_of(kind, account_id, at, **facts)))


def record_unmarked(
    kind: str, account_id: int | None, at: datetime, **facts: Unpack[Facts]
) -> None:
    """Write an event of an act that spends nothing, such as a refusal.

    An old copy without it is no danger, so the mark stays: moving it takes the time of a file,
    which would tell who has an account (S-152, S-164).
    """
    db.session.execute(insert(Event).values(columns_of(kind, account_id, at, **facts)))


def record_many(rows: list[dict[str, Any]]) -> None:
    """Write many events, as rows of `columns_of`, by one statement."""
    ids = db.session.scalars(insert(Event).returning(Event.id), rows).all()
    note_newest(db.session, max(ids, default=0))


def note_newest(session: Session, event_id: int) -> None:
    """Remember the newest event of a transaction for whoever asks when it is committed."""
    session.info[NEWEST] = max(session.info.get(NEWEST, 0), event_id)


def columns_of(
    kind: str, account_id: int | None, at: datetime, **facts: Unpack[Facts]
) -> dict[str, Any]:
    """Return the row of an event, for whoever writes many at once."""
    browser, system = client.browser_and_system()
    return {
        "at": at,
        "account_id": account_id,
        "by_account_id": facts.get("by"),
        "organisation_id": facts.get("organisation"),
        "kind": kind,
        "factor": facts.get("factor"),
        "result": facts.get("result", "done"),
        "reason": facts.get("reason"),
        "address": client.address(),
        "browser": browser,
        "system": system,
    }
