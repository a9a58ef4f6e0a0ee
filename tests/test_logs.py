"""The log: one object a line for machines, a reference for people, nobody's data in it."""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app import create_app
from db import db
from tests import postgres
from tests.conftest import CHEAP, install, uninstalled
from tests.live import Browser, serve
from tests.person import PASSWORD, Person
from tests.test_no_secret_leaks import Story

LOGGER = "--logger-class gunicorn_log.Logger"
FIELDS = {"time", "level", "logger", "message"}
OF_REQUEST = FIELDS | {"request_id", "method", "endpoint"}


def fault(app: Flask, **headers: str) -> Any:
    """Let a request of a stranger meet a fault of ours."""
    with app.app_context():
        db.session.execute(text("ALTER TABLE sign_ins RENAME TO lost"))
        db.session.commit()
    stranger = Person(app, "bob@example.com")
    stranger.visit("/signin")
    fields = stranger.page.hidden() | {"email": "bob@example.com", "password": PASSWORD}
    return stranger.client.post("/signin", data=fields, headers=headers)


@pytest.fixture
def logged(installed: Path, tmp_path: Path) -> Iterator[Flask]:
    """An application whose log is for machines, and that does not wait long for its database."""
    shutil.copytree(installed, tmp_path / "instance")
    settings = {"LOG": "json", "DATABASE_WAIT": 1}
    app = create_app({"INSTANCE": str(tmp_path / "instance"), **settings, **CHEAP})
    yield app
    with app.app_context():
        db.engine.dispose()
    create_app({"INSTANCE": str(tmp_path / "instance"), **CHEAP})  # its log is text again


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what is in the log: each line of it is an object."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_each_request_is_one_object(logged: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    logged.test_client().get("/signin?next=/secret-place")

    (line,) = written(capsys)
    assert set(line) == OF_REQUEST | {"status", "duration_ms"}
    assert (line["logger"], line["level"], line["message"]) == ("app.request", "INFO", "answered")
    assert (line["method"], line["endpoint"], line["status"]) == ("GET", "signin.show", 200)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])
    assert line["duration_ms"] > 0


def test_static_files_and_odd_methods_tell_nothing(
    logged: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = logged.test_client()
    static = browser.get("/static/onward.css", buffered=True)
    assert static.status_code == 200
    assert "X-Request-Id" not in static.headers

    browser.open("/signin", method="ANN@EXAMPLE.ORG")

    (line,) = written(capsys)
    assert (line["method"], line["status"]) == ("other", 405)


def test_a_fault_is_one_object_with_the_reference_of_the_page(
    logged: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = fault(logged, **{"X-Request-Id": "mine"})

    assert answer.status_code == 500
    shown = re.search(r"Reference: ([0-9a-f]{16})<", answer.text)
    assert shown
    assert answer.headers["X-Request-Id"] == shown[1]
    *_, told, request = written(capsys)
    assert set(told) == OF_REQUEST | {"exception"}
    assert told["message"] == "unforeseen OperationalError"
    assert "no such table: sign_ins" in told["exception"]
    assert "in begin" in told["exception"]  # the place, by its function
    assert {told["request_id"], request["request_id"]} == {shown[1]}
    assert request["status"] == 500


def test_a_fault_of_the_database_is_one_object(
    logged: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody else holds the writer's lock: a line that says so, instead of a hundred."""
    bob = Person(logged, "bob@example.com")
    bob.visit("/signin")
    capsys.readouterr()
    writer = sqlite3.connect(Path(logged.instance_path) / "onward.sqlite")
    writer.execute("BEGIN IMMEDIATE")

    page = bob.sign_in()

    writer.close()
    assert page.status == 503
    told, request = [line for line in written(capsys) if line.get("status") != 200]
    assert "exception" not in told
    assert "SQLITE_BUSY" in told["message"]
    assert f"Reference: {told['request_id']}" in page.text
    assert (request["request_id"], request["status"]) == (told["request_id"], 503)


def test_every_request_has_a_reference_of_its_own(app: Flask) -> None:
    browser = app.test_client()
    with app.app_context():  # as a command that asks itself
        asked = [browser.get("/help", headers={"X-Request-Id": "mine"}) for _ in range(3)]
    assert len({answer.headers["X-Request-Id"] for answer in asked} - {"mine"}) == 3
    assert "Reference" not in asked[0].text


def test_for_people_it_is_text_with_the_reference(
    app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = fault(app)

    shown = re.search(r"Reference: ([0-9a-f]{16})<", answer.text)
    told = capsys.readouterr().err
    assert shown
    first, *others = told.splitlines()
    assert first.endswith(f"ERROR in web: unforeseen OperationalError ({shown[1]})")
    assert others[0] == "Traceback:"
    assert "no such table: sign_ins" in told


def test_any_other_form_is_refused(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        create_app({"INSTANCE": str(installed), "LOG": "xml"})
    assert refused.value.code == 3
    assert "ONWARD_LOG must be text or json." in capsys.readouterr().err


def test_nobody_stands_in_the_log(logged: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    """S-137: all flows and a fault; what is in it of a person is a number."""
    story = Story(logged)
    story.tell()

    told = capsys.readouterr().err
    assert len(told.splitlines()) > 60
    assert "unforeseen OperationalError" in told
    assert story.found_in(told) == []
    assert re.findall(r"(?i)alice|bob|carol|@example|@home|hartley|127\.0\.0\.1", told) == []


def test_a_refused_row_of_postgresql_is_not_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """S-137: its DETAIL would hold address, password hash and all."""
    with postgres.cluster() as cluster:
        app = install(
            tmp_path / "instance",
            LOG="json",
            DATABASE_URL=postgres.new_database(cluster, "log"),
        )
        with app.app_context():
            db.session.execute(text("ALTER TABLE sign_ins ADD CHECK (false) NOT VALID"))
            db.session.commit()
        person = Person(app, "bob@example.com")
        capsys.readouterr()

        person.sign_in()

        assert person.page.status == 500
        (told,) = [line for line in written(capsys) if "exception" in line]
        with app.app_context():
            db.engine.dispose()
        uninstalled(tmp_path / "instance")  # the log is text again
    assert "violates check constraint" in told["exception"]
    assert "Failing row" not in told["exception"]


def test_the_server_itself_writes_the_same_form(tmp_path: Path) -> None:
    with serve(tmp_path, ONWARD_LOG="json", GUNICORN_CMD_ARGS=LOGGER) as server:
        Browser(server).get("/signin")
    told = [json.loads(line) for line in (tmp_path / "server.log").read_text().splitlines()]
    assert {"gunicorn.error", "app.request"} <= {line["logger"] for line in told}
    assert all(set(line) >= FIELDS for line in told)
