"""Files of an installation that nobody but its owner may read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OTHERS = 0o077
"""Every right of anybody but the owner."""
PRIVATE = ("onward.sqlite", "onward.sqlite-wal", "onward.sqlite-shm")
MAILS = "outbox/*.eml"


@contextmanager
def private() -> Iterator[None]:
    """Let files and folders that the block makes be readable by their owner only."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def mending(instance: Path) -> str | None:
    """Return the commands that close what others can read, or None if nothing is open."""
    loose = [name for name in PRIVATE if _is_loose(instance / name)]
    if any(_is_loose(file) for file in instance.glob(MAILS)):
        loose.append(MAILS)
    commands = [f"chmod 700 {instance}"] if _is_loose(instance) else []
    if loose:
        commands.append(f"chmod 600 {' '.join(f'{instance}/{name}' for name in loose)}")
    return " && ".join(commands) or None


def _is_loose(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & OTHERS)
