"""What went wrong with the database, in a few words for an operator."""

import sqlite3

from sqlalchemy.exc import DBAPIError

import database_faults

FULL, LOCKED = "the disk is full", "somebody else holds its lock"
INIT = "flask --app app init"
FULL_STATES = {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "53100"}
"""The second: on a full disk SQLite can't make the index of its log any longer."""


def words(error: DBAPIError) -> str:
    """Return what happened: known words, or the first line of the database's own."""
    state = _state(error)
    if state in FULL_STATES:
        return FULL
    if state.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "55P03")):
        return LOCKED
    return str(error.orig).strip().partition("\n")[0]


def is_passing(error: DBAPIError) -> bool:
    """Tell whether it may be over later without anybody who changes the installation."""
    # Pages say "try again" on a read-only database as well; no restart of ours makes it writable.
    is_read_only = _state(error).startswith(("SQLITE_READONLY", "25006"))
    return database_faults.passes(error) and not is_read_only


def _state(error: DBAPIError) -> str:
    """Return the code of SQLite or PostgreSQL, "" if there is none."""
    if isinstance(error.orig, sqlite3.Error):
        # Python's own errors of that kind have none.
        return getattr(error.orig, "sqlite_errorname", "SQLITE_OTHER")
    return getattr(error.orig, "sqlstate", None) or ""


def sentence(error: DBAPIError) -> str:
    """Return the sentence with which a command or a start ends."""
    told = words(error)
    if told == FULL:
        return "The disk is full: the database takes no write."
    if told == LOCKED:
        return f"The database is busy: {told}."
    if _state(error) in {"42P01", "42703"} or told.startswith(("no such table", "no such column")):
        return f"The database is not of this version. Run: {INIT}"
    verb = "reached" if is_passing(error) else "read"
    return f"The database can't be {verb}: {told}"
