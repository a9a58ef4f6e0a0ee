"""Filled installations of older versions, to be upgraded by tests.

`tests/installations/REVISION.json` is an installation whose database had that
revision, made by the code of that time through its own pages and commands: its
rows, its keys, and the browsers of its people. A version that has a new revision
stores one before the next revision is written:

    .venv/bin/python -m tests.upgrades

Its people at NOON: alice is looking at her backup codes, bob's page was just loaded
anew, carol has replaced her app and trusts her browser, and her mails wait because
no server took them.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine
from flask import Flask
from sqlalchemy import Column, DateTime, MetaData, Table, insert, select, text
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, TestResponse

from db import alembic, db
from tests.conftest import install, uninstalled
from tests.person import Page, Person, app_code

STORED = Path(__file__).parent / "installations"
NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)
"""The moment at which a stored installation was stopped."""
NO_SERVER = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": 9}
COOKIES = ("onward", "device")


def installed(folder: Path, revision: str, **config: object) -> Flask:
    """Return an application whose database is the stored one; it is not upgraded yet.

    `DATABASE_URL` in `config` puts the rows into an empty PostgreSQL database.
    """
    return installed_by(alembic.upgrade, folder, revision, config)


def installed_by(
    migrate: Callable[[str], object], folder: Path, revision: str, config: Mapping[str, object]
) -> Flask:
    """Return the stored installation in the tables that `migrate` makes."""
    stored = json.loads((STORED / f"{revision}.json").read_text("utf-8"))
    (folder / "keys").mkdir(parents=True, mode=0o700)
    for name, key in stored["keys"].items():
        (folder / "keys" / f"{name}.key").write_text(key)
    app = uninstalled(folder, **config)
    app.extensions["stored browsers"] = stored["browsers"]
    with app.app_context():
        migrate(revision)
    with app.app_context():
        for table in tables():
            rows = [_read(table, row) for row in stored["rows"].get(table.name, [])]
            add_rows(table, rows)
        db.session.commit()
        db.session.close()
    return app


def add_rows(table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows that have numbers already, so that the next new row gets a free one."""
    if rows:
        db.session.execute(insert(table), rows)
    if rows and "id" in table.columns and db.engine.dialect.name == "postgresql":
        sequence = f"pg_get_serial_sequence('{table}', 'id')"
        db.session.execute(text(f"SELECT setval({sequence}, (SELECT max(id) FROM {table}))"))


def tables() -> list[Table]:
    """Return the tables that the database has at this moment, referenced ones first."""
    metadata = MetaData()
    metadata.reflect(db.session.connection())
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def person(app: Flask, name: str) -> Person:
    """Return a person of a stored installation with the browser that they had."""
    browser = app.extensions["stored browsers"][name]
    restored = Person(app, f"{name}@example.com", htmx=browser["htmx"])
    for cookie, value in browser["cookies"].items():
        restored.client.set_cookie(cookie, value, domain="localhost")
    restored.key, restored.codes = browser["key"], browser["codes"]
    request = EnvironBuilder().get_request()
    restored.page = Page(TestResponse([browser["page"].encode()], "200 OK", Headers(), request))
    return restored


def _read(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(table.columns[name], value) for name, value in row.items()}


def _value(column: Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, DateTime):
        moment = datetime.fromisoformat(value)
        return moment if db.engine.dialect.name == "postgresql" else moment.replace(tzinfo=None)
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) and "hex" in value else value


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat()
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _rows() -> dict[str, list[dict[str, Any]]]:
    """Return every row of the database, as JSON can hold it."""
    found = {}
    for table in tables():
        rows = db.session.execute(select(table)).mappings()
        found[table.name] = [{k: _stored(v) for k, v in row.items()} for row in rows]
    return found


def _made(app: Flask) -> list[Person]:
    """Let the people do what the story says, until NOON."""
    carol = Person(app, "carol@example.com")
    with time_machine.travel(NOON - timedelta(minutes=20), tick=False) as now:
        carol.sign_in()
        carol.codes = carol.set_up()
        carol.sign_out()
        now.move_to(NOON - timedelta(minutes=10))
        carol.sign_in()
        carol.press("/signin/code", code=app_code(carol.key))
        carol.visit("/setup/authenticator")
        carol.next()
        carol.key = carol.page.key
        carol.next()
        carol.next(code=app_code(carol.key))
        assert carol.page.heading == "Your new app works now", carol.page.text
        carol.sign_out()
        now.move_to(NOON - timedelta(minutes=5))
        carol.sign_in()
        carol.press("/signin/code", code=app_code(carol.key), trust="1")
        carol.sign_out()
    alice, bob = Person(app, "alice@example.com"), Person(app, "bob@example.com", htmx=True)
    with time_machine.travel(NOON - timedelta(minutes=1), tick=False) as now:
        for each in (alice, bob):
            each.sign_in()
        alice.codes = alice.to_codes().codes
        bob.to_codes()
        shown = bob.page
        bob.visit("/setup")
        bob.page = shown
    return [alice, bob, carol]


def _browser(person: Person) -> dict[str, Any]:
    cookies = {name: person.client.get_cookie(name) for name in COOKIES}
    return {
        "cookies": {name: cookie.value for name, cookie in cookies.items() if cookie},
        "htmx": person.htmx,
        "key": person.key,
        "codes": person.codes,
        "page": person.page.response.text,
    }


def _keys(folder: Path) -> Iterable[tuple[str, str]]:
    return ((file.stem, file.read_text("ascii").strip()) for file in sorted(folder.iterdir()))


def store() -> Path:
    """Store a filled installation of this version; return its file."""
    with tempfile.TemporaryDirectory() as folder:
        with time_machine.travel(NOON - timedelta(days=1), tick=False):
            app = install(Path(folder) / "instance", **NO_SERVER)
        browsers = {each.email.partition("@")[0]: _browser(each) for each in _made(app)}
        with app.app_context():
            revision = db.session.scalar(text("SELECT version_num FROM alembic_version"))
            made = {
                "keys": dict(_keys(Path(app.instance_path) / "keys")),
                "browsers": browsers,
                "rows": _rows(),
            }
            db.session.close()
            db.engine.dispose()
    file = STORED / f"{revision}.json"
    file.write_text(json.dumps(made, separators=(",", ":")) + "\n", "utf-8")
    return file


if __name__ == "__main__":
    print(store())
