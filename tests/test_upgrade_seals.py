"""The upgrade that seals every value for its row, over filled databases of 0008 and of 0001."""

import re
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from click import ClickException
from click.testing import Result
from flask import Flask
from sqlalchemy import create_engine, text

from db import alembic, db
from sealed import SealedModel
from tests import postgres, upgrades
from tests.conftest import uninstalled
from tests.forks import running, until
from tests.person import Person, app_code, letters, text_of
from tests.upgrades import NOON, installed, tables

ROOT = Path(__file__).parent.parent
SEALED = {
    "authenticators": ["sealed_secret"],
    "void_records": ["sealed_secret"],
    "wizards": ["sealed_secret", "sealed_codes", "sealed_kept"],
    "outbox": ["sealed_message"],
}
IN = "Two-factor authentication"

Old = Callable[..., Flask]
"""Makes the stored installation of a revision; more settings may be given."""


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Old]:
    made: list[Flask] = []

    def make(revision: str, **config: object) -> Flask:
        if request.param == "postgresql":
            address = postgres.new_database(postgres.shared(), "old")
            config["DATABASE_URL"] = address
        made.append(installed(tmp_path / "instance", revision, **config))
        return made[-1]

    with time_machine.travel(NOON + timedelta(minutes=2), tick=True):
        yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments))


def change(app: Flask, statement: str, **values: object) -> None:
    with app.app_context():
        db.session.execute(text(statement), values)
        db.session.commit()


def everything(app: Flask) -> dict[str, Any]:
    """Return all rows, and the columns they have."""
    with app.app_context():
        found: dict[str, Any] = {
            table.name: sorted(map(repr, db.session.execute(text(f"SELECT * FROM {table}"))))
            for table in tables()
        }
        columns = {table.name: table.columns.keys() for table in tables()}
        version = db.session.scalar(text("SELECT version_num FROM alembic_version"))
        return found | {"columns": columns, "version": version}


def opened(app: Flask) -> dict[str, list[str]]:
    """Return the plain text of every sealed value, by table and column."""
    found: dict[str, list[str]] = {}
    with app.app_context():
        for model in SealedModel.__subclasses__():
            for row in db.session.query(model).order_by(text("id")):
                for name in SEALED[model.__tablename__]:
                    if getattr(row, name) is not None:
                        column = f"{model.__tablename__}.{name}"
                        found.setdefault(column, []).append(row.unseal(name))
    return found


@pytest.mark.parametrize("revision", ["0008", "0001"])
def test_people_go_on_after_the_upgrade(old: Old, revision: str) -> None:
    app = old(revision)

    done = run(app, "init")

    assert (done.exit_code, "Made the key" in done.output) == (0, False), done.output
    carol, alice = upgrades.person(app, "carol"), upgrades.person(app, "alice")
    assert carol.sign_in().heading == IN  # her browser is trusted
    stranger = Person(app, "carol@example.com")
    stranger.sign_in()
    assert stranger.press("/signin/code", code=app_code(carol.key)).heading == IN
    alice.next(saved="1")
    assert alice.page.heading == "Two-factor authentication is on"
    alice.sign_out()
    alice.sign_in()
    assert alice.press("/signin/code", code=app_code(alice.key, steps=1)).heading == IN


def test_a_discarded_page_and_waiting_mails_go_on(old: Old) -> None:
    app = old("0008")
    assert run(app, "init").exit_code == 0
    found = opened(app)
    bob = upgrades.person(app, "bob")

    assert {column: len(values) for column, values in found.items()} == {
        "authenticators.sealed_secret": 1,
        "void_records.sealed_secret": 2,
        "wizards.sealed_secret": 1,
        "wizards.sealed_codes": 1,
        "wizards.sealed_kept": 1,
        "outbox.sealed_message": 3,
    }
    assert bob.key in found["wizards.sealed_kept"][0]
    assert bob.key in found["void_records.sealed_secret"]
    bob.press("/setup/resume", proof=bob.page.proof)
    assert bob.page.heading in {"Save your backup codes", "Set-up has started again"}
    assert "3 of 3 due mails sent." in run(app, "mail", "deliver").output
    # Each says what it said: "Two-factor authentication is on", "replaced", "trusted".
    told = [text_of(letter) for letter in letters(app)]
    assert [word in one for word, one in zip(("is on", "new app", "trusted"), told, strict=True)]


