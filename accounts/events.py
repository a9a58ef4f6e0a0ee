"""Event: the audit log. Who did what to whose account, when, from where (S-176)."""

from datetime import datetime

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
    kind: Mapped[str]
    factor: Mapped[str | None]
    result: Mapped[str]
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
) -> None:
    """Write an event into the transaction of the change that it tells of."""
    browser, system = client.browser_and_system()
    db.session.add(
        Event(
            at=at,
            account_id=account_id,
            kind=kind,
            factor=factor,
            result=result,
            address=client.address(),
            browser=browser,
            system=system,
        )
    )
