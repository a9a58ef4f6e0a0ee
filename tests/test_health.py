"""What monitors are told: /health touches nothing, /health/ready never keeps them waiting."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text, update

import clock
from app import create_app
from db import db
from mail.outbox import Outbox
from operations import health
from tests.conftest import CHEAP
from tests.person import Person
from tests.test_budgets import counted
from tests.test_database_faults import Fault, file_of, locked, read_only, told, unreachable

READY, NOT_READY = (200, "ok\n"), (503, "not ok\n")
Make = Callable[..., Flask]


@pytest.fixture
def serve(app: Flask) -> Iterator[Make]:
    """Serve the installation by another process, so to speak."""
    made: list[Flask] = []

    def make(**config: object) -> Flask:
        served = create_app({"INSTANCE": app.instance_path, **CHEAP, **config})
        made.append(served)
        return served

    yield make
    finish_looks()
    for served in made:
        with served.app_context():
            db.engine.dispose()


def finish_looks() -> None:
    """Wait for the looks that are under way."""
    for thread in threading.enumerate():
        if thread.name == "health":
            thread.join()


def ask(app: Flask, path: str = "/health/ready") -> tuple[int, str]:
    answer = app.test_client().get(path)
    return answer.status_code, answer.text


def test_alive_touches_neither_database_nor_session(serve: Make) -> None:
    app = serve()
    alice = Person(app, "alice@example.com")
    alice.sign_in()
    with counted(app) as cost:
        answer = alice.client.get("/health")

    assert (answer.status_code, answer.text) == (200, "alive\n")
    assert (cost.statements, cost.commits) == (0, 0)
    assert "Set-Cookie" not in answer.headers


def test_alive_says_so_without_any_database_at_all(serve: Make) -> None:
    app = serve()

    with unreachable(app):
        assert ask(app, "/health") == (200, "alive\n")
        assert ask(app) == NOT_READY


def test_a_fit_installation_is_ready(
    serve: Make, rows: Callable[[str], list[tuple[object, ...]]]
) -> None:
    assert ask(serve()) == READY
    assert rows("SELECT count(*) FROM runs WHERE work = 'probe'") == [(1,)]


def test_many_who_ask_cost_one_write(serve: Make) -> None:
    app = serve(HEALTH_SECONDS=3600)
    with counted(app) as cost:
        assert {ask(app) for _ in range(20)} == {READY}

    assert cost.commits == 1


def no_key(app: Flask) -> None:
    next(Path(app.instance_path).glob("keys/*.key")).unlink()


def old_schema(app: Flask) -> None:
    change(app, "UPDATE alembic_version SET version_num = '0001'")


def foreign_keys(app: Flask) -> None:
    for file in Path(app.instance_path).glob("keys/*.key"):
        file.write_text("ab" * 32)


def change(app: Flask, statement: str) -> None:
    with app.app_context():
        db.session.execute(text(statement))
        db.session.commit()


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (no_key, "missing"),
        (foreign_keys, "These keys don't belong to the database"),
        (old_schema, "The database is of version 0001"),
    ],
)
def test_what_does_not_fit_is_not_ready(
    serve: Make, caplog: pytest.LogCaptureFixture, harm: Callable[[Flask], None], why: str
) -> None:
    app = serve()
    harm(app)

    assert ask(app) == ask(app) == NOT_READY
    [line] = told(caplog)
    assert line.startswith("not ready: ")
    assert why in line


def test_a_mail_that_nobody_delivers_is_not_ready(
    serve: Make, caplog: pytest.LogCaptureFixture
) -> None:
    app = serve()
    waiting_mail(app, timedelta(minutes=14))
    assert ask(app) == READY

    waiting_mail(app, timedelta(minutes=16))

    assert ask(serve()) == NOT_READY
    assert told(caplog)[0].startswith("not ready: a mail has been due for ")


def waiting_mail(app: Flask, age: timedelta) -> None:
    """Let the mail with a link be due since so long ago."""
    alice = Person(app, "alice@example.com")
    alice.visit("/signin/forgot")
    alice.press("/signin/forgot", email=alice.email)
    with app.app_context():
        due = {"next_try_at": clock.now() - age, "expires_at": None, "series": None}
        left = {"sent_at": None, "claimed_at": None, "failed_at": None}
        changed = update(Outbox).values(**due, **left).returning(Outbox.id)
        assert db.session.scalars(changed).all()
        db.session.commit()


def test_a_locked_database_is_not_ready_at_once_and_ready_again(
    serve: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """The look waits for a minute; nobody who asks does."""
    app = serve(DATABASE_WAIT=60, HEALTH_SECONDS=1)
    with locked(app):
        assert ask(app) == NOT_READY
        looking = [one for one in threading.enumerate() if one.name == "health"]
        assert [ask(app) for _ in range(20)] == [NOT_READY] * 20
        assert [one for one in threading.enumerate() if one.name == "health"] == looking
        assert len(looking) == 1

    finish_looks()
    assert ask(app) == READY


@pytest.mark.parametrize(("fault", "why"), [(read_only, "readonly"), (unreachable, "CANTOPEN")])
def test_a_database_that_takes_no_write_is_not_ready(
    serve: Make, caplog: pytest.LogCaptureFixture, fault: Fault, why: str
) -> None:
    app = serve(HEALTH_SECONDS=1)
    assert file_of(app).exists()
    with fault(app):
        assert ask(app) == NOT_READY
        assert why in told(caplog)[0]
    threading.Event().wait(1.1)

    assert ask(app) == READY
    assert told(caplog)[1:] == ["ready again"]


def test_a_process_that_nobody_asks_looks_at_nothing(serve: Make) -> None:
    """The thread comes with the first question, so after gunicorn's fork."""
    app = serve()
    with counted(app) as cost:
        app.test_client().get("/help")

    assert cost.commits == 0
    with app.app_context():
        assert health.watch()._outcome is None