def test_every_row_gets_a_random_id(old: Old) -> None:
    app = old("0008")
    assert run(app, "init").exit_code == 0

    with app.app_context():
        for table in ("authenticators", "void_records", "outbox"):
            query = text(f"SELECT seal_id FROM {table}")
            found = [str(value) for value in db.session.scalars(query)]
            assert len(found) >= 2
            assert len(set(found)) == len(found)
            assert all(re.fullmatch("[0-9a-f]{32}", value) for value in found)


def test_the_keys_may_come_from_the_environment(old: Old, monkeypatch: pytest.MonkeyPatch) -> None:
    app = old("0008")
    folder = Path(app.instance_path) / "keys"
    for name, file in (("SEAL", "seal-1"), ("PEPPER", "pepper"), ("SIGNING", "signing")):
        monkeypatch.setenv(f"ONWARD_KEY_{name}", (folder / f"{file}.key").read_text())
        (folder / f"{file}.key").unlink()

    assert run(app, "init").exit_code == 0

    assert len(opened(app)["outbox.sealed_message"]) == 3


ALTERED = "UPDATE {table} SET {column} = substr({column}, 1, 20) WHERE id = :id"


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ([("authenticators", "sealed_secret", 2)], "1 row of authenticators (id 2)"),
        ([("wizards", "sealed_kept", 4)], "1 row of wizards (id 4)"),
        (
            [("outbox", "sealed_message", 1), ("outbox", "sealed_message", 3)],
            "2 rows of outbox (id 1, 3)",
        ),
        (
            [("authenticators", "sealed_secret", 2), ("outbox", "sealed_message", 2)],
            "1 row of authenticators (id 2) and 1 row of outbox (id 2)",
        ),
    ],
)
def test_it_refuses_before_it_begins_if_one_row_does_not_open(
    old: Old, broken: list[tuple[str, str, int]], sentence: str
) -> None:
    app = old("0008")
    for table, column, id_ in broken:
        change(app, ALTERED.format(table=table, column=column), id=id_)
    before = everything(app)

    refused = run(app, "init")

    assert refused.exit_code == 1
    assert refused.output == (
        f"Error: Nothing was changed: sealed values do not open in {sentence}. "
        "Put back the keys that belong to this database and run this again. "
        'If they are the right keys, see "Upgrade" in docs/deploy.md.\n'
    )
    assert everything(app) == before
    assert before["version"] == "0008"


def test_the_oldest_database_is_left_alone_as_well(old: Old) -> None:
    """Seven upgrades come before this one: none of them stays."""
    app = old("0001")
    change(app, ALTERED.format(table="authenticators", column="sealed_secret"), id=2)
    before = everything(app)

    assert "1 row of authenticators (id 2)" in run(app, "init").output

    assert everything(app) == before
    assert before["version"] == "0001"


def test_other_keys_are_refused_and_the_right_ones_work(old: Old) -> None:
    app = old("0008")
    file = Path(app.instance_path) / "keys" / "seal-1.key"
    right, before = file.read_text(), everything(app)
    file.write_text("0" * 64)

    refused = run(app, "init")

    assert refused.exit_code == 1
    assert (
        "1 row of authenticators (id 2) and 2 rows of void_records (id 1, 2) and "
        "2 rows of wizards (id 3, 4) and 3 rows of outbox (id 1, 2, 3). "
    ) in refused.output
    assert everything(app) == before
    file.write_text(right)
    assert run(app, "init").exit_code == 0


def test_a_key_that_is_missing_is_not_made_anew(old: Old) -> None:
    app = old("0008")
    file = Path(app.instance_path) / "keys" / "seal-1.key"
    file.unlink()
    before = everything(app)

    refused = run(app, "init")

    assert refused.exit_code == 1
    assert "Nothing was changed. The database has accounts" in refused.output
    assert "these keys are missing or short: seal-1. " in refused.output
    assert not file.exists()
    assert everything(app) == before


