"""PasswordLink: a mailed link by which a person chooses a password.

It opens once, for the browser that presses its page's button, and is dead from then
on: that browser gets another random value, in its session, good for one password.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

import keys
from accounts.models import Account
from db import Model, choice, db

LIFE = timedelta(minutes=30)
"""From the mail to the new password."""
INVITED = timedelta(days=3)
"""From an invitation to the first password."""
OWN_TRIES = timedelta(hours=1)
"""How long the browser that opened a link has password tries of its own (browser.py)."""


class Purpose(StrEnum):
    """What a link is for; its value is a part of its address."""

    RESET = "reset"
    INVITATION = "invitation"


class PasswordLink(Model):
    """One link; only the hash of what opens it is stored."""

    __tablename__ = "password_links"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    purpose: Mapped[Purpose] = mapped_column(choice(Purpose))
    token_hash: Mapped[str] = mapped_column(unique=True)
    made_at: Mapped[datetime]
    asked_in: Mapped[int | None]
    """The id of the known browser that asked for it, also when it is known no more; None:
    an unknown one, or an administrator."""
    opened_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]


def make(
    account_id: int, purpose: Purpose, token: str, at: datetime, asked_in: int | None = None
) -> None:
    """Make the link that `token` opens. Older ones are dead, unless a stranger asked for it:
    somebody may be choosing a password by one of them just now."""
    if purpose is not Purpose.RESET or asked_in is not None:
        end_all(account_id, at)
    columns = columns_of(account_id, purpose, token, at)
    db.session.add(PasswordLink(**columns, asked_in=asked_in))


def columns_of(account_id: int, purpose: Purpose, token: str, at: datetime) -> dict[str, Any]:
    """Return the row of a link, for whoever inserts many at once."""
    hashed = keys.token_hash(token)
    return {"account_id": account_id, "purpose": purpose, "token_hash": hashed, "made_at": at}


def is_good(purpose: Purpose, token: str, at: datetime) -> bool:
    """Tell whether the button of this link's page would open it; changes nothing (S-079)."""
    named = PasswordLink.token_hash == keys.token_hash(token)
    found = db.session.scalar(select(PasswordLink.id).where(named, *fresh(purpose, at)))
    return found is not None


def open_(purpose: Purpose, token: str, at: datetime) -> str | None:
    """Open the link, once, and return what chooses the password now; one UPDATE decides."""
    new = keys.token()
    opened = db.session.scalar(
        update(PasswordLink)
        .where(PasswordLink.token_hash == keys.token_hash(token), *fresh(purpose, at))
        .values(token_hash=keys.token_hash(new), opened_at=at)
        .returning(PasswordLink.id),
        execution_options={"synchronize_session": False},
    )
    return new if opened is not None else None


def opened(token: str | None, at: datetime) -> PasswordLink | None:
    """Return the opened link that a browser's session names, if it may still choose."""
    if not token:
        return None
    return db.session.scalar(
        select(PasswordLink)
        .join(Account, Account.id == PasswordLink.account_id)
        .where(
            PasswordLink.token_hash == keys.token_hash(token),
            PasswordLink.opened_at > at - LIFE,
            PasswordLink.used_at.is_(None),
            Account.disabled_at.is_(None),
        )
    )


def opened_lately(token: str | None, account_id: int, at: datetime) -> int | None:
    """Return the id of the link to this account that a browser's session opened lately."""
    if not token:
        return None
    return db.session.scalar(
        select(PasswordLink.id).where(
            PasswordLink.token_hash == keys.token_hash(token),
            PasswordLink.account_id == account_id,
            PasswordLink.opened_at > at - OWN_TRIES,
        )
    )


def spend(link: PasswordLink, at: datetime) -> bool:
    """Use the link up; tell whether it was still there to use."""
    used = db.session.scalar(
        update(PasswordLink)
        .where(PasswordLink.id == link.id, PasswordLink.used_at.is_(None))
        .values(used_at=at)
        .returning(PasswordLink.id),
        execution_options={"synchronize_session": False},
    )
    return used is not None


def end_all(account_id: int, at: datetime) -> None:
    """End every link of a person: a newer one is made, or the password has changed."""
    db.session.execute(
        update(PasswordLink)
        .where(PasswordLink.account_id == account_id, PasswordLink.used_at.is_(None))
        .values(used_at=at)
        .execution_options(synchronize_session=False)
    )


def end_everybodys(at: datetime) -> None:
    """End every link, whoever it was mailed to (S-164)."""
    db.session.execute(
        update(PasswordLink)
        .where(PasswordLink.used_at.is_(None))
        .values(used_at=at)
        .execution_options(synchronize_session=False)
    )


def waiting_invitations(at: datetime) -> int:
    """Return how many invitations could still be opened."""
    waiting = select(func.count()).where(*fresh(Purpose.INVITATION, at))
    return db.session.scalar(waiting) or 0


def fresh(purpose: Purpose, at: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return what makes a link of this purpose one that still opens: new, and not opened yet."""
    life = INVITED if purpose is Purpose.INVITATION else LIFE
    return (
        PasswordLink.purpose == purpose,
        PasswordLink.made_at > at - life,
        PasswordLink.opened_at.is_(None),
        PasswordLink.used_at.is_(None),
    )
