"""The keys of the running application: a ring that follows its folder.

Three purposes with a key of 256 bits each, or several by number. Never in the database
(S-161): see key_files.py. What they do is in key_ring.py.
"""

import secrets
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from time import monotonic, time_ns
from typing import NamedTuple, cast

from flask import Flask, current_app

import key_files
from key_files import KEY_BYTES, NAMES, PURPOSES, KeysMissing, missing
from key_making import make
from key_ring import KeyRing, SealBroken

__all__ = [
    "KEY_BYTES",
    "NAMES",
    "PURPOSES",
    "KeyRing",
    "KeysMissing",
    "SealBroken",
    "make",
    "missing",
]
RING, LOOK = "onward-keys", "onward-keys-look"
AGAIN = 60
"""Seconds after which the folder is read again although it looks the same."""
SETTLED = 10**9
"""Nanoseconds: a folder that changed less than that ago may change again within one tick."""


def token() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def token_hash(text: str) -> str:
    """Return what is stored of a token: enough to recognise it, useless to a reader."""
    return sha256(text.encode()).hexdigest()


def load(folder: Path, environ: Mapping[str, str] | None = None, *, old: bool = False) -> KeyRing:
    """Return the key ring from the environment or `folder`; raise KeysMissing.

    With `old` it also opens what retired keys sealed.
    """
    aside = key_files.retired(folder) if old else {}
    return KeyRing(key_files.stored(folder, environ), aside)


def seal_keys(folder: Path, environ: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """Return the keys that seal, by their numbers, retired ones too; raise KeysMissing.

    Migrations that seal anew call this, and a landed migration is never edited.
    """
    every = key_files.retired(folder) | key_files.stored(folder, environ)
    named = {key_files.parts(name): key for name, key in every.items()}
    return {str(number): key for (purpose, number), key in named.items() if purpose == "seal"}


class Look(NamedTuple):
    """One look at the folder of keys."""

    changed: int
    """When the folder changed last, in nanoseconds; 0: it may still be changing."""
    at: float


def ring() -> KeyRing:
    """Return the key ring of the running application."""
    return ring_of(current_app)


def ring_of(app: Flask) -> KeyRing:
    """Return the key ring of `app`, read at its first use and whenever the folder changes.

    So a request that follows an answer made with a newer key knows that key, too.
    """
    if RING not in app.extensions:
        return _read(app)
    last: Look | None = app.extensions.get(LOOK)
    if last is not None and _is_over(last, app):
        return anew(app)
    return cast(KeyRing, app.extensions[RING])


def ring_with(purpose: str, number: str) -> KeyRing:
    """Return the ring that has a key; if none of them is known, after one more look."""
    held = ring()
    is_unknown = number.isdecimal() and int(number) not in held.numbers(purpose)
    return anew(current_app) if is_unknown and LOOK in current_app.extensions else held


def anew(app: Flask) -> KeyRing:
    """Read the folder; while it can't be used the ring that is held goes on."""
    try:
        return _read(app)
    except KeysMissing as error:
        app.logger.error("the keys can't be read anew: %s", error)
        return cast(KeyRing, app.extensions[RING])


def hold(app: Flask, held: KeyRing) -> None:
    """Let `app` use this ring and none from its folder."""
    app.extensions[RING] = held
    app.extensions.pop(LOOK, None)


def _read(app: Flask) -> KeyRing:
    changed = _changed(app)  # before it is read: what comes meanwhile is seen the next time
    look = Look(changed if time_ns() - changed > SETTLED else 0, monotonic())
    if RING in app.extensions:
        app.extensions[LOOK] = look
    found = load(_folder(app))
    app.extensions[RING], app.extensions[LOOK] = found, look
    return found


def _is_over(last: Look, app: Flask) -> bool:
    return last.changed != _changed(app) or monotonic() - last.at > AGAIN


def _changed(app: Flask) -> int:
    try:
        return _folder(app).stat().st_mtime_ns
    except OSError:
        return -1


def _folder(app: Flask) -> Path:
    return Path(app.instance_path) / "keys"
