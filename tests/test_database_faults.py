"""A database that is locked, full, read-only, stopped or frozen: 503, our page, and on it goes."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text

import clock
from app import create_app
from database_waits import Waits
from db import db
from mail.carrier import EXTENSION
from tests.conftest import CHEAP
from tests.person import PASSWORD, Page, Person

Snapshot = Callable[[], dict[str, list[str]]]
Fault = Callable[[Flask], AbstractContextManager[None]]

SORRY = "We can’t answer right now"
SHORT = {"DATABASE_WAIT": 1, "DATABASE_CONNECT_WAIT": 2}


@pytest.fixture
def app(app: Flask) -> Iterator[Flask]:
    """The same installation, served with short waits."""
    short = create_app({"INSTANCE": app.instance_path, **CHEAP, **SHORT})
    short.jinja_env.bytecode_cache = app.jinja_env.bytecode_cache
    yield short
    with short.app_context():
        db.engine.dispose()


def file_of(app: Flask) -> Path:
    return Path(app.instance_path) / "onward.sqlite"


@contextmanager
def locked(app: Flask) -> Iterator[None]:
    """Another process holds the writer's lock."""
    with closing(sqlite3.connect(file_of(app), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def told_once(app: Flask, pragma: str) -> None:
    """Tell it to the one connection that this test uses over and over."""
    with app.app_context(), closing(db.engine.raw_connection()) as raw:
        assert isinstance(raw.driver_connection, sqlite3.Connection)
        raw.driver_connection.execute(pragma)


@contextmanager
def read_only(app: Flask) -> Iterator[None]:
    """The connections of the application may not write, as on a file system gone read-only."""
    told_once(app, "PRAGMA query_only = ON")
    yield
    with app.app_context():
        db.engine.dispose()


@contextmanager
def unreachable(app: Flask) -> Iterator[None]:
    """Nothing can be opened where the database was, as when a disk is not mounted."""
    with app.app_context():
        db.engine.dispose()
    file = file_of(app)
    away = file.rename(file.with_name("away"))
    file.mkdir()
    yield
    file.rmdir()
    away.rename(file)


def assert_sorry(page: Page) -> None:
    assert (page.status, page.heading) == (503, SORRY)
    assert page.response.headers["Retry-After"] == "5"
    assert page.response.headers["Cache-Control"] == "no-store"
    assert "Traceback" not in page.text


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the log says: a line each, never a traceback."""
    assert [line for line in caplog.records if line.exc_info] == []
    return [line.getMessage() for line in caplog.records]


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (locked, "SQLITE_BUSY"),
        (read_only, "SQLITE_READONLY"),
        (unreachable, "SQLITE_CANTOPEN"),
    ],
)
def test_sqlite_that_takes_no_write_is_answered_politely(
    app: Flask,
    snapshot: Snapshot,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    why: str,
) -> None:
    bob = Person(app, "bob@example.com")
    fields = bob.visit("/signin").hidden() | {"email": bob.email, "password": PASSWORD}
    before = snapshot()

    with fault(app):
        assert_sorry(Page(bob.post("/signin", fields)))
        assert bob.visit("/help").status == 200

    assert snapshot() == before
    assert told(caplog) == [f"the database does not serve signin.submit: {why}"]
    assert bob.post("/signin", fields).status_code == 303


def test_a_full_disk_is_answered_politely(
    app: Flask, snapshot: Snapshot, caplog: pytest.LogCaptureFixture
) -> None:
    """The file can't grow any more; sooner or later something does not fit."""
    told_once(app, "PRAGMA max_page_count = 1")  # means: no larger than it is
    for _ in range(60):
        bob = Person(app, "bob@example.com")
        fields = bob.visit("/signin").hidden() | {"email": bob.email, "password": PASSWORD}
        before = snapshot()
        answer = bob.post("/signin", fields)
        if answer.status_code != 303:
            break

    assert_sorry(Page(answer))
    assert snapshot() == before
    assert told(caplog) == ["the database does not serve signin.submit: SQLITE_FULL"]
    with app.app_context():
        db.engine.dispose()  # there is room again
    assert bob.post("/signin", fields).status_code == 303


def test_a_page_that_only_reads_does_not_fail_for_the_time_of_a_visit(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    """The gate notes once a minute that a sign-in is in use."""
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    with app.app_context():
        db.session.execute(text("UPDATE sign_ins SET seen_at = datetime('now', '-5 minutes')"))
        db.session.commit()

    with locked(app):
        assert bob.visit("/help").status == 200

    assert told(caplog) == ["the database does not serve the time of a visit: SQLITE_BUSY"]


def test_with_htmx_it_is_said_above_the_form_which_stays(app: Flask, snapshot: Snapshot) -> None:
    alice = Person(app, "alice@example.com", htmx=True)
    alice.sign_in()
    alice.visit("/setup")
    fields, before = alice.page.hidden(), snapshot()

    with locked(app):
        answer = alice.post("/setup", fields)

    assert (answer.status_code, answer.headers["HX-Retarget"]) == (503, "#notice")
    assert (answer.headers["HX-Reswap"], answer.headers["Retry-After"]) == ("innerHTML", "5")
    assert 'id="step"' not in answer.text
    assert 'id="notice"' in alice.page.text
    assert "What you typed is still here" in answer.text
    assert snapshot() == before
    assert alice.show(alice.post("/setup", fields)).status == 200


def test_few_wait_for_long_and_the_others_are_told_at_once(app: Flask) -> None:
    """The last one who waited has waited in vain: until that is over, nobody else does."""
    waits = Waits(1, 2, 1)

    assert waits.begin_long()
    assert not waits.begin_long()
    waits.end_long()
    assert waits.begin_long()
    waits.silent()
    with waits.turn() as mine:
        assert not mine
    waits.answered()
    with waits.turn() as mine, waits.turn() as another:
        assert mine
        assert another


def test_what_comes_after_an_answer_is_one_line_too(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    """The sweeper, who finds something to do, and the look for mails that are due."""
    with time_machine.travel(clock.now() - timedelta(days=1000), tick=True):
        Person(app, "bob@example.com").sign_in()
    long_ago = clock.now() - timedelta(hours=2)
    app.extensions |= {"swept_at": long_ago, "mail_looked_at": long_ago}

    with locked(app):
        assert app.test_client().post("/nowhere", buffered=True).status_code == 404
        app.extensions[EXTENSION].settle()

    assert sorted(told(caplog)) == [
        "the database does not serve the mail thread: SQLITE_BUSY",
        "the database does not serve the sweeper: SQLITE_BUSY",
    ]


def test_a_fault_of_ours_stays_one(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    with app.app_context():
        db.session.execute(text("DROP TABLE password_tries"))
        db.session.commit()

    page = Person(app, "bob@example.com").sign_in()

    assert (page.status, page.heading) == (500, "A fault on our side")
    assert "unforeseen OperationalError" in caplog.text
