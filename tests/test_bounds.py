"""What a row may hold, how one beyond its bounds is read, and the migration that brought them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import CheckConstraint, String, text
from sqlalchemy.exc import IntegrityError

from db import Model, db
from tests import postgres, upgrades
from tests.administration import add, administrator, table
from tests.conftest import NOON, install
from tests.person import Person

MADE_BY_US = {
    "accounts": {"password_hash"},
    "authenticators": {"seal_id", "sealed_secret"},
    "backups": {"file"},  # the path of a file that was written: the system bounds it
    "email_codes": {"nonce", "purpose"},
    "events": {"kind"},
    "installation": {"uid"},
    "mail_pauses": {"why"},
    "outbox": {"kind", "seal_id", "sealed_message", "series", "code_nonce", "error"},
    "link_requests": {"seal_id", "sealed_request"},
    "password_links": {"purpose", "token_hash"},
    "password_tries": {"bucket"},
    "runs": {"work"},
    "refusal_counts": {"kind"},
    "sign_ins": {"token_hash", "spent_hash", "first_factor", "second_factor", "provider_id"}
    | {"browser", "system"},
    "sso_trips": {"state_hash", "browser", "provider_id", "purpose", "refused"},
    "trusted_devices": {"token_hash", "browser", "system"},
    "void_records": {"seal_id", "sealed_secret"},
    "wizards": {"attempt", "entry_nonce", "kind", "step", "sealed_secret", "sealed_codes"}
    | {"email_nonce", "view", "sealed_kept", "void_reason", "page"},
}
"""Texts that nobody types: random values, hashes, sealed values, and words out of our own lists."""


def test_every_text_that_somebody_types_is_bounded() -> None:
    """A new column belongs to one of both: a constraint of its own, or the list above."""
    open_ends = {
        (name, column.name)
        for name, one in Model.metadata.tables.items()
        for column in one.columns
        if isinstance(column.type, String)
        and column.name not in MADE_BY_US.get(name, set())
        and column.name not in constrained(name)
    }
    assert open_ends == set()


def constrained(name: str) -> set[str]:
    """Return the columns of a table that have a constraint of their own, by the model."""
    return {
        column.name
        for column in Model.metadata.tables[name].columns
        if any(isinstance(one, CheckConstraint) for one in column.constraints)
    }


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Return the settings that lead to an empty database of either kind."""
    if request.param == "sqlite":
        yield {}
        return
    yield {"DATABASE_URL": postgres.new_database(postgres.shared(), "bounds")}


@pytest.fixture
def app(settings: dict[str, str], tmp_path: Path) -> Iterator[Flask]:
    if settings:
        install(tmp_path / "instance")  # an application on such a database wants its keys at once
    made = install(tmp_path / "instance", **settings)
    yield made
    with made.app_context():
        db.engine.dispose()


def change(app: Flask, statement: str, **values: object) -> None:
    with app.app_context():
        db.session.execute(text(statement), values)
        db.session.commit()


def read(app: Flask, query: str) -> list[tuple[object, ...]]:
    with app.app_context():
        return [tuple(row) for row in db.session.execute(text(query))]


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("organisations", "grace_days", "366"),
        ("organisations", "grace_days", "-1"),
        ("organisations", "hard_from", "'1999-12-31 23:59:59.999999+00'"),
        ("organisations", "hard_from", "'2200-01-01 00:00:00.000000+00'"),
        ("organisations", "enforcement", "'firm'"),
        ("organisations", "name", f"'{'x' * 121}'"),
        ("memberships", "role", "'king'"),
        ("accounts", "name", f"'{'x' * 121}'"),
        ("accounts", "email", f"'{'x' * 255}'"),
        ("sign_ins", "proof_for", f"'{'x' * 1001}'"),
    ],
)
def test_the_database_refuses_what_is_beyond(
    app: Flask, name: str, column: str, value: str
) -> None:
    Person(app, "bob@example.com").sign_in()
    before = read(app, f"SELECT {column} FROM {name}")
    if column == "hard_from" and "sqlite" in str(app.config["SQLALCHEMY_ENGINES"]):
        value = value.replace("+00", "")  # as it keeps a moment
    with pytest.raises(IntegrityError):
        change(app, f"UPDATE {name} SET {column} = {value}")
    assert read(app, f"SELECT {column} FROM {name}") == before


FAR = [
    ("grace_days = 99999999", "Asked to set up"),
    ("grace_days = -5", "Must set up"),
    ("grace_days = 2147483647, hard_from = '9999-12-31 23:00:00'", "Asked to set up"),
    ("enforcement = 'soft', hard_from = '0001-01-01 00:00:00'", "Must set up"),
    ("enforcement = 'soft', hard_from = '9999-12-31 23:59:59'", "Asked to set up"),
]


