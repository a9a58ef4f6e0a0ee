"""Many people cost no more statements than few, and no file grows in memory."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event

from admin.people import CHUNK
from db import db
from tests import postgres
from tests.administration import administrator
from tests.conftest import NOON, install
from tests.crowd import Crowd, fill, member_of_first, organisations
from tests.desk import Act, acts
from tests.person import Person
from tests.test_budgets import counted

ORGANISATIONS = 8
FEW = Crowd(people=1300, organisations=ORGANISATIONS, largest=1100)
MANY = Crowd(people=4500, organisations=ORGANISATIONS, largest=4100, first=1300)
PER_PART = 2
"""A part of a file of people is two statements: who asks, and the people."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    instance: Path = tmp_path_factory.mktemp("crowd") / "instance"
    made = install(instance)
    if request.param == "sqlite":
        yield made
        return
    made = install(instance, DATABASE_URL=postgres.new_database(postgres.shared(), "crowd"))
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture(scope="module")
def measured(app: Flask) -> dict[str, list[tuple[int, int]]]:
    """Return the statements and the peak of memory of each act: among few people, among many."""
    found: dict[str, list[tuple[int, int]]] = {}
    # The clock stands: a sign-in is noted as alive each minute, by a statement more.
    with time_machine.travel(NOON, tick=False):
        organisations(app, ORGANISATIONS)
        dora = administrator(app, organisation="Crowd 0")
        for crowd in (FEW, MANY):
            fill(app, crowd)
            member = member_of_first(FEW)
            for act in acts(dora, member, member):
                found.setdefault(act.name, []).append(_measured(app, act))
    return found


def _measured(app: Flask, act: Act) -> tuple[int, int]:
    """Count first, then measure memory, when all that is made once is there."""
    with counted(app) as cost:
        act.run()
    if "CSV" not in act.name:
        return cost.statements, 0
    gc.collect()
    tracemalloc.start()
    try:
        act.run()
        return cost.statements, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_no_page_needs_more_statements_among_many_people(
    measured: dict[str, list[tuple[int, int]]],
) -> None:
    pages = {name: [n for n, _ in costs] for name, costs in measured.items() if "CSV" not in name}

    assert {name: costs for name, costs in pages.items() if costs[0] != costs[1]} == {}
    assert max(costs[1] for costs in pages.values()) <= 8, pages


def test_a_file_needs_a_fixed_number_of_statements_for_each_thousand_rows(
    measured: dict[str, list[tuple[int, int]]],
) -> None:
    people = [statements for statements, _ in measured["People, CSV"]]
    log = [statements for statements, _ in measured["Audit log, CSV"]]

    assert people[1] - people[0] == PER_PART * (MANY.largest - FEW.largest) // CHUNK
    assert 8 <= log[1] - log[0] <= 10, log


@pytest.mark.parametrize("name", ["People, CSV", "Audit log, CSV"])
def test_a_file_of_many_rows_takes_the_memory_of_one_of_few(
    measured: dict[str, list[tuple[int, int]]], name: str
) -> None:
    few, many = (peak for _, peak in measured[name])

    # Nearly four times the rows; what waits for the collector is allowed for.
    assert many < few * 1.5, (few, many)


READS_ALL = ("SCAN accounts", "SCAN sign_ins", "SCAN events", "SCAN authenticators")


def _plans(app: Flask, act: Callable[[], object]) -> list[str]:
    """Return the steps of the plans of all that the act reads; `app` is on SQLite."""
    asked: list[tuple[str, object]] = []

    def keep(*arguments: object) -> None:
        if str(arguments[2]).startswith("SELECT"):
            asked.append((str(arguments[2]), arguments[3]))

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", keep)
        try:
            act()
        finally:
            event.remove(db.engine, "before_cursor_execute", keep)
        with db.engine.connect() as connection:
            return [
                str(row[-1])
                for statement, values in asked
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]  # as it was sent
            ]


def _reads_all(step: str) -> bool:
    """A whole table is read in no order of an index: for each person again, at worst."""
    return step.startswith(READS_ALL) and "USING" not in step


@pytest.mark.parametrize("path", ["/admin/people", "/admin/people?state=must", "/admin/progress"])
def test_sqlite_reads_no_whole_table_for_each_person(installed_owner: Person, path: str) -> None:
    steps = _plans(installed_owner.app, lambda: installed_owner.visit(path))

    assert any("SEARCH" in step for step in steps)
    assert [step for step in steps if _reads_all(step)] == []


@pytest.fixture
def installed_owner(tmp_path: Path) -> Iterator[Person]:
    """An owner on SQLite: no statistics, as an installation has none."""
    made = install(tmp_path / "instance")
    yield administrator(made)
    with made.app_context():
        db.engine.dispose()
