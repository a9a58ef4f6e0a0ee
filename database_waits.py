"""Waits: how long a page waits for the database, and how many pages of a process do.

A database that is frozen, locked or cut off would otherwise hold one thread after the other,
until nothing is answered, not even what needs no database. Commands wait without a limit.
"""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from sqlite3 import SQLITE_BUSY
from sqlite3 import Connection as SQLiteConnection
from time import monotonic
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

FIRST = 0.4
"""The part of the wait that every page has; the rest is for a few pages at a time."""
PAUSE = 1.0
"""Seconds after a wait in vain in which nobody waits again."""
AT_ONCE = 0.1
"""Seconds within which the pool asks for another connection in the place of a dead one."""
SILENT = "the server did not answer a moment ago"
OPTION = "onward_waits"
"""The execution option of an engine that answers pages."""


class Waits:
    """How long the pages of one process wait, all in seconds."""

    def __init__(self, seconds: int, connect_seconds: int, waiters: int) -> None:
        self.seconds, self.connect_seconds = seconds, connect_seconds
        self.first = seconds * FIRST
        self._long = threading.BoundedSemaphore(waiters)
        self._lock = threading.Lock()
        self._is_silent = False
        self._is_tried = False
        self._again_at = 0.0
        self._mine = threading.local()

    def refuse(self, why: str) -> psycopg.OperationalError:
        """Return the error for a thread that has waited for long enough, or may not wait."""
        self._mine.refused = (monotonic(), why)
        return psycopg.OperationalError(why)

    def just_refused(self) -> str | None:
        """Return why this very thread was refused: the pool tries another connection then."""
        at, why = getattr(self._mine, "refused", (0.0, ""))
        return why if monotonic() - at < AT_ONCE else None

    @property
    def timeouts(self) -> dict[str, int]:
        """Return PostgreSQL's own limits, in milliseconds.

        Both are shorter than our patience: it tells us more than that it is silent.
        """
        return {"lock_timeout": self.seconds * 800, "statement_timeout": self.seconds * 900}

    def begin_long(self) -> bool:
        """Tell whether one page more may wait for the rest of the time; `end_long` ends that."""
        return self._long.acquire(blocking=False)

    def end_long(self) -> None:
        """Let another page wait so long."""
        self._long.release()

    def silent(self) -> None:
        """Note that somebody has waited in vain for all of the time."""
        with self._lock:
            self._is_silent, self._again_at = True, monotonic() + PAUSE

    def answered(self) -> None:
        """Note that the database is there: everybody may wait again."""
        self._is_silent = False

    @property
    def is_silent(self) -> bool:
        """Whether the last one who waited has waited in vain."""
        return self._is_silent

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Yield whether this thread may wait: of a silent database, one at a time."""
        with self._lock:
            mine = not self._is_silent or (not self._is_tried and monotonic() >= self._again_at)
            is_try = mine and self._is_silent
            self._is_tried |= is_try
        try:
            yield mine
        finally:
            if is_try:
                self._is_tried = False


class PatientConnection(psycopg.Connection[Any]):
    """A connection to PostgreSQL that does not wait for ever.

    The server's own timeouts end nothing when the server is frozen or the network is cut.
    """

    waits: Waits | None = None

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """Wait for what the server answers; raise OperationalError if it does not in time."""
        if self.waits is None:
            return super().wait(gen, *arguments, **options)
        if self.waits.is_silent and self.pgconn.transaction_status == TransactionStatus.IDLE:
            raise self._broken(self.waits, SILENT)
        held: list[Waits] = []
        try:
            return super().wait(self._patiently(gen, self.waits, held), *arguments, **options)
        finally:
            for waits in held:
                waits.end_long()

    def _patiently(self, gen: Any, waits: Waits, held: list[Waits]) -> Generator[Any, Any, Any]:
        """Yield what `gen` yields until the time is up; note in `held` a place that is taken."""
        began = monotonic()
        try:
            wanted = gen.send(None)
            while True:
                ready = yield wanted
                if not ready:
                    self._look_at_clock(monotonic() - began, waits, held)
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value

    def _look_at_clock(self, waited: float, waits: Waits, held: list[Waits]) -> None:
        if waited >= waits.first and not held:
            if not waits.begin_long():
                raise self._broken(waits, "too many wait for the server already")
            held.append(waits)
        if waited >= waits.seconds:
            waits.silent()
            raise self._broken(waits, f"the server did not answer within {waits.seconds} s")

    def _broken(self, waits: Waits, why: str) -> psycopg.OperationalError:
        """Give the connection up: an answer that comes later would be taken for another one's."""
        self.pgconn.finish()
        return waits.refuse(why)


def begin_writing(connection: Connection) -> None:
    """Begin a SQLite transaction with the writer's lock; wait for it as long as a page may."""
    waits: Waits | None = connection.get_execution_options().get(OPTION)
    if waits is None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    with waits.turn() as mine:
        try:
            _begin_within(connection, waits.first if mine else 0, waits)
        except OperationalError as error:
            if not mine or not is_busy(error) or not waits.begin_long():
                raise
            try:
                _begin_within(connection, waits.seconds - waits.first, waits)
            except OperationalError:
                waits.silent()
                raise
            finally:
                waits.end_long()
    waits.answered()


def _begin_within(connection: Connection, seconds: float, waits: Waits) -> None:
    _set_busy_timeout(connection.connection.driver_connection, seconds)
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        _set_busy_timeout(connection.connection.driver_connection, waits.first)


def is_busy(error: OperationalError) -> bool:
    """Tell whether another SQLite connection holds the lock."""
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == SQLITE_BUSY


def _set_busy_timeout(connection: Any, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def limit(engine: Engine, waits: Waits) -> None:
    """Let an engine that answers pages wait no longer than that."""
    engine.update_execution_options(**{OPTION: waits})

    @event.listens_for(engine, "do_connect")
    def _connect(dialect: Any, record: object, arguments: Any, options: Any) -> Any:
        return None if dialect.name == "sqlite" else _connect_in_turn(waits, arguments, options)

    @event.listens_for(engine, "connect")
    def _set_limits(connection: Any, record: object) -> None:
        if isinstance(connection, SQLiteConnection):
            _set_busy_timeout(connection, waits.first)
            return
        for name, milliseconds in waits.timeouts.items():
            connection.execute(f"SET {name} = {milliseconds}")
        connection.commit()  # what a rollback undid would be without limits again


def _connect_in_turn(waits: Waits, arguments: Any, options: Any) -> PatientConnection:
    if (why := waits.just_refused()) is not None:
        raise psycopg.OperationalError(why)
    options = {"connect_timeout": waits.connect_seconds} | options
    with waits.turn() as mine:
        if not mine:
            raise psycopg.OperationalError(SILENT)
        try:
            made = PatientConnection.connect(*arguments, **options)
        except psycopg.errors.ConnectionTimeout:
            waits.silent()
            raise
    waits.answered()
    made.waits = waits
    return made