@pytest.mark.parametrize(("policy", "state"), FAR)
def test_a_row_beyond_counts_as_the_nearest_bound_and_is_told_once(
    app: Flask, caplog: pytest.LogCaptureFixture, policy: str, state: str
) -> None:
    """Gate, list and reminder say the same of it, and nobody is shut out by it."""
    with time_machine.travel(NOON, tick=False):
        dora = administrator(app, organisation="Hartley & Sons")
        bob = add(app, "ben", "Hartley & Sons")
        with app.app_context():
            if db.engine.dialect.name == "sqlite":
                db.session.execute(text("PRAGMA ignore_check_constraints = ON"))
            else:
                for column in ("grace_days", "hard_from"):
                    held = f"ck_organisations_{column}"
                    db.session.execute(text(f"ALTER TABLE organisations DROP CONSTRAINT {held}"))
            db.session.execute(text(f"UPDATE organisations SET {policy} WHERE id = 1"))
            db.session.commit()
        caplog.clear()
        is_must = state == "Must set up"

        assert bob.sign_in().heading == "Set up two-factor authentication"
        assert ("Not now" not in bob.page.text) is is_must
        states = {row[0]: row[3] for row in table(dora.visit("/admin/people"))}
        assert states["Ben"] == state
        for page in ("/admin/enforcement", "/admin/progress", "/admin/people/remind"):
            assert dora.visit(page).status == 200
        reminded = app.test_cli_runner().invoke(args=["remind", "--dry-run"])
        assert (reminded.exit_code, "ben@example.com" in reminded.output) == (0, True)
        assert ("ben@example.com  daily" in reminded.output) is is_must
        for _ in range(3):
            assert bob.visit("/security").status == 200
        told = [one.getMessage() for one in caplog.records if "beyond" in one.getMessage()]
        assert len(told) == len(set(told)) > 0, told


@pytest.fixture
def filled(settings: dict[str, str], tmp_path: Path) -> Iterator[Flask]:
    """A filled database of the version before the bounds, with rows beyond every bound."""
    made = upgrades.installed(tmp_path / "instance", "0011", **settings)
    with made.app_context():
        for statement in OLD:
            db.session.execute(text(statement))
        db.session.commit()
    yield made
    with made.app_context():
        db.engine.dispose()


LONG = "x" * 3000
OLD = (
    "UPDATE organisations SET grace_days = 99999999, hard_from = '9999-12-31 00:00:00'"
    " WHERE id = 1",
    "UPDATE organisations SET grace_days = -3, hard_from = '0001-01-01 00:00:00',"
    " enforcement = 'firm' WHERE id = 2",
    "INSERT INTO organisations (name, enforcement, grace_days, created_at)"
    f" VALUES ('{LONG}1', 'off', 0, '2031-01-01'), ('{LONG}2', 'off', 0, '2031-01-01')",
    f"UPDATE accounts SET name = '{LONG}' WHERE id = 1",
    "UPDATE memberships SET role = 'king' WHERE account_id = 1",
    f"UPDATE events SET factor = '{LONG}', reason = '{LONG}', result = '{LONG}', address = '{LONG}'"
    " WHERE id = 1",
    f"UPDATE sign_ins SET next_path = '/{LONG}', proof_for = '/{LONG}', let_through = '/{LONG}'",
    f"UPDATE authenticators SET label = '{LONG}'",
    f"UPDATE wizards SET label = '{LONG}', address = '{LONG}'",
    "INSERT INTO accounts (email, name, password_at, records_issued, created_at)"
    " VALUES ('gone@example.com', 'Gone', '2031-01-01', 0, '2031-01-01')",
    "DELETE FROM accounts WHERE email = 'gone@example.com'",
)


def test_the_migration_brings_rows_to_the_nearest_bound(
    filled: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    others = ("backup_codes", "trusted_devices", "memberships", "sign_ins", "events")
    before = [read(filled, f"SELECT count(*) FROM {name}") for name in others]
    ties = read(filled, "SELECT id, device_id FROM sign_ins ORDER BY id")

    assert filled.test_cli_runner().invoke(args=["init"]).exit_code == 0

    with filled.app_context():
        for policy in db.session.execute(
            text("SELECT grace_days, hard_from, enforcement FROM organisations WHERE id < 3")
        ):
            assert policy[0] in {0, 365}
            assert str(policy[1])[:10] in {"2000-01-01", "2199-12-31"}
            assert policy[2] == "hard"
    assert [read(filled, f"SELECT count(*) FROM {name}") for name in others] == before
    assert ties == read(filled, "SELECT id, device_id FROM sign_ins ORDER BY id")
    assert read(filled, "SELECT DISTINCT length(name) FROM organisations WHERE id > 2") == [(120,)]
    assert read(filled, "SELECT length(name) FROM accounts WHERE id = 1") == [(120,)]
    assert read(filled, "SELECT role FROM memberships WHERE account_id = 1") == [("member",)]
    assert "grace_days was beyond its bounds" in caplog.text
    # People work on, foreign keys hold, and no number is given twice.
    assert Person(filled, "alice@example.com").sign_in().status == 200
    add(filled, "greta", "Reading Room")
    assert read(filled, "SELECT id FROM accounts WHERE name = 'Greta'") == [(5,)]
    with pytest.raises(IntegrityError):
        change(filled, "DELETE FROM accounts WHERE id = 1")
