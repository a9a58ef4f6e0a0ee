"""What keeps a database from being served, in one sentence."""

from typing import Any

from sqlalchemy import Row, func, select

from accounts.events import Event
from db import reading
from keys import KeyRing
from operations import key_check, mark, schema
from operations.installation_row import Installation

NOT_READY = "The database is not ready for this version. Run: flask --app app init"
NEVER = (
    "The database was never initialised. Is ONWARD_DATABASE_URL right? "
    "A new installation is made by: flask --app app init"
)
RESTORE = "flask --app app restore"
RETIRED = f"They are among the retired ones: if this is an old copy, run: {RESTORE}"


def refusal(ring: KeyRing) -> str | None:
    """Return why the database must not be served with these keys, or None."""
    with reading() as connection:
        version = schema.version(connection)
        if version is None:
            return NEVER
        if sentence := schema.misfit(version):
            return sentence
        columns = Installation.__table__.c
        found = select(columns.uid, columns.epoch, columns.key_prints)
        row = connection.execute(found).first()
    if row is None or row.key_prints is None:
        return NOT_READY
    if sentence := key_check.misfit(ring, row.key_prints):
        old = key_check.with_retired()
        return f"{sentence} {RETIRED}" if not key_check.misfit(old, row.key_prints) else sentence
    mark.know(row.uid, row.epoch)
    return unmarked(row)


def unmarked(row: Row[*tuple[Any, ...]]) -> str | None:
    """Return why the mark speaks against this database."""
    held = mark.read()
    if held is None or held.uid != row.uid:
        return _without_mark(held)
    if held.epoch > row.epoch:
        return f"This copy of the database is from before the last restore. Run: {RESTORE}"
    if held.epoch < row.epoch:
        return (
            f"A restore of this database has not ended here. Run: {RESTORE} "
            f"(or {RESTORE} --current, if another machine has ended it)"
        )
    missing = held.event - newest_event()
    if missing > 0:
        return (
            f"This database is older than what was served here last (missing events: {missing}). "
            f"If you put back a copy, run: {RESTORE}"
        )
    return None


def _without_mark(held: mark.Mark | None) -> str:
    if not key_check.has_accounts():
        return NOT_READY
    whose = "The mark of another installation" if held else "No mark"
    return (
        f"{whose} is at {mark.path()}, so nobody can tell whether this database is an old "
        f"copy. If it is one, run: {RESTORE}. If it is the newest there is: {RESTORE} --current"
    )


def newest_event() -> int:
    """Return the number of the newest event, 0 if there is none."""
    with reading() as connection:
        return connection.scalar(select(func.max(Event.id))) or 0
