"""An upgrade over a great many people: every row is kept; how long it takes, what it locks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    Table,
    cast,
    event,
    func,
    insert,
    literal,
    select,
    text,
)

import keys
from db import alembic, db
from tests import postgres
from tests.sizes import drill
from tests.test_mark import run
from tests.upgrades import installed, tables

OLD = "0008"
PEOPLE = drill(100, 100_000)
FIRST = 1_000_000
"""The id of the first of them."""
CAROL = 3
EACH = {"backup_codes": 10, "events": 3, "sign_ins": 2}
"""Rows of a person where there are more than one."""
UNIQUE = {"accounts": "email", "sign_ins": "token_hash", "trusted_devices": "token_hash"}
STRONG = """
SELECT c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND l.mode = 'AccessExclusiveLock' AND c.relkind = 'r'
AND c.relname != 'alembic_version' ORDER BY 1
"""
"""The tables that nobody else can even read."""


@pytest.fixture(params=drill(["sqlite"], ["sqlite", "postgresql"]))
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An installation of an old version with many people like Carol, who is set up."""
    if request.param == "sqlite":
        yield from _filled(tmp_path / "instance")
        return
    with postgres.cluster() as cluster:
        address = postgres.new_database(cluster, "crowd")
        yield from _filled(tmp_path / "instance", DATABASE_URL=address)


def _filled(folder: Path, **config: str) -> Iterator[Flask]:
    app = installed(folder, OLD, **config)
    with app.app_context():
        for table in tables():
            owner = "id" if table.name == "accounts" else "account_id"
            if table.name == "authenticators":
                _seal_authenticators(table, folder)
            elif table.name in {"wizards", "outbox", "void_records"}:
                continue  # what is sealed can't be copied to somebody else
            elif owner in table.columns:
                _multiply(table, owner)
        db.session.commit()
        if db.engine.dialect.name == "postgresql":  # what its own upkeep does soon
            db.session.execute(text("ANALYZE"))
            db.session.commit()
        db.session.close()
    yield app
    with app.app_context():
        db.engine.dispose()


def _multiply(table: Table, owner: str) -> None:
    """Give everybody what Carol has in a table, in one statement."""
    row = db.session.execute(select(table).where(table.c[owner] == CAROL)).mappings().first()
    if row is None:
        return
    each = EACH.get(table.name, 1)
    first = select(literal(0).label("n")).cte(recursive=True)
    numbers = first.union_all(select(first.c.n + 1).where(first.c.n < PEOPLE * each - 1))
    n = numbers.c.n
    made: dict[str, Any] = {name: literal(value, table.c[name].type) for name, value in row.items()}
    if "id" in made:
        made["id"] = n + FIRST
    made[owner] = n % PEOPLE + FIRST
    if table.name in UNIQUE:
        made[UNIQUE[table.name]] = literal("crowd ").concat(cast(n, String))
    if "authenticator_id" in made:
        made["authenticator_id"] = made[owner]
    if "digest" in made:
        made["digest"] = _digest(n)
    if table.name == "sign_ins":
        made |= {"spent_hash": literal(None, String()), "device_id": literal(None, n.type)}
    db.session.execute(insert(table).from_select(list(made), select(*made.values())))


def _digest(n: ColumnElement[int]) -> ColumnElement[bytes]:
    if db.engine.dialect.name == "sqlite":
        return func.randomblob(32)
    return func.sha256(func.convert_to(cast(n, String), "UTF8"))


def _seal_authenticators(table: Table, folder: Path) -> None:
    """Give everybody an app of their own, sealed as that version did."""
    query = select(table).where(table.c.account_id == CAROL, table.c.revoked_at.is_(None))
    carols = db.session.execute(query).mappings().one()
    ring = keys.load(folder / "keys")
    for start in range(FIRST, FIRST + PEOPLE, 5000):
        rows = [
            {
                **carols,
                "id": one,
                "account_id": one,
                "sealed_secret": ring.seal(b"GEZDGNBVGY3TQOJQ", ("authenticator secret", str(one))),
            }
            for one in range(start, min(start + 5000, FIRST + PEOPLE))
        ]
        db.session.execute(insert(table), rows)


@contextmanager
def locking(app: Flask) -> Iterator[list[str]]:
    """Collect the tables that are locked against reading when a transaction commits."""
    locked: list[str] = []

    def look(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            locked.extend(name for (name,) in connection.exec_driver_sql(STRONG))

    with app.app_context():
        engine = db.engine
    event.listen(engine, "commit", look)
    try:
        yield locked
    finally:
        event.remove(engine, "commit", look)


def counts(app: Flask) -> dict[str, int]:
    with app.app_context():
        found = {
            table.name: db.session.scalar(select(func.count()).select_from(table)) or 0
            for table in tables()
        }
        db.session.rollback()
    return found


@pytest.mark.drill
def test_an_upgrade_keeps_everybody(
    old: Flask, record_property: Callable[[str, object], None]
) -> None:
    before = counts(old)
    assert before["accounts"] == before["authenticators"] + 1 == PEOPLE + 3
    is_postgresql = bool(old.config["DATABASE_URL"])
    with old.app_context():
        revisions = [script.revision for script in alembic.script_directory.walk_revisions()]
    whole = 0.0
    for revision in sorted(one for one in revisions if one > OLD):
        with locking(old) as locked, old.app_context():
            begun = time.perf_counter()
            alembic.upgrade(revision)
            spent = time.perf_counter() - begun
            db.session.close()
        whole += spent
        locks = f"nobody reads {', '.join(sorted(set(locked)))}" if locked else ""
        told = f"{revision} {spent:8.2f} s  {locks if is_postgresql else 'nobody writes'}"
        record_property("drill", told)

    done = run(old, "init")

    assert "Ready: " in done.output, done.output
    after = counts(old)
    kept = {name for name in before if name not in {"alembic_version", "wizards"}}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    name = "PostgreSQL" if is_postgresql else "SQLite"
    rows = sum(before.values())
    record_property("drill", f"{name}: {PEOPLE} people, {rows} rows from {OLD}: {whole:.1f} s")
