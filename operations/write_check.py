"""Whether the database takes a write: one row, really committed.

A write that is rolled back would not do: SQLite sends nothing to the disk before the commit.
"""

from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from operations import faults
from runs import Run, Work


def write(engine: Engine, at: datetime) -> None:
    """Commit the probe's row. Raises SQLAlchemyError if that can't be done.

    It needs no session, so it may run on a thread of its own. Its transaction holds the lock
    of a writer on SQLite only while it writes the one row.
    """
    insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
    probe = insert(Run).values(work=Work.PROBE, ended_at=at)
    with engine.begin() as connection:
        connection.execute(
            probe.on_conflict_do_update(index_elements=["work"], set_={"ended_at": at})
        )


def fault(engine: Engine, at: datetime) -> str | None:
    """Return why the database takes no write, or None."""
    try:
        write(engine, at)
    except DBAPIError as error:
        return faults.words(error)
    return None
