"""KeyUse: how many rows need which key, so that none is put aside too early (S-162)."""

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select

import key_files
import sealed
from accounts import reset
from db import db, reading
from factors import backup_codes
from factors.backup_codes import BackupCode
from operations.installation_row import Installation

SPREAD = timedelta(minutes=10)
"""After that no process makes anything any more with a key that is not the newest."""
UNREADABLE = "unreadable"
"""Instead of a key's name: values that name none."""


def seals() -> Counter[str]:
    """Count the sealed values by the name of the key that they need."""
    found: Counter[str] = Counter()
    for model, column in sealed.everywhere():
        held = getattr(model, column)
        query = select(_number_in(held).label("number"), func.count()).where(held.is_not(None))
        with reading() as connection:
            for number, count in connection.execute(query.group_by("number")):
                found[_name(number)] += count
    return found


def _name(number: str) -> str:
    is_number = number.isascii() and number.isdecimal() and not number.startswith("0")
    return key_files.name_of("seal", int(number)) if is_number else UNREADABLE


def _number_in(held: ColumnElement[str]) -> ColumnElement[str]:
    if db.engine.dialect.name == "sqlite":
        return func.substr(held, 1, func.instr(held, ":") - 1)
    return func.split_part(held, ":", 1)


def peppers() -> Counter[str]:
    """Count the lists of backup codes that still work by the name of the pepper they need."""
    lists = (
        select(BackupCode.pepper_id, func.count(BackupCode.salt.distinct()))
        .where(backup_codes.works())
        .group_by(BackupCode.pepper_id)
    )
    with reading() as connection:
        found = connection.execute(lists).all()
    return Counter({key_files.name_of("pepper", number): count for number, count in found})


def reset_codes(row: Installation, following: str, at: datetime) -> int:
    """Count the reset codes that may need the pepper before the one that follows it."""
    since = row.knows_since(following)
    return reset.waiting(since + SPREAD, at) if since is not None else 0


def every() -> Counter[str]:
    """Count what needs a key, by the key's name."""
    return seals() + peppers()
