"""People made ready once: what they left in an installation is copied for the next test."""

import atexit
import hashlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Flask

from db import db
from tests.person import Person


@dataclass(frozen=True)
class Ready:
    """Somebody, and a copy of the installation that they left."""

    person: Person
    instance: Path


MADE: dict[tuple[object, ...], Ready] = {}
"""By what the installation held before, and by what was done in it."""


@cache
def folder() -> Path:
    """Return a folder that all tests of this process share."""
    made = tempfile.mkdtemp(prefix="onward-ready-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def ready(app: Flask, make: Callable[[], Person], *done: object) -> Person:
    """Return the person that `make` makes, or a copy of the one it made of the same before.

    `done` names what `make` does. The copy is the whole folder of the installation, so that
    the test finds every row, mail and file that the person left by the front door.
    """
    if app.config["DATABASE_URL"]:
        return make()
    mail = app.config["MAIL_SERVER"], app.config["MAIL_PORT"]
    before = (_digest(app), mail, *done)
    if before in MADE:
        _put(MADE[before].instance, app)
        return MADE[before].person.moved_to(app)
    person = make()
    _close(app)
    instance = folder() / str(len(MADE))
    shutil.copytree(app.instance_path, instance)
    MADE[before] = Ready(person.moved_to(app), instance)
    return person


def _digest(app: Flask) -> str:
    """Sum up what the database holds."""
    beside = sqlite3.connect(Path(app.instance_path) / "onward.sqlite")
    summed = hashlib.sha256("\n".join(beside.iterdump()).encode()).hexdigest()
    beside.close()
    return summed


def _close(app: Flask) -> None:
    with app.app_context():
        db.engine.dispose()


def _put(instance: Path, app: Flask) -> None:
    _close(app)
    shutil.rmtree(app.instance_path)
    shutil.copytree(instance, app.instance_path)
