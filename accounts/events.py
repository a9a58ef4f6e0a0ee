"""Event: the audit log. Who did what to whose account, when, from where (S-176)."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

import client
from db import Model, db


class Event(Model):
    """One thing that happened; holds no secret, code or token."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"), index=True)
    by_account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    """Who did it, where it was not the person: an administrator."""
    kind: Mapped[str]
    factor: Mapped[str | None]
    result: Mapped[str]
    reason: Mapped[str | None]
    """Why, in the words of who did it; one line."""
    address: Mapped[str]
    browser: Mapped[str]
    system: Mapped[str]


def record(
    kind: str,
    account_id: int | None,
    at: datetime,
    *,
    factor: str | None = None,
    result: str = "done",
    by: int | None = None,
    reason: str | None = None,
) -> None:
    """Write an event into the transaction of the change that it tells of."""
    columns = columns_of(kind, account_id, at, factor=factor, result=result, by=by, reason=reason)
    db.session.add(Event(**columns))


def columns_of(
    kind: str,
    account_id: int | None,
    at: datetime,
    *,
    factor: str | None = None,
    result: str = "done",
    by: int | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    """Return the row of an event, for whoever inserts many at once."""
    browser, system = client.browser_and_system()
    return {
        "at": at,
        "account_id": account_id,
        "by_account_id": by,
        "kind": kind,
        "factor": factor,
        "result": result,
        "reason": reason,
        "address": client.address(),
        "browser": browser,
        "system": system,
    }
