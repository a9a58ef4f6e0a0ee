"""Rotation: a new key, with which everything is made from then on (S-162).

Killed anywhere it is run again, and goes on with the key that it made.
"""

from collections.abc import Callable
from datetime import datetime

from flask import current_app

import key_files
import key_making
import keys
from accounts import events
from db import db
from keys import KeyRing
from operations import key_check
from operations.installation_row import Installation
from operations.key_lock import KeysKept

Unfinished = Callable[[KeyRing], bool]
"""Tells whether an earlier rotation has left something to do."""


def begin(purpose: str, is_unfinished: Unfinished, at: datetime) -> str:
    """Return the name of the key to go on with: a new one, or that of a rotation begun before.

    Raises KeysKept, KeysMissing.
    """
    ring, folder = keys.load(key_check.folder()), key_check.folder()
    known = key_check.stored_prints()
    if not known:
        raise KeysKept("Run flask --app app init first.")
    if sentence := key_check.misfit(ring, known):
        raise KeysKept(sentence)
    key_making.forget_unfinished(folder)
    newest = key_files.name_of(purpose, ring.newest(purpose))
    if newest in known and not is_unfinished(ring):
        refuse_fixed(purpose)
        newest = key_files.name_of(purpose, _next_number(ring, purpose))
        key_making.create(folder, newest)
    _take_over(newest, at)
    return newest


def refuse_fixed(purpose: str) -> None:
    """Raise KeysKept if no new key can be made, since variables hold the keys."""
    ring, known = keys.load(key_check.folder()), key_check.stored_prints() or {}
    newest = key_files.name_of(purpose, ring.newest(purpose))
    if newest in known and newest in key_files.of_environment():
        number = key_files.parts(newest)[1] + 1
        raise KeysKept(
            f"The key {newest} comes from the environment. Give every process and command "
            f"ONWARD_KEY_{purpose.upper()}_{number}, 64 new hexadecimal digits "
            "(openssl rand -hex 32), start them anew, then run this again."
        )


def _next_number(ring: KeyRing, purpose: str) -> int:
    """Return a number that no key of the purpose has or had."""
    retired = map(key_files.parts, key_files.retired(key_check.folder()))
    aside = [number for other, number in retired if other == purpose]
    return max(ring.newest(purpose), *aside, 0) + 1


def _take_over(name: str, at: datetime) -> None:
    """Let the database know the key, and this process make with it."""
    ring, row = keys.anew(current_app), Installation.the_one()
    known = row.key_prints or {}
    if name not in known:
        row.know_keys(known | {name: ring.prints[name]}, at)
        events.record("keys rotated", None, at, result=name)
    db.session.commit()
