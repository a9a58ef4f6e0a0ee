"""Faults of the database that pass: it is down, restarting, locked, full or read-only.

They are answered with 503 and a page that says so, and are one line in the log. Everything
else that a database can raise is a fault of ours.
"""

import sqlite3
from typing import Any

from flask import Flask, Response, current_app, request
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

import web

LOG_CHARACTERS = 200
PASSING_SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_PERM,
}
"""Primary result codes of SQLite (its low byte); "no such table" is none of them."""
PASSING_POSTGRESQL = (
    "08",  # connection exception
    "25006",  # read-only transaction, as on a standby
    "25P03",  # idle in transaction for too long
    "25P04",  # transaction took too long
    "53",  # insufficient resources: disk full, out of memory, too many connections
    "55P03",  # lock not available
    "57",  # operator intervention: shut down, starting up, cancelled by a timeout
    "58",  # system error outside PostgreSQL itself
)
"""Beginnings of SQLSTATEs (PostgreSQL, appendix A)."""


def passes(error: BaseException) -> bool:
    """Tell whether the same act may work later, with nothing mended in the code."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in PASSING_SQLITE
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return str(state).startswith(PASSING_POSTGRESQL)
    # Without a SQLSTATE no server has answered at all: psycopg itself found it gone.
    return _is_of_psycopg(error.orig)


def _is_of_psycopg(error: BaseException | None) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    is_its_own = type(error).__module__.partition(".")[0] == "psycopg"
    return is_its_own and bool(names & {"OperationalError", "InterfaceError"})


def reason(error: BaseException) -> str:
    """Return why in a few words: no statement, no parameter."""
    if isinstance(error, PoolTimeout):
        return "no connection is free"
    found: Any = getattr(error, "orig", None)
    if name := getattr(found, "sqlite_errorname", None):
        return str(name)
    if state := getattr(found, "sqlstate", None):
        return f"{state} {type(found).__name__}"
    return " ".join(str(found).split())[:LOG_CHARACTERS]


def log(error: BaseException, where: str) -> None:
    """Write the one line."""
    current_app.logger.error("the database does not serve %s: %s", where, reason(error))


def answer(error: SQLAlchemyError) -> Response:
    """Answer a request that the database has failed."""
    if not passes(error):
        return web.unforeseen(error)
    log(error, request.endpoint or "an unknown page")
    return web.not_now()


def init_app(app: Flask) -> None:
    """Let faults of the database that pass have an answer of their own."""
    app.register_error_handler(SQLAlchemyError, answer)
