"""What keeps a database from being served, in one sentence."""

from typing import Any

from sqlalchemy import Connection, Row, inspect, select

from db import reading
from keys import KeyRing
from operations import key_check
from operations.installation_row import Installation

NOT_READY = "The database is not ready for this version. Run: flask --app app init"


def refusal(ring: KeyRing) -> str | None:
    """Return why the database must not be served with these keys, or None.

    A database that no migration of ours has made yet is nobody's to judge here.
    """
    with reading() as connection:
        if not inspect(connection).has_table(Installation.__tablename__):
            return None
        row = _row(connection)
    if row is None or row.key_prints is None:
        return NOT_READY
    if strangers := key_check.strangers(ring, row.key_prints):
        return (
            f"These keys don't belong to the database: {', '.join(strangers)}. "
            "Put back the folder of keys that does."
        )
    return None


def _row(connection: Connection) -> Row[Any] | None:
    return connection.execute(select(Installation.__table__)).first()
