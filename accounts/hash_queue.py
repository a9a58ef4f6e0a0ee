"""The queue for a password hash: who waits for a slot of the machine, and how long (S-101).

A hash takes a core for some time. Without a limit anybody who posts wrong passwords
takes all cores and all threads. Strangers wait by network, a few at a time, so that
one network never holds every place, and no more threads than that wait for them.
People who are known, by their browser or by being signed in, have places of their own.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from flask import Flask, current_app

import client
from accounts.hash_slots import FOLDER, Slot, Slots, cores
from factors.refusal import Refusal

EXTENSION = "onward-hash-queue"
STEP_SECONDS = 0.01
"""Between two looks for a free slot."""
OF_ONE_KNOWN = 2
"""Places that one known person has at once: a double click."""
BUSY = Refusal("busy")


@dataclass(frozen=True)
class Asker:
    """For whom a password is hashed: a network of strangers, or somebody known."""

    name: str
    is_known: bool

    @classmethod
    def of(cls, known_as: str = "") -> "Asker":
        """Return who asks now; `known_as` names what made them known, if they are."""
        return cls(known_as, True) if known_as else cls(client.network(), False)


class HashQueue:
    """Who waits or hashes in one process."""

    def __init__(self, slots: Slots, most: int, seconds: int) -> None:
        self._slots, self._most = slots, most
        self._looks = 1 + round(seconds / STEP_SECONDS)
        self._lock = threading.Lock()
        self._askers: Counter[Asker] = Counter()

    @contextmanager
    def place(self, asker: Asker) -> Iterator[Refusal | None]:
        """Hold a slot during the block, or yield why there is none."""
        if not self._enter(asker):
            yield BUSY
            return
        try:
            slot = self._wait(asker)
            if slot is None:
                yield BUSY
                return
            try:
                yield None
            finally:
                slot.free()
        finally:
            self._leave(asker)

    def _enter(self, asker: Asker) -> bool:
        with self._lock:
            if not self._has_room(asker):
                return False
            self._askers[asker] += 1
            return True

    def _has_room(self, asker: Asker) -> bool:
        if asker.is_known:
            return self._askers[asker] < OF_ONE_KNOWN
        # No network takes the last place of strangers that has another one already.
        strangers = sum(n for one, n in self._askers.items() if not one.is_known)
        return strangers < self._most and self._askers[asker] < max(1, self._most - 1)

    def _leave(self, asker: Asker) -> None:
        with self._lock:
            self._askers[asker] -= 1
            if not self._askers[asker]:
                del self._askers[asker]

    def _wait(self, asker: Asker) -> Slot | None:
        # Looks are counted, not seconds: a clock that jumps would stretch them.
        for _ in range(self._looks):
            if slot := self._slots.take(is_known=asker.is_known):
                return slot
            time.sleep(STEP_SECONDS)
        return None


def init_app(app: Flask) -> None:
    """Give the application its queue; all processes of the instance share the slots."""
    config = app.config
    slots = Slots(Path(app.instance_path) / FOLDER, config["PASSWORD_PLACES"] or cores())
    queue = HashQueue(slots, config["PASSWORD_WAITERS"], config["PASSWORD_WAIT"])
    app.extensions[EXTENSION] = queue


@contextmanager
def place(asker: Asker) -> Iterator[Refusal | None]:
    """Hold a place during the block, in which a hash is computed; yield why there is none.

    The caller has ended its transaction before: it may wait for seconds.
    """
    with cast(HashQueue, current_app.extensions[EXTENSION]).place(asker) as refusal:
        yield refusal
