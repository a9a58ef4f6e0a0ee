"""How much is left on the disks that an installation writes to."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from flask import current_app

from db import db
from operations import mark

MIB = 1024 * 1024
LITTLE, NONE = 500 * MIB, 50 * MIB
"""Bytes below which it is told, and below which it is a fault."""


def fault() -> str | None:
    """Return where nearly nothing is left, or None."""
    return "; ".join(_told(place, left) for place, left in _left() if left < NONE) or None


def note() -> str | None:
    """Return where little is left, or None."""
    return "; ".join(_told(place, left) for place, left in _left() if NONE <= left < LITTLE) or None


def _left() -> Iterator[tuple[Path, int]]:
    """Yield one folder of each disk that is written to, with the bytes left for us.

    A PostgreSQL server has its own disk, which only its machine can see.
    """
    places = [Path(current_app.instance_path), mark.path().parent]
    if db.engine.dialect.name == "sqlite" and (file := db.engine.url.database):
        places.append(Path(file).parent)
    seen = set()
    for place in places:
        if place.is_dir() and (disk := place.stat().st_dev) not in seen:
            seen.add(disk)
            yield place, shutil.disk_usage(place).free


def _told(place: Path, left: int) -> str:
    return f"{left // MIB} MiB left in {place}"
