"""What strangers cause by addresses that nobody has takes a bounded place (S-165)."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, text
from time_machine import Traveller

from accounts import refusals
from db import db
from tests.person import Person

Rows = Callable[[str], list[tuple[object, ...]]]
COUNTS = "SELECT network, kind, factor, result, times FROM refusal_counts ORDER BY network"
EVENTS = "SELECT count(*) FROM events WHERE kind = 'sign-in'"


def refused(app: Flask, email: str, address: str = "192.0.2.1") -> None:
    person = Person(app, email)
    person.client.environ_base["REMOTE_ADDR"] = address
    assert person.sign_in("a wrong password").status in {422, 429}


def test_refusals_of_nobody_are_counted_by_network(app: Flask, noon: Traveller, rows: Rows) -> None:
    before = rows(EVENTS)
    for n in range(12):
        refused(app, f"nobody{n}@example.com")
    for n in range(3):
        refused(app, "no address", f"2001:db8:1:2::{n}")
    assert rows(EVENTS) == before
    assert rows(COUNTS) == [
        ("192.0.2.1", "sign-in", "password", "refused", 12),
        ("2001:db8:1:2::/64", "sign-in", "password", "refused", 3),
    ]
    noon.shift(timedelta(hours=1))
    refused(app, "nobody@example.com")
    assert [row[-1] for row in rows(COUNTS)] == [12, 1, 3]


def test_an_operator_sees_who_tries(app: Flask, noon: Traveller) -> None:
    run = app.test_cli_runner().invoke
    refused(app, "nobody@example.com", "192.0.2.2")
    noon.shift(timedelta(hours=2))
    for n in range(12):
        refused(app, f"nobody{n}@example.com")
    recent = "2031-05-06 14h  192.0.2.1  sign-in by password, refused, 12 times\n"
    older = "2031-05-06 12h  192.0.2.2  sign-in by password, refused, once\n"
    assert run(args=["refusals", "--hours", "1"]).output == recent + "12 in 1 hours.\n"
    assert run(args=["refusals"]).output == recent + older + "13 in 24 hours.\n"
    assert run(args=["refusals", "--hours", "0"]).exit_code == 2


def test_those_of_an_account_are_events(app: Flask, rows: Rows) -> None:
    """They leave the mark where it is: writing a file would tell who has an account (S-152)."""
    mark = Path(app.instance_path) / "mark"
    before = mark.read_bytes()

    refused(app, "bob@example.com")

    assert mark.read_bytes() == before
    last = "SELECT account_id, kind, result, address FROM events ORDER BY id DESC LIMIT 1"
    assert rows(last) == [(2, "sign-in", "refused", "192.0.2.1")]
    assert rows(COUNTS) == []


def test_many_networks_share_a_row(
    app: Flask, noon: Traveller, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "NETWORKS", 3)
    for n in range(6):
        refused(app, "nobody@example.com", f"192.0.2.{n}")
    refused(app, "nobody@example.com", "192.0.2.1")
    assert [(row[0], row[-1]) for row in rows(COUNTS)] == [
        ("192.0.2.0", 1),
        ("192.0.2.1", 2),
        ("192.0.2.2", 1),
        ("elsewhere", 3),
    ]


def test_old_counts_are_swept(app: Flask, noon: Traveller, rows: Rows) -> None:
    refused(app, "nobody@example.com")
    noon.shift(refusals.KEPT + timedelta(hours=2))
    refused(app, "nobody@example.com", "192.0.2.2")
    assert [row[0] for row in rows(COUNTS)] == ["192.0.2.2"]


def test_an_address_is_forgotten_when_its_count_is_over(
    app: Flask, noon: Traveller, rows: Rows
) -> None:
    """A quarter of an hour later it is as if it had never been typed; a wait is kept."""
    for _ in range(40):
        refused(app, "waits@example.com")
        noon.shift(timedelta(seconds=50))
    buckets = "SELECT count(*) FROM password_tries"
    refused(app, "nobody@example.com")
    noon.shift(timedelta(minutes=14))
    assert rows(buckets) == [(2,)]
    noon.shift(timedelta(minutes=20))  # over an hour since the start
    refused(app, "another@example.com")
    assert rows(buckets) == [(1,)]


def test_all_that_come_at_once_are_counted(site: Flask) -> None:
    """On either database: one statement inserts or adds."""
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda n: refused(site, f"nobody{n}@example.com"), range(6)))
    with site.app_context():
        assert [tuple(row) for row in db.session.execute(text(COUNTS))] == [
            ("192.0.2.1", "sign-in", "password", "refused", 6)
        ]


# The same for everybody


def statements_of(app: Flask, act: Callable[[], object]) -> list[str]:
    """Return what an act asks the database, by the first words of each statement."""
    asked: list[str] = []

    def note(*arguments: object) -> None:
        asked.append(" ".join(str(arguments[2]).split()[:2]))

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return [what for what in asked if not what.startswith(("BEGIN", "PRAGMA"))]


@pytest.mark.parametrize("cookie", ["", "somebody else's"])
def test_a_refusal_asks_the_database_as_often_whoever_it_is_for(app: Flask, cookie: str) -> None:
    """S-152: also in a browser that shows a device token."""

    def signs_in(email: str) -> list[str]:
        person = Person(app, email)
        if cookie:
            person.client.set_cookie("device", cookie)
        person.visit("/signin")
        return statements_of(
            app, lambda: person.press("/signin", email=email, password="a wrong password")
        )

    signs_in("warm@example.com")
    bob, nobody = (signs_in(f"{name}@example.com") for name in ("bob", "nobody"))
    assert Counter(one.split()[0] for one in bob) == Counter(one.split()[0] for one in nobody)
