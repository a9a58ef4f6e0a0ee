"""How keys are made and put aside, as files in `instance/keys/`."""

import os
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path

import durable
from key_files import KEY_BYTES, NAMES, RETIRED, files_of, name_of, parts

UNFINISHED = ".new-"
"""How the name of a key's file begins until the file is whole."""


def make(folder: Path, names: Iterable[str] = NAMES) -> list[str]:
    """Make those keys that `folder` lacks, readable by their owner only; return their names."""
    return [name for name in names if create(folder, name)]


def create(folder: Path, name: str) -> bool:
    """Make a key; False if there is one of that name. No process ever reads a part of it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(name_of(*parts(file.stem)) == name for file in files_of(folder)):
        return False
    handle, part = tempfile.mkstemp(dir=folder, prefix=UNFINISHED)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            if os.geteuid() == 0:  # whoever serves must be able to read it
                os.fchown(file.fileno(), folder.stat().st_uid, folder.stat().st_gid)
            os.fsync(file.fileno())
        os.link(part, folder / f"{name}.key")  # exclusive, unlike a renaming
    except FileExistsError:
        return False
    finally:
        os.unlink(part)
    durable.fix(folder)  # what is sealed with it must not outlive it
    return True


def forget_unfinished(folder: Path) -> None:
    """Delete what a killed process left of a key that never was one."""
    for file in folder.glob(f"{UNFINISHED}*"):
        file.unlink(missing_ok=True)


def put_aside(folder: Path, name: str) -> bool:
    """Move the file of a key to the retired ones; False if it has no file.

    Raises FileExistsError if another key of that name is there.
    """
    mine = [file for file in files_of(folder) if name_of(*parts(file.stem)) == name]
    for file in mine:
        aside = folder / RETIRED / f"{name}.key"
        aside.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            os.link(file, aside)
        except FileExistsError:
            if aside.read_bytes() != file.read_bytes():
                raise
        file.unlink()
        durable.fix(aside.parent)
        durable.fix(folder)
    return bool(mine)