def test_where_nothing_is_sealed_no_key_is_needed(old: Old) -> None:
    app = old("0008")
    for name in ("seal-1", "pepper", "signing"):
        (Path(app.instance_path) / "keys" / f"{name}.key").unlink()
    change(app, "UPDATE authenticators SET sealed_secret = NULL")
    change(app, "UPDATE outbox SET sealed_message = NULL")
    change(app, "UPDATE wizards SET sealed_secret = NULL, sealed_codes = NULL, sealed_kept = NULL")
    change(app, "DELETE FROM void_records")

    assert run(app, "init").exit_code == 1  # it may well be that they are only not there yet
    done = run(app, "init", "--new-keys")

    assert done.exit_code == 0, done.output
    assert done.output.count("Made the key") == 3


def multiply(app: Flask, times: int) -> None:
    """Add to the outbox as many times the mail that waits for Carol; its recipient seals it."""
    names = ("account_id", "kind", "recipient", "sealed_message", "made_at")
    columns = ", ".join(names)
    change(
        app,
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {times}) "
        f"INSERT INTO outbox ({columns}) SELECT {columns} FROM outbox CROSS JOIN n WHERE id = 1",
    )


def test_more_rows_than_a_page_are_all_sealed_anew(old: Old) -> None:
    app = old("0008")
    multiply(app, 2500)

    assert run(app, "init").exit_code == 0

    assert len(opened(app)["outbox.sealed_message"]) == 2503
    with app.app_context():
        query = "SELECT count(DISTINCT seal_id) FROM outbox"
        assert db.session.scalar(text(query)) == 2503


def killed_in_postgresql(app: Flask) -> int:
    """Kill the upgrade where it waits for a set-up that is locked; return its status."""
    engine = create_engine(app.config["SQLALCHEMY_ENGINES"]["default"]["url"])
    waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with engine.connect() as holder, engine.connect() as watcher, running(app, "init") as process:
        holder.execute(text("SELECT 1 FROM wizards WHERE id = 4 FOR UPDATE"))
        until(lambda: bool(watcher.scalar(waits)))
        process.send_signal(signal.SIGKILL)
        status = process.wait()
    engine.dispose()
    return status


def killed_in_sqlite(app: Flask) -> int:
    """Kill the upgrade once it has written rows that it has not committed; return its status."""
    with app.app_context():
        db.engine.dispose()
    log = Path(app.instance_path) / "onward.sqlite-wal"
    with running(app, "init") as process:
        until(lambda: log.exists() and log.stat().st_size > 1_000_000)
        process.send_signal(signal.SIGKILL)
        return process.wait()


def test_an_upgrade_killed_half_way_has_changed_nothing(old: Old) -> None:
    app = old("0008")
    multiply(app, 6000)
    before = everything(app)

    killed = killed_in_postgresql if app.config["DATABASE_URL"] else killed_in_sqlite

    assert killed(app) == -signal.SIGKILL
    assert everything(app) == before
    assert before["version"] == "0008"
    assert run(app, "init").exit_code == 0
    assert len(opened(app)["outbox.sealed_message"]) == 6003


def test_a_new_installation_needs_no_keys_beforehand(tmp_path: Path) -> None:
    app = uninstalled(tmp_path / "new")

    done = run(app, "init")

    assert done.exit_code == 0
    assert done.output.count("Made the key") == 3
    with app.app_context():
        db.engine.dispose()


def test_there_is_no_way_back_but_the_copy(old: Old) -> None:
    app = old("0008")
    assert run(app, "init").exit_code == 0
    before = everything(app)

    with app.app_context(), pytest.raises(ClickException, match="Put back the copy from before"):
        alembic.downgrade("0008")

    assert everything(app) == before


def test_no_older_sign_in_by_sso_has_met_a_demand(old: Old) -> None:
    """Nobody knows what was demanded then: it opens no administration, and stays exempt."""
    app = old("0008")
    change(app, "UPDATE sign_ins SET first_factor = 'sso', exempt_at = first_at")

    assert run(app, "init").exit_code == 0

    counted = "SELECT count(*) > 0, count(exempt_at) = count(*), count(demand_met_at) FROM sign_ins"
    with app.app_context():
        assert tuple(db.session.execute(text(counted)).one()) == (True, True, 0)
