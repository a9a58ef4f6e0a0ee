"""One `init` at a time: two that meet would make the same tables and keys."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import current_app
from sqlalchemy import func, select

from db import db

LOCK = 0x6F6E77617264
"""The number of PostgreSQL's advisory lock: "onward"."""


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process makes this installation ready, then let none begin.

    The folder is locked for processes of this machine, the database for those of others. The
    system lets go of both when the process dies.
    """
    folder = os.open(Path(current_app.instance_path), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with _database_alone():
            yield
    finally:
        os.close(folder)


@contextmanager
def _database_alone() -> Iterator[None]:
    if db.engine.dialect.name == "sqlite":
        yield  # the folder is enough: nobody else has the file
        return
    # A connection of its own: those of the migration come and go with their transactions.
    connection = db.engine.connect()
    try:
        connection.execute(select(func.pg_advisory_lock(LOCK)))
        connection.commit()
        yield
        connection.execute(select(func.pg_advisory_unlock(LOCK)))
    finally:
        connection.invalidate()
        connection.close()
