"""Retirement: a key that nothing needs any more is put aside, and never deleted (S-162)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app

import key_files
import key_making
import keys
from accounts import events
from db import db
from keys import KeyRing
from operations import backup, key_check, key_use
from operations.backup import Backup
from operations.installation_row import Installation
from operations.key_lock import KeysKept

SIGNED = timedelta(days=30)
"""How long what a signing key signed is still accepted: links in mails live long."""


@dataclass(frozen=True)
class Retired:
    """What became of a key."""

    is_variable: bool
    """Whether it comes from the environment, out of which somebody else must take it."""
    backup: Backup | None
    """The newest one that still needs it."""


def retire(name: str, at: datetime) -> Retired:
    """Put a key aside that nothing needs; raises KeysKept, KeysMissing, OSError."""
    ring = keys.load(key_check.folder())
    if name not in ring.prints:
        raise KeysKept(f"There is no key {name}.")
    row = Installation.the_one()
    refuse(ring, row, name, at)
    # First the row: killed before the file is moved, the key is just one more than needed.
    rest = {known: one for known, one in (row.key_prints or {}).items() if known != name}
    row.know_keys(rest, at)
    events.record("key retired", None, at, result=name)
    needing = backup.newest_needing(name, ring.prints[name])
    db.session.commit()
    key_making.put_aside(key_check.folder(), name)
    keys.anew(current_app)
    return Retired(name in key_files.of_environment(), needing)


def refuse(ring: KeyRing, row: Installation, name: str, at: datetime) -> None:
    """Raise KeysKept if something needs the key, or may need it."""
    purpose, number = key_files.parts(name)
    if number == ring.newest(purpose):
        raise KeysKept(f"{name} is the newest: everything is made with it.")
    following = key_files.name_of(
        purpose, min(one for one in ring.numbers(purpose) if one > number)
    )
    if following not in (row.key_prints or {}):
        raise KeysKept(
            f"The database does not know {following} yet. "
            f"Run: flask --app app keys rotate {purpose}"
        )
    wait = SIGNED if purpose == "signing" else key_use.SPREAD
    since = row.knows_since(following)
    if since is not None and at < since + wait:
        raise KeysKept(
            f"{following} has been in use since {since:%Y-%m-%d %H:%M} UTC. "
            f"{name} may be needed until {since + wait:%Y-%m-%d %H:%M} UTC."
        )
    if count := key_use.every()[name]:
        raise KeysKept(_in_use(purpose, name, count))
    if purpose == "pepper" and (codes := key_use.reset_codes(row, following, at)):
        raise KeysKept(f"Reset codes that need {name}: {codes}. They live 7 days.")


def _in_use(purpose: str, name: str, count: int) -> str:
    if purpose == "seal":
        return f"Values sealed with {name}: {count}. Run: flask --app app keys rotate seal"
    return (
        f"Lists of backup codes that need {name}: {count}. "
        "flask --app app keys rotate pepper --renew ends them."
    )
