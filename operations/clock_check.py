"""Whether this machine and the database agree on the time: codes live by it."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

import clock
from db import db, reading

MOST = timedelta(seconds=5)
"""By which the two may differ: a sixth of the time that a code is shown for."""


def fault() -> str | None:
    """Return by how much the clocks differ, or None. SQLite has this machine's own clock."""
    if db.engine.dialect.name == "sqlite":
        return None
    with reading() as connection:
        before = clock.now()
        theirs = connection.scalar(select(func.clock_timestamp()))
        after = clock.now()
    assert isinstance(theirs, datetime)
    off = max(before - theirs.astimezone(UTC), theirs.astimezone(UTC) - after)
    if off <= MOST:
        return None
    return f"the database's differs by {round(off.total_seconds())} s; set both by the network"
