"""Which kinds of password hashes there are: after a change of the costs several (S-152).

A refusal that computed one hash alone would tell by its time which kind an address has,
or that nobody has it. So each computes one of every kind that is present.
"""

from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import func, select

from accounts import password
from accounts.models import Account
from db import db

FRESH = timedelta(minutes=1)
"""How long a look through all the hashes is good for."""


def present(at: datetime) -> frozenset[str]:
    """Return the kinds in the database, and the one that the settings ask for.

    Every hash written here is of that one, so that a look of a minute ago misses none.
    """
    since, kinds = current_app.extensions.get("onward-password-kinds", (None, frozenset()))
    if since is None or not since <= at < since + FRESH:
        kinds = _look() | {password.kind_of_settings()}
        current_app.extensions["onward-password-kinds"] = at, kinds
    found: frozenset[str] = kinds
    return found


def _look() -> frozenset[str]:
    """Read the distinct beginnings of all hashes: what follows is salt and digest."""
    size = func.length(Account.password_hash)
    kind = func.substr(Account.password_hash, 1, size - password.TAIL)
    found = db.session.scalars(select(kind).where(size > password.TAIL).distinct())
    return frozenset(one for one in found if password.work_of(one))
