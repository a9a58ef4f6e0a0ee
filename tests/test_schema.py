"""The schema is what the models say, or start, `init` and `doctor` name what is not."""

from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from app import create_app
from db import db
from operations import schema
from tests.conftest import FIT


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments))


def change(app: Flask, *statements: str) -> None:
    with app.app_context(), db.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def faults(app: Flask) -> list[str]:
    lines = run(app, "doctor").output.splitlines()
    return [line for line in lines if line.startswith("FAULT")]


SPOILT = [
    ("DROP INDEX ix_events_account_id", "ix_events_account_id of events is missing"),
    ("ALTER TABLE accounts DROP COLUMN disabled_at", "accounts.disabled_at is missing"),
    ("ALTER TABLE accounts ADD COLUMN shoe TEXT", "accounts.shoe is too much"),
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
            "sign_ins gives numbers twice",
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
    app = create_app({"INSTANCE": str(tmp_path / "instance"), **FIT})
    (tmp_path / "instance").mkdir()

    assert "FAULT  database: it was never initialised; run: flask --app app init" in faults(app)
    with app.app_context():
        db.engine.dispose()
