"""KeyLock: one command at a time changes the keys of an installation (S-162)."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from operations import key_check

NAME = "lock"


class KeysBusy(RuntimeError):
    """Another command changes the keys right now."""


@contextmanager
def alone() -> Iterator[None]:
    """Let nobody else change the keys while the block runs; raise KeysBusy, OSError.

    The system lets go of the lock when the process dies, however that happens.
    """
    handle = os.open(key_check.folder() / NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KeysBusy("Another command is changing the keys. Wait until it ends.") from None
        yield
    finally:
        os.close(handle)
