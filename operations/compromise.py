"""Compromise: somebody has a copy of the database and of its keys (S-162).

They have read every app secret and can find every backup code. A new key changes nothing of
that. So every second factor ends, and then everything is made with keys that nobody has seen.
"""

from datetime import datetime

from flask import current_app

import key_files
import key_making
import keys
from accounts import events
from db import db
from factors import backup_lists, void_record
from factors.authenticator import Authenticator
from factors.backup_email import BackupEmail
from keys import KeyRing
from operations import key_check, rotation, sealing
from operations.installation_row import Installation


def end_factors(at: datetime) -> None:
    """End everybody's app, backup codes and backup email, in the running transaction."""
    Authenticator.revoke_everybodys(at)
    backup_lists.revoke_everybodys(at)
    BackupEmail.remove_everybodys()
    void_record.forget_all()


def fresh_purposes() -> set[str]:
    """Return the purposes whose newest key has come by a variable since the last rotation.

    Raises KeysKept, before anything ends, if there can be no new key for another one.
    """
    for purpose in key_files.PURPOSES:
        rotation.refuse_fixed(purpose)
    ring, known = keys.ring(), key_check.stored_prints() or {}
    return {
        purpose
        for purpose in key_files.PURPOSES
        if key_files.name_of(purpose, ring.newest(purpose)) not in known
    }


def _always(ring: KeyRing) -> bool:
    return True


def _never(ring: KeyRing) -> bool:
    return False


def change_keys(fresh: set[str], at: datetime) -> list[str]:
    """Make new keys, but of `fresh` purposes, and put every older one aside at once.

    Nobody is served meanwhile. Returns those that come from variables, which somebody else
    must take away.
    """
    for purpose in key_files.PURPOSES:
        rotation.begin(purpose, _always if purpose in fresh else _never, at)
    sealing.seal_anew(lambda column, count: None)
    ring, row = keys.ring(), Installation.the_one()
    made = {key_files.name_of(purpose, ring.newest(purpose)) for purpose in key_files.PURPOSES}
    old = [name for name in ring.prints if name not in made]
    row.know_keys({name: ring.prints[name] for name in made}, at)
    for name in old:
        events.record("key retired", None, at, result=name)
    db.session.commit()
    for name in old:
        key_making.put_aside(key_check.folder(), name)
    left = [name for name in old if name in key_files.of_environment()]
    keys.anew(current_app)
    return left
