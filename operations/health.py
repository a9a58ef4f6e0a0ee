"""Health: whether this installation can serve, told within a second whatever the database does.

One thread of each process looks, at most every HEALTH_SECONDS, and everybody is told what it
saw last. A look that a locked or frozen database holds up is "not ok" for all who ask meanwhile.
"""

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from datetime import datetime
from time import monotonic
from typing import cast

from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

import clock
import database_faults
import keys
from db import reading
from operations import key_check, mail_check, schema, write_check

EXTENSION = "onward-health"
IN_TIME = 0.8
"""Seconds that an answer waits for a look."""


class Watch:
    """Who looks in one process, and what was seen last."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._every = app.config["HEALTH_SECONDS"]
        self._lock = threading.Lock()
        self._began_at = 0.0
        self._outcome: Future[bool] | None = None
        self._last_fault: str | None = None

    def is_ready(self) -> bool:
        """Tell whether all was right at the last look; one is begun if that is long ago."""
        outcome, until = self._latest()
        try:
            return outcome.result(max(0.0, until - monotonic()))
        except NotYet:
            return False

    def _latest(self) -> tuple["Future[bool]", float]:
        with self._lock:
            now, outcome = monotonic(), self._outcome
            if outcome is None or (outcome.done() and now - self._began_at >= self._every):
                outcome = Future()
                # Only now, so after gunicorn's fork; it ends with its look.
                look = threading.Thread(target=self._look, args=(outcome,), name="health")
                look.daemon = True
                look.start()  # a machine without threads left refuses here: the next one asks again
                self._outcome, self._began_at = outcome, now
            return outcome, self._began_at + IN_TIME

    def _look(self, outcome: "Future[bool]") -> None:
        is_ready = False
        try:
            with self._app.app_context():
                found = _fault_or_error()
                is_ready = found is None
                self._tell(found)
        finally:
            outcome.set_result(is_ready)

    def _tell(self, found: str | None) -> None:
        if found != self._last_fault:
            level = self._app.logger.error if found else self._app.logger.warning
            level("ready again" if found is None else f"not ready: {found}")
        self._last_fault = found


def _fault_or_error() -> str | None:
    try:
        return fault(clock.now())
    except SQLAlchemyError as error:
        return f"the database: {database_faults.reason(error)}"
    except Exception as error:  # whatever it is, nobody may wait for a result that never comes
        current_app.logger.error("health: unforeseen %s", type(error).__name__, exc_info=error)
        return type(error).__name__


def fault(at: datetime) -> str | None:
    """Return what keeps this installation from serving, or None. Raises SQLAlchemyError."""
    return _schema() or _keys() or write_check.fault(at) or mail_check.not_moving(at)


def _schema() -> str | None:
    with reading() as connection:
        found = schema.version(connection)
    return schema.misfit(found) if found else "the database was never initialised"


def _keys() -> str | None:
    try:
        return key_check.misfit(keys.load(key_check.folder()), key_check.stored_prints())
    except keys.KeysMissing as error:
        return str(error)


def init_app(app: Flask) -> None:
    """Give the application its watch; nothing is looked at before somebody asks."""
    app.extensions[EXTENSION] = Watch(app)


def watch() -> Watch:
    """Return the watch of the running application."""
    return cast(Watch, current_app.extensions[EXTENSION])
