"""Whether the keys belong to the database: told by their fingerprints and by what they open."""

from collections.abc import Iterable
from pathlib import Path

from flask import current_app
from sqlalchemy import exists, inspect, select

import keys
import sealed
from accounts.models import Account
from db import db, reading
from keys import KeyRing
from operations.installation_row import Installation
from sealed import SealedModel

LOOKED_AT = 5
"""Newest values of a column of which one has to open; a single one may have been altered."""
LOSSES = {
    "seal": "every authenticator app, all set-ups under way and all mails that wait",
    "pepper": "every backup code and every reset code",
    "signing": "every open sign-in and every mailed code",
}
"""What nobody can read any more without the key."""


def folder() -> Path:
    """Return where the files of the keys are."""
    return Path(current_app.instance_path) / "keys"


def has_accounts() -> bool:
    """Tell whether anybody has an account, also in a database of an older version."""
    with reading() as connection:
        if not inspect(connection).has_table(Account.__tablename__):
            return False
        return bool(connection.scalar(select(exists(select(Account.id)))))


def with_retired() -> KeyRing:
    """Return a ring that also opens what an old copy of the database holds; raise KeysMissing."""
    return keys.load(folder(), old=True)


def stored_prints() -> dict[str, str] | None:
    """Return the fingerprints that the database remembers, if it does."""
    with reading() as connection:
        if not inspect(connection).has_table(Installation.__tablename__):
            return None
        return connection.scalar(select(Installation.__table__.c.key_prints))


def strangers(ring: KeyRing, prints: dict[str, str] | None) -> list[str]:
    """Return the names of keys that are not those which the database remembers.

    One that it does not remember at all is new: a rotation has just begun (S-162).
    """
    return [name for name, one in ring.prints.items() if (prints or {}).get(name, one) != one]


def lacking(ring: KeyRing, prints: dict[str, str] | None) -> list[str]:
    """Return the names of keys that the database remembers and the ring has not."""
    return [
        name
        for name, one in (prints or {}).items()
        if name not in ring.prints and ring.retired_prints.get(name) != one
    ]


def misfit(ring: KeyRing, prints: dict[str, str] | None) -> str | None:
    """Return why the keys are not those of the database, in a sentence, or None."""
    if others := strangers(ring, prints):
        return (
            f"These keys don't belong to the database: {', '.join(others)}. "
            "Put back the folder of keys that does."
        )
    if missing := lacking(ring, prints):
        return (
            f"The database needs keys that are missing: {', '.join(missing)}. "
            "Put back the folder of keys that has them."
        )
    return None


def closed_kinds(ring: KeyRing) -> list[str]:
    """Return the sealed columns of which no value opens, as "table.column"."""
    return [
        f"{model.__tablename__}.{column}"
        for model, column in sealed.everywhere()
        if not _opens(ring, model, column)
    ]


def _opens(ring: KeyRing, model: type[SealedModel], column: str) -> bool:
    held, number = getattr(model, column), model.__table__.c.id
    rows = db.session.scalars(
        select(model).where(held.is_not(None)).order_by(number.desc()).limit(LOOKED_AT)
    ).all()
    return not rows or any(row.opens(column, ring) for row in rows)


def losses(names: Iterable[str]) -> str:
    """Return what nobody can read any more without these keys."""
    kinds = {name.partition("-")[0] for name in names}
    return "; ".join(lost for kind, lost in LOSSES.items() if kind in kinds)
