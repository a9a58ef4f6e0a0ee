"""The carrier: one background thread of each process, on which mails leave, codes first.

No thread that answers people talks to a mail server: a silent one would hold the whole
site. The thread is started by the first mail, so after gunicorn's fork.
"""

import atexit
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count
from queue import PriorityQueue
from typing import cast
from weakref import WeakSet

from flask import Flask, current_app

import database_faults

EXTENSION = "onward-carrier"


class Urgency(IntEnum):
    """Which errands go first."""

    CODE = 0
    """Somebody waits for it."""
    NOTICE = 1
    REST = 2
    """When nothing else is left."""


@dataclass(order=True)
class Errand:
    """One thing to do, and where its outcome is told."""

    urgency: Urgency
    number: int
    act: Callable[[], object] | None = field(compare=False)
    """None: the thread may end."""
    outcome: "Future[object]" = field(compare=False, default_factory=Future)


class Carrier:
    """The thread of one application in one process."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._errands: PriorityQueue[Errand] = PriorityQueue()
        self._numbers = count()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_ending = False
        self.waiters = threading.BoundedSemaphore(app.config["MAIL_WAITERS"])
        _CARRIERS.add(self)

    def carry(self, urgency: Urgency, act: Callable[[], object]) -> "Future[object]":
        """Have `act` done on the thread, within the application; return its outcome to come."""
        errand = Errand(urgency, next(self._numbers), act)
        with self._lock:
            self._errands.put(errand)
            if self._thread is None and not self._is_ending:
                thread = threading.Thread(target=self._run, name="mail", daemon=True)
                thread.start()  # a machine without threads left refuses here: the next one asks
                self._thread = thread
        return errand.outcome

    def settle(self) -> None:
        """Return when everything is done that was to be carried so far, and the thread rests."""
        with self._lock:
            if self._thread is not None:
                self._errands.put(Errand(Urgency.REST, next(self._numbers), None))
        self._errands.join()

    def end(self, seconds: float) -> None:
        """Let the errand end that is under way, so that its mail is noted; begin no other one.

        A mail that nobody has begun to send stays in the outbox for another process.
        """
        with self._lock:
            self._is_ending, thread = True, self._thread
        self._errands.put(Errand(Urgency.CODE, -1, None))  # wakes a thread that waits
        if thread is not None:
            thread.join(seconds)

    def _run(self) -> None:
        # No wait has a time limit: a clock that jumps would stretch it.
        while True:
            errand = self._errands.get()
            try:
                if self._is_ending or (errand.act is None and self._may_rest()):
                    return
                self._do(errand)
            finally:
                self._errands.task_done()

    def _may_rest(self) -> bool:
        """End the thread, unless something was put meanwhile; the next errand starts another."""
        with self._lock:
            if not self._errands.empty():
                return False
            self._thread = None
            return True

    def _do(self, errand: Errand) -> None:
        if errand.act is None:
            return
        try:
            with self._app.app_context():
                errand.outcome.set_result(errand.act())
        except Exception as error:
            # Its own request has been answered: nobody else would hear of it.
            self._tell(error)
            errand.outcome.set_exception(error)

    def _tell(self, error: Exception) -> None:
        if database_faults.passes(error):
            with self._app.app_context():
                database_faults.log(error, "the mail thread")
            return
        self._app.logger.error("mail: unforeseen %s", type(error).__name__, exc_info=error)


_CARRIERS: "WeakSet[Carrier]" = WeakSet()


def init_app(app: Flask) -> None:
    """Give the application its carrier; the thread comes with the first errand."""
    app.extensions[EXTENSION] = Carrier(app)


def carrier() -> Carrier:
    """Return the carrier of the running application."""
    return cast(Carrier, current_app.extensions[EXTENSION])


@atexit.register
def _end_all() -> None:
    """Leave no mail behind that was sent and not noted."""
    for one in list(_CARRIERS):
        one.end(one._app.config["MAIL_TIMEOUT"] + 5)
