"""The schema is what the models say, or start, `init` and `doctor` name what is not."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from alembic.migration import MigrationContext
from alembic.operations import Operations
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from db import db
from operations import schema
from tests import postgres, upgrades
from tests.conftest import FIT, uninstalled
from tests.test_migrations import FOLDER


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments))


def change(app: Flask, *statements: str) -> None:
    with app.app_context(), db.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def faults(app: Flask) -> list[str]:
    lines = run(app, "doctor").output.splitlines()
    return [line for line in lines if line.startswith("FAULT")]


def as_it_first_was(revision: str) -> None:
    """Make the tables by the first migration as it stood before it was edited (f1fd94e)."""
    source = (FOLDER / "0001_first_tables.py").read_text("utf-8")
    today = "sa.Column('proved_at', sa.DateTime(timezone=True), nullable=True),"
    assert source.count(today) == 1
    made: dict[str, object] = {}
    exec(source.replace(today, today.replace("nullable=True", "nullable=False")), made)
    with db.engine.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            made["upgrade"]()  # type: ignore[operator]  # what the file defines
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text(f"INSERT INTO alembic_version VALUES ('{revision}')"))


@pytest.fixture(params=["sqlite", "postgresql"])
def first(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An installation of the very first day, on either database."""
    if request.param == "sqlite":
        yield from _first(tmp_path / "instance")
        return
    address = postgres.new_database(postgres.shared(), "firstday")
    yield from _first(tmp_path / "instance", DATABASE_URL=address)


def _first(folder: Path, **config: str) -> Iterator[Flask]:
    with time_machine.travel(upgrades.NOON + timedelta(minutes=2), tick=True):
        app = upgrades.installed_by(as_it_first_was, folder, "0001", {**FIT, **config})
        yield app
    with app.app_context():
        db.engine.dispose()


def test_an_installation_of_the_first_migration_as_it_was_is_repaired(first: Flask) -> None:
    """A trusted device spares the code, so that the sign-in has no proof."""
    assert run(first, "init").exit_code == 0

    with first.app_context():
        assert schema.differences() == []
        with db.engine.connect() as connection:
            numbers = connection.execute(text("SELECT max(id) FROM sign_ins")).scalar_one()
    carol = upgrades.person(first, "carol")
    assert carol.sign_in().heading == "Two-factor authentication"
    with first.app_context():
        newest = db.session.execute(
            text("SELECT id, proved_at FROM sign_ins ORDER BY id DESC LIMIT 1")
        ).one()
    assert (newest.id > numbers, newest.proved_at) == (True, None)
    assert "ok     database" in run(first, "doctor").output.splitlines()
    if first.config["DATABASE_URL"]:
        change(first, "ALTER TABLE memberships DROP CONSTRAINT ck_memberships_role")
        with first.app_context():
            assert schema.differences() == ["ck_memberships_role of memberships is missing"]


SPOILT = [
    ("DROP INDEX ix_events_account_id", "ix_events_account_id of events is missing"),
    ("ALTER TABLE accounts DROP COLUMN disabled_at", "accounts.disabled_at is missing"),
    ("ALTER TABLE accounts ADD COLUMN shoe TEXT", "accounts.shoe should not be there"),
    ("DROP TABLE backups", "backups is missing"),
]


@pytest.mark.parametrize(("statement", "name"), SPOILT, ids=[name for _, name in SPOILT])
def test_init_and_doctor_name_what_is_not_as_the_models_say(
    app: Flask, statement: str, name: str
) -> None:
    app.config.update(FIT)
    change(app, statement)

    assert faults(app) == [f"FAULT  database: it is not what this version makes: {name}"]
    refused = run(app, "init")
    assert refused.exit_code == 1
    assert f"The database is not what this version makes: {name}." in refused.output
    assert "Ready" not in refused.output


def test_rules_and_numbers_are_looked_at_as_well(app: Flask) -> None:
    """Alembic alone compares neither CHECK constraints nor AUTOINCREMENT."""
    rule = "CONSTRAINT ck_memberships_role CHECK (role IN (''member'', ''admin'', ''owner''))"
    change(
        app,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = replace(sql, ' AUTOINCREMENT', '') WHERE name = 'sign_ins'",
        f"UPDATE sqlite_master SET sql = replace(sql, '{rule}', 'CHECK (1)')",
        "PRAGMA writable_schema = OFF",
    )
    with app.app_context():
        db.engine.dispose()
        assert schema.differences() == [
            "ck_memberships_role of memberships is missing",
            "sign_ins can reuse the number of a deleted row",
        ]


def test_tables_and_indexes_of_the_operator_disturb_nobody(app: Flask) -> None:
    app.config.update(FIT)
    change(app, "CREATE TABLE mine (id INTEGER)", "CREATE INDEX my_own ON events (at, kind)")

    assert faults(app) == []
    assert run(app, "init").exit_code == 0


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("9999", "The database is of version 9999, which is newer than this code"),
        ("0019", "The database is of version 0019, and this code needs"),
    ],
)
def test_another_version_is_named_by_doctor(app: Flask, version: str, sentence: str) -> None:
    app.config.update(FIT)
    change(app, f"UPDATE alembic_version SET version_num = '{version}'")

    assert faults(app)[0].startswith(f"FAULT  database: {sentence}")


def test_init_leaves_a_newer_database_alone(app: Flask) -> None:
    change(app, "UPDATE alembic_version SET version_num = '9999'")

    refused = run(app, "init")

    assert refused.exit_code == 1
    assert "The database is of version 9999, which is newer than this code" in refused.output
    assert "Install the version of Onward that made it." in refused.output


def test_a_database_that_nothing_has_made_is_named(tmp_path: Path) -> None:
    app = uninstalled(tmp_path / "instance", **FIT)
    (tmp_path / "instance").mkdir()

    assert "FAULT  database: it was never initialised; run: flask --app app init" in faults(app)
    with app.app_context():
        db.engine.dispose()
