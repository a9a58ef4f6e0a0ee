"""Named people and a real application: SQLite in a temporary folder, nothing patched.

alice must set up (her organisation enforces hard), bob may, carol already has,
eve knows Carol's password.
"""

import datetime
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import time_machine
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import text

import cookies
import keys
from app import create_app
from db import Model, db
from tests import postgres, ready
from tests.person import PASSWORD, Client, Person

NOON = datetime.datetime(2031, 5, 6, 12, tzinfo=datetime.UTC)
"""When the clock of `noon` stands still."""
LONG = dict.fromkeys(("EVENTS_DAYS", "ADDRESSES_DAYS", "SIGN_INS_DAYS", "MAILS_DAYS"), 3650)
"""Rows of a test that installs now are still there at NOON."""
CHEAP = {"PASSWORD_MEMORY_KIB": 8, "PASSWORD_TIME_COST": 1, "PASSWORD_PLACES": 16, **LONG}
"""A password hash that costs nothing: what is tested is never the hash's slowness.

With places enough that one may wait for another (meanwhile.py), on any machine.
"""
FIT = {"PASSWORD_MEMORY_KIB": 19456, "PASSWORD_TIME_COST": 2}
"""One that the doctor is content with."""


cookies.Application.test_client_class = Client


def uninstalled(instance: Path, **config: object) -> Flask:
    """Return an application as `init` sees it: nothing has been made yet."""
    with click.Context(click.Command("init"), info_name="init"):
        return create_app({"INSTANCE": str(instance), **CHEAP, **config})


def install(instance: Path, **config: object) -> Flask:
    """Return an application made ready by its own commands, with the named people."""
    app = uninstalled(instance, **config)
    app.jinja_env.bytecode_cache = compiled()
    run = app.test_cli_runner().invoke
    assert run(args=["init"]).exit_code == 0
    for name, enforcement in (("Hartley & Sons", "hard"), ("Reading Room", "off")):
        added = run(args=["organisation", "add", name, "--enforcement", enforcement])
        assert added.exit_code == 0, added.output
    for name, organisation in (
        ("alice", "Hartley & Sons"),
        ("bob", "Reading Room"),
        ("carol", "Hartley & Sons"),
    ):
        add_person(app, name, organisation)
    return app


def add_person(app: Flask, name: str, organisation: str) -> None:
    """Add somebody by the command that an operator uses."""
    arguments = ["account", "add", f"{name}@example.com", "--name", name.title()]
    added = app.test_cli_runner().invoke(
        args=[*arguments, "--organisation", organisation], input=PASSWORD + "\n"
    )
    assert added.exit_code == 0, added.output


def compiled() -> FileSystemBytecodeCache:
    """Return the templates compiled before: each test has an application of its own."""
    templates = ready.folder() / "compiled"
    templates.mkdir(exist_ok=True)
    return FileSystemBytecodeCache(str(templates))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install once, an hour ago; every test gets a copy of the folder."""
    instance = tmp_path_factory.mktemp("installed") / "instance"
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    with time_machine.travel(past, tick=True):
        made = install(instance)
    with made.app_context():
        db.engine.dispose()
    return instance


@pytest.fixture
def app(installed: Path, tmp_path: Path) -> Iterator[Flask]:
    shutil.copytree(installed, tmp_path / "instance")
    app = create_app({"INSTANCE": str(tmp_path / "instance"), **CHEAP})
    app.jinja_env.bytecode_cache = compiled()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An installation with Carol set up (`.extensions["carol"]`), on either database."""
    if request.param == "sqlite":
        yield from _site(tmp_path / "instance")
        return
    yield from _site(
        tmp_path / "instance", DATABASE_URL=postgres.new_database(postgres.shared(), "site")
    )


def _site(instance: Path, **config: str) -> Iterator[Flask]:
    instance.mkdir(mode=0o700)
    keys.make(instance / "keys")
    app = install(instance, **FIT, **config)
    app.extensions["carol"] = _set_up_a_while_ago(app)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(params=[False, True], ids=["no script", "htmx"])
def htmx(request: pytest.FixtureRequest) -> bool:
    """Both ways in which a browser walks through the wizard."""
    return bool(request.param)


@pytest.fixture
def alice(app: Flask, htmx: bool) -> Person:
    """Signed in, must set up, both with htmx and without."""
    person = Person(app, "alice@example.com", htmx)
    person.sign_in()
    return person


@pytest.fixture
def bob(app: Flask) -> Person:
    """Signed in, may set up, has not; no script."""
    person = Person(app, "bob@example.com")
    person.sign_in()
    return person


@pytest.fixture
def carol(app: Flask, request: pytest.FixtureRequest) -> Person:
    """Set up ten minutes ago with backup codes (`.codes`), signed out; no script."""
    return ready.ready(app, lambda: _set_up_a_while_ago(app), "carol", *at_noon(request))


def at_noon(request: pytest.FixtureRequest) -> list[datetime.datetime]:
    """Return the time at which the clock of the test stands; an empty list if it goes."""
    return [datetime.datetime.now(datetime.UTC)] if "noon" in request.fixturenames else []


def _set_up_a_while_ago(app: Flask) -> Person:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=10)
    person = Person(app, "carol@example.com")
    with time_machine.travel(past, tick=True):
        person.sign_in()
        person.codes = person.set_up(past)
        person.sign_out()
    return person


def set_up_before_noon(
    app: Flask,
    noon: time_machine.Traveller,
    name: str,
    by_email: str = "",
    earlier: datetime.timedelta = datetime.timedelta(minutes=10),
) -> Person:
    """Return somebody who set up a while before, signed out; the clock is at noon again."""

    def make() -> Person:
        person = Person(app, f"{name}@example.com")
        person.sign_in()
        if by_email:
            person.set_up_by_email(by_email)
        else:
            person.codes = person.set_up()
        person.sign_out()
        return person

    noon.move_to(NOON - earlier)
    person = ready.ready(app, make, name, by_email, earlier)
    noon.move_to(NOON)
    return person


@pytest.fixture
def rows(app: Flask) -> Callable[[str], list[tuple[object, ...]]]:
    """Read the database beside the application: `rows("SELECT …")`."""

    def read(query: str) -> list[tuple[object, ...]]:
        with app.app_context():
            return [tuple(row) for row in db.session.execute(text(query))]

    return read


@pytest.fixture
def snapshot(app: Flask) -> Callable[[], dict[str, list[str]]]:
    """Return everything the database holds, to be compared before and after.

    Only when work that repeats was last done is left out.
    """

    def read() -> dict[str, list[str]]:
        with app.app_context():
            return {
                table.name: sorted(map(repr, db.session.execute(text(f"SELECT * FROM {table}"))))
                for table in Model.metadata.sorted_tables
                if table.name != "runs"
            }

    return read


def addresses_of(app: Flask, **values: str) -> list[tuple[str, str]]:
    """Return every method and address that the application routes, filled in with `values`.

    A part that has no value is "x", or what it must be to fit.
    """
    values = {
        "purpose": "reset",
        "sign_in_id": "2",
        "account_id": "1",
        "request_id": "1",
    } | values
    return [
        (method, re.sub(r"<(?:[^<>]*:)?(\w+)>", lambda found: values.get(found[1], "x"), rule.rule))
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods or ())
    ]


@pytest.fixture
def noon(app: Flask) -> Iterator[time_machine.Traveller]:
    """The clock stands at NOON; `.shift()` and `.move_to()` move it."""
    with time_machine.travel(NOON, tick=False) as now:
        yield now
