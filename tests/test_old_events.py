"""An upgrade over a filled database: what is known of old events stands in the right log."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

import keys
from db import alembic, db
from tests import postgres
from tests.conftest import uninstalled

OLD = [
    "INSERT INTO organisations (id, name, enforcement, grace_days, created_at)"
    " VALUES (1, 'Alpha', 'off', 0, '2030-01-01'), (2, 'Beta', 'off', 0, '2030-01-01')",
    "INSERT INTO accounts (id, email, name, password_at, records_issued, created_at) VALUES"
    " (1, 'sam@example.com', 'Sam', '2030-01-02', 0, '2030-01-02 10:00:00'),"
    " (2, 'tom@example.com', 'Tom', '2030-01-02', 0, '2030-01-02 10:00:00')",
    # Sam came with the account, and joined Beta a month later.
    "INSERT INTO memberships (account_id, organisation_id, role, since) VALUES"
    " (1, 1, 'member', '2030-01-02 10:00:01'), (1, 2, 'member', '2030-02-02 10:00:00'),"
    " (2, 2, 'member', '2030-01-02 10:00:01')",
    "INSERT INTO events (at, account_id, kind, result, address, browser, system) VALUES"
    " ('2030-01-02 10:00:00', 1, 'invited', 'Alpha', '', '', ''),"
    " ('2030-01-02 10:00:00', 1, 'account added', 'sso', '', '', ''),"
    " ('2030-01-20 10:00:00', 1, 'sign-in', 'done', '', '', ''),"
    " ('2030-02-20 10:00:00', 1, 'signed out', 'done', '', '', ''),"
    " ('2030-02-20 10:00:00', 2, 'invited', 'Gone', '', '', '')",
]


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """Return an application whose database is that of the version before, with people."""
    keys.make(tmp_path / "instance" / "keys")
    if request.param == "sqlite":
        yield filled(uninstalled(tmp_path / "instance"))
        return
    address = postgres.new_database(postgres.shared(), "old")
    made = uninstalled(tmp_path / "instance", DATABASE_URL=address)
    yield filled(made)
    with made.app_context():
        db.engine.dispose()


def filled(made: Flask) -> Flask:
    with made.app_context():
        alembic.upgrade("0008")
        for statement in OLD:
            db.session.execute(text(statement))
        db.session.commit()
    return made


def test_memberships_begin_with_the_account_and_invitations_belong_to_whom_they_name(
    old: Flask,
) -> None:
    upgraded = old.test_cli_runner().invoke(args=["init"])
    assert upgraded.exit_code == 0, upgraded.output

    with old.app_context():
        since = db.session.execute(
            text("SELECT account_id, organisation_id, since FROM memberships ORDER BY 1, 2")
        ).all()
        assert [(row[0], row[1], str(row[2])[:19]) for row in since] == [
            (1, 1, "2030-01-02 10:00:00"),
            (1, 2, "2030-02-02 10:00:00"),
            (2, 2, "2030-01-02 10:00:00"),
        ]
        told = db.session.execute(text("SELECT kind, organisation_id FROM events ORDER BY id"))
        assert [tuple(row) for row in told] == [
            ("invited", 1),
            ("account added", None),
            ("sign-in", None),
            ("signed out", None),
            ("invited", None),
        ]
    assert old.test_cli_runner().invoke(args=["doctor"]).output.count("FAULT database") == 0
