"""KeyLock: one command at a time changes the keys of an installation (S-162)."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from click import ClickException

from operations import key_check


class KeysKept(ClickException):
    """The keys stay as they are; the text says why."""


@contextmanager
def alone() -> Iterator[None]:
    """Let nobody else change the keys while the block runs; raise KeysKept.

    The system lets go of the lock when the process dies, however that happens.
    """
    key_check.folder().mkdir(mode=0o700, exist_ok=True)  # keys of the environment have none
    handle = os.open(key_check.folder(), os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KeysKept("Another command is changing the keys. Wait until it ends.") from None
        yield
    finally:
        os.close(handle)
