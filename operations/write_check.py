"""Whether the database takes a write: one row, really committed.

A write that is rolled back would not do: SQLite sends nothing to the disk before the commit.
"""

from datetime import datetime

from sqlalchemy.exc import DBAPIError

import runs
from db import db
from operations import faults
from runs import Work


def write(at: datetime) -> None:
    """Commit the probe's row. Raises SQLAlchemyError if that can't be done.

    It needs no session, so it may run on a thread of its own. Its transaction holds the lock
    of a writer on SQLite only while it writes the one row.
    """
    with db.engine.begin() as connection:
        connection.execute(runs.noting(Work.PROBE, at))


def fault(at: datetime) -> str | None:
    """Return why the database takes no write, or None."""
    try:
        write(at)
    except DBAPIError as error:
        return faults.words(error)
    return None
