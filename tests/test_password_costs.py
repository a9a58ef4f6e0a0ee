"""After a change of the costs: hashes are renewed, and nothing tells whose are not (S-152)."""

from collections.abc import Callable
from pathlib import Path

import time_machine
from flask import Flask
from sqlalchemy import text

from db import alembic, db
from tests import upgrades
from tests.person import PASSWORD, Person
from tests.test_passwords import NEW, change

Rows = Callable[[str], list[tuple[object, ...]]]


def test_a_new_password_is_a_new_version(app: Flask, bob: Person, rows: Rows) -> None:
    change(bob, PASSWORD, NEW)
    assert rows("SELECT password_version FROM accounts ORDER BY id") == [(0,), (1,), (0,)]


def test_a_filled_database_gets_versions(tmp_path: Path) -> None:
    """Everybody begins at the same one, and signs in as before."""
    with time_machine.travel(upgrades.NOON, tick=False):
        old = upgrades.installed(tmp_path / "instance", "0008")
        with old.app_context():
            alembic.upgrade()
            query = text("SELECT DISTINCT password_version FROM accounts")
            assert [tuple(row) for row in db.session.execute(query)] == [(0,)]
        bob = Person(old, "bob@example.com")
        assert bob.sign_in().status == 200
        with old.app_context():
            db.engine.dispose()
