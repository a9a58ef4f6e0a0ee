"""Slots: how many passwords are hashed at once on this machine, whoever of its processes does it.

A slot is a lock of the operating system on a file of its own, which ends with its
process: nothing is left to clean up after one that was killed.
"""

import fcntl
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = "hashing"
"""In the instance folder."""


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Slot:
    """A slot that is held."""

    lock: threading.Lock
    handle: int | None

    def free(self) -> None:
        if self.handle is not None:
            os.close(self.handle)  # which ends the lock
        self.lock.release()


class Slots:
    """The slots of one machine; a part of them strangers can't take.

    At least one is kept for people who are known, so that strangers never hold all of them.
    """

    def __init__(self, folder: Path, count: int) -> None:
        kept = max(1, count // 4)
        self.for_strangers = range(max(1, count - kept))
        self.for_known = range(len(self.for_strangers), len(self.for_strangers) + kept)
        self._folder = folder
        self._locks = [threading.Lock() for _ in (*self.for_strangers, *self.for_known)]

    def take(self, *, is_known: bool) -> Slot | None:
        """Return a slot that was free, or None."""
        if is_known:
            return self._first(self.for_known) or self._first(self.for_strangers)
        return self._first(self.for_strangers)

    def _first(self, numbers: Iterable[int]) -> Slot | None:
        for number in numbers:
            # Within a process nobody needs to ask the operating system.
            if self._locks[number].acquire(blocking=False):
                taken, handle = self._lock_file(number)
                if taken:
                    return Slot(self._locks[number], handle)
                self._locks[number].release()
        return None

    def _lock_file(self, number: int) -> tuple[bool, int | None]:
        """Lock the slot's file; where none can be made, each process counts its own alone."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(self._folder / str(number), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return True, None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False, None
        except OSError:  # a file system without locks
            os.close(handle)
            return True, None
        return True, handle
