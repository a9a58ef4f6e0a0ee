"""Hidden pages on SQLite and on PostgreSQL: words that meet the load, and older databases."""

import importlib.util
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import ModuleType
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from flask import Flask
from sqlalchemy import inspect, text

import clock
from db import db
from sweeper import sweep
from tests import postgres
from tests.conftest import install
from tests.person import Person

AGAIN, VERIFY = "Set-up has started again", "Enter the code from your app"
COLUMNS = {"page", "page_number", "hidden_at"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Callable[[str], dict[str, str]]]:
    """Return what makes a fresh database: SQLite beside the instance, or PostgreSQL."""
    if request.param == "sqlite":
        yield lambda _: {}
        return
    yield lambda name: {"DATABASE_URL": postgres.new_database(postgres.shared(), name)}


@pytest.fixture
def app(
    database: Callable[[str], dict[str, str]], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Flask]:
    name = "".join(filter(str.isalnum, request.node.name))[-50:].lower()
    settings = database(name)
    if settings:
        install(tmp_path / "instance")  # an application on such a database wants its keys at once
    made = install(tmp_path / "instance", **settings)
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture
def alice(app: Flask) -> Person:
    person = Person(app, "alice@example.com", htmx=True)
    person.sign_in()
    person.to_verify()
    return person


def one(app: Flask, query: str) -> tuple[Any, ...]:
    """Return the newest row that a query finds."""
    with app.app_context():
        return tuple(db.session.execute(text(query)).all()[-1])


def together(alice: Person, *acts: Callable[[Person], int]) -> list[int]:
    """Let browsers that are all this one act at the same moment; return the statuses."""
    gate = Barrier(len(acts))
    cookie = alice.client.get_cookie("onward")
    assert cookie is not None

    def run(act: Callable[[Person], int]) -> int:
        same = Person(alice.app, alice.email, htmx=True)
        same.client.set_cookie("onward", cookie.value)
        same.page = alice.page
        gate.wait()
        return act(same)

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def say(word: str, number: int) -> Callable[[Person], int]:
    return lambda person: person.say(word, number=number).status_code


def load(person: Person) -> int:
    return person.client.get("/setup").status_code


def leave(person: Person) -> int:
    return person.post("/setup/leave", person.page.hidden()).status_code


KEPT = "SELECT sealed_kept IS NOT NULL, hidden_at IS NOT NULL, void_reason FROM wizards ORDER BY id"


@pytest.mark.parametrize("turn", range(3))
def test_hidden_meets_the_load_it_counts_or_is_ignored(
    app: Flask, alice: Person, turn: int
) -> None:
    proof = alice.page.proof
    assert together(alice, say("hidden", 1), load) == [204, 202]

    is_kept, is_hidden, reason = one(app, KEPT)
    assert (is_kept, reason) == (is_hidden, "loaded")
    alice.visit("/setup")
    page = alice.press("/setup/resume", proof=proof)
    assert page.heading == (VERIFY if is_hidden else AGAIN)


@pytest.mark.parametrize("act", [say("shown", 2), leave], ids=["shown", "left"])
def test_seen_meets_the_load_nothing_is_kept_in_any_order(
    app: Flask, alice: Person, act: Callable[[Person], int]
) -> None:
    proof = alice.page.proof
    alice.say("hidden", number=1)
    assert together(alice, act, load) == [204, 202]

    assert one(app, KEPT)[0] == 0
    alice.visit("/setup")
    assert alice.press("/setup/resume", proof=proof).heading == AGAIN


def test_many_that_ask_are_all_brought_to_one_turn(app: Flask, alice: Person) -> None:
    proof = alice.come_back()

    def ask(person: Person) -> int:
        return person.press("/setup/resume", proof=proof).status

    assert together(alice, *[ask] * 8) == [200] * 8

    assert one(app, "SELECT turn, voided_at FROM wizards") == (3, None)
    assert one(app, "SELECT count(*) FROM events WHERE kind = 'resumed: set-up'") == (1,)


def migration() -> ModuleType:
    """Return the migration that lets pages say that they are hidden."""
    file = next((Path(__file__).parent.parent / "migrations").glob("*_hidden_pages.py"))
    spec = importlib.util.spec_from_file_location("hidden_pages_migration", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_older_database_keeps_its_set_ups_and_brings_none_back(
    app: Flask, alice: Person
) -> None:
    """Before, each load kept the secret for ten minutes; whether a page was hidden nobody knows."""
    lost = alice.come_back()
    bob = Person(app, "bob@example.com", htmx=True)
    bob.sign_in()
    bob.to_verify()
    step, moved = migration(), "SELECT step, turn, sealed_secret FROM wizards ORDER BY id"
    with app.app_context(), db.engine.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            step.downgrade()
        columns = {column["name"] for column in inspect(connection).get_columns("wizards")}
        assert not COLUMNS & columns
        before = connection.execute(text(moved)).all()
        kept = "SELECT count(*) FROM wizards WHERE sealed_kept IS NOT NULL"
        assert connection.scalar(text(kept)) == 1

        with Operations.context(MigrationContext.configure(connection)):
            step.upgrade()

    with app.app_context():
        assert db.session.execute(text(moved)).all() == before
    assert alice.press("/setup/resume", proof=lost).heading == AGAIN
    with app.app_context():
        sweep(clock.now())
        assert db.session.scalar(text(kept)) == 0
    bob.say("hidden")
    proof = bob.come_back()
    assert bob.press("/setup/resume", proof=proof).heading == VERIFY
