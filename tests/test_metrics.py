"""What Prometheus is told, scraped from the real command and read by a parser that is not ours."""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

import clock
from admin import people as admin_people
from db import db
from mail import queue
from mail.outbox import Outbox
from mail.postman import STUCK
from operations.metrics import Metrics
from tests.administration import administrator, press
from tests.crowd import Crowd, fill, organisations
from tests.live import free_port
from tests.person import Person, app_code
from tests.sizes import full_only
from tests.test_budgets import counted
from tests.test_mark import run

ROOT = Path(__file__).parent.parent
Values = dict[tuple[str, tuple[str, ...]], float]
NOBODY = r"alice|bob|carol|dora|example|Hartley|Reading|127\.0\.0\.1"


def read(told: str) -> Values:
    """Return each value by its name and the values of its labels."""
    return {
        (sample.name, tuple(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
    }


def scrape(app: Flask) -> Values:
    """Return what a scrape tells now."""
    registry = CollectorRegistry()
    registry.register(Metrics(app))
    return read(generate_latest(registry).decode("utf-8"))


@contextmanager
def serving(app: Flask) -> Iterator[int]:
    """Run the command as its unit does; yield the port once it says that it serves."""
    port = free_port()
    command = [sys.executable, "-m", "flask", "--app", "app", "metrics", "--port", str(port)]
    settings = {
        "ONWARD_INSTANCE": app.instance_path,
        "ONWARD_DATABASE_URL": str(app.config["DATABASE_URL"]),
    }
    environment = os.environ | settings | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert f"http://127.0.0.1:{port}/metrics" in process.stdout.readline().decode()
            yield port
        finally:
            process.terminate()


def test_it_is_scraped(site: Flask) -> None:
    """The real command, on either database, tells of people, sign-ins, mails and times."""
    before, carol = scrape(site), site.extensions["carol"]
    carol.sign_in("a wrong password")
    for _ in range(3):
        Person(site, "nobody@example.com").sign_in("a wrong password")
    carol.sign_in()
    carol.press("/signin/code", code="000000")
    carol.press("/signin/code", code=app_code(carol.key))
    assert run(site, "backup", f"{site.instance_path}/copy").exit_code == 0
    assert run(site, "remind").exit_code == 0

    with serving(site) as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as got:
            told = got.read().decode("utf-8")
            kind = got.headers["Content-Type"]
        with pytest.raises(ConnectionRefusedError):  # this machine is more than that address
            socket.create_connection(("127.0.0.2", port), timeout=5)

    after = read(told)
    assert kind.startswith("text/plain; version=")
    assert set(after) == set(before)
    assert after["onward_database_up", ()] == 1
    states = [after["onward_people", (state,)] for state in ("on", "exempt", "must", "soft", "off")]
    assert states == [1, 0, 1, 0, 1]
    for name, result, way in (
        ("onward_sign_ins", "accepted", "password"),
        ("onward_sign_ins", "refused", "password"),
        ("onward_codes", "accepted", "app"),
        ("onward_codes", "refused", "app"),
    ):
        for window in ("1h", "1d"):
            labels = (result, way, window)
            assert after[name, labels] == before[name, labels] + 1, (name, labels)
    for window in ("1h", "1d"):
        assert after["onward_strangers_refused", ("password", window)] == 3
    runs = "onward_last_run_timestamp_seconds"
    assert (before[runs, ("remind",)], after[runs, ("deliver",)]) == (0, 0)
    assert 0 <= time.time() - after[runs, ("remind",)] < 600
    assert 0 <= time.time() - after["onward_last_backup_timestamp_seconds", ()] < 600
    assert re.findall(NOBODY, told) == []


def test_mails_are_counted_as_the_list_shows_them(app: Flask) -> None:
    at = clock.now()
    changes: list[dict[str, object]] = [
        {},
        {"next_try_at": at + timedelta(minutes=1)},
        {"next_try_at": at - timedelta(minutes=1)},
        {"claimed_at": at},
        {"claimed_at": at - STUCK},
        {"failed_at": at, "claimed_at": at - STUCK},
        {"sent_at": at},
    ]
    with app.app_context():
        for number, change in enumerate(changes):
            made_at = at - timedelta(minutes=len(changes) - number)
            row = {"account_id": 1, "kind": "k", "recipient": "r@example.com", "tries": 1}
            db.session.add(Outbox(seal_id=f"s{number}", made_at=made_at, **row, **change))
        db.session.commit()
        states = [queue.state_of(row, at) for row in queue.unsent()]
        told = queue.counts(at)
    assert {state: number for state, (number, _) in told.items()} == Counter(states)
    assert set(told) == set(queue.State)
    assert told[queue.State.DUE][1] == at - timedelta(minutes=len(changes))
    values = scrape(app)
    assert values["onward_mails", ("due",)] == 2
    assert values["onward_mail_oldest_seconds", ("due",)] >= 60 * len(changes)


def test_a_scrape_takes_as_many_statements_for_more_people(app: Flask) -> None:
    """It counts what the page "People" counts of each organisation."""
    (organisation,) = organisations(app, 1)
    spent = []
    for first, people in ((0, 40), (40, 160)):
        fill(app, Crowd(people=people, organisations=1, largest=people, first=first))
        scrape(app)  # what an engine asks only once
        with counted(app) as cost:
            values = scrape(app)
        spent.append(cost.statements)
    assert spent[0] == spent[1] <= 10
    with app.app_context():
        counts = [admin_people.counts(number, clock.now()) for number in (1, 2, organisation)]
    for state in ("on", "exempt", "must", "soft", "off"):
        assert values["onward_people", (state,)] == sum(count[state] for count in counts)
    for extra in ("locked", "disabled", "invited"):
        assert values[f"onward_people_{extra}", ()] == sum(count[extra] for count in counts)
    assert sum(count["all"] for count in counts) == 163


def test_somebody_who_is_asked_to_join_is_one_person(app: Flask) -> None:
    """A placeholder stands in the list of those who ask; it is nobody more."""
    before = scrape(app)
    dora = administrator(app)
    dora.visit("/admin/people/add")
    press(dora, "Add people", people="Old Carol, carol@example.com")
    values = scrape(app)
    assert values["onward_people_invited", ()] == before["onward_people_invited", ()]
    assert sum(of_states(values)) == sum(of_states(before)) + 1  # Dora


def of_states(values: Values) -> list[float]:
    return [number for (name, _), number in values.items() if name == "onward_people"]


def test_somebody_of_two_organisations_or_none_is_one_person(app: Flask) -> None:
    with app.app_context():
        db.session.execute(text("DELETE FROM memberships WHERE account_id = 1"))
        db.session.execute(
            text(
                "INSERT INTO memberships (account_id, organisation_id, role, since) "
                "SELECT account_id, 1, role, since FROM memberships WHERE account_id = 2"
            )
        )
        db.session.commit()
        assert admin_people.counts(None, clock.now())["all"] == 3


def test_it_tells_that_the_database_fails_and_recovers(app: Flask) -> None:
    rename = "ALTER TABLE {} RENAME TO {}"
    with app.app_context():
        db.session.execute(text(rename.format("outbox", "lost")))
        db.session.commit()
    assert scrape(app) == {("onward_database_up", ()): 0}
    with app.app_context():
        db.session.execute(text(rename.format("lost", "outbox")))
        db.session.commit()
    assert scrape(app)["onward_database_up", ()] == 1


def test_a_scrape_waits_for_no_writer(app: Flask) -> None:
    with sqlite3.connect(Path(app.instance_path) / "onward.sqlite") as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert scrape(app)["onward_database_up", ()] == 1
        writer.rollback()
    writer.close()


def test_a_port_that_is_taken_is_told(app: Flask) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = run(app, "metrics", "--port", str(port))
    assert refused.exit_code == 1
    assert refused.output == f"Error: Port {port} can't be used: Address already in use.\n"


def test_each_rule_asks_for_what_is_told(app: Flask) -> None:
    told = scrape(app)
    rules = (ROOT / "deploy" / "alerts.yml").read_text("utf-8")
    asked = re.findall(r"^ +expr: (.*)$", rules, re.M)
    assert len(asked) == rules.count("- alert:") == rules.count("summary:") >= 8
    named = {
        (name, labels or "")
        for rule in asked
        for name, labels in re.findall(r"(onward_\w+)(?:\{([^}]*)\})?", rule)
    }
    assert len(named) >= 8
    for name, labels in named:
        samples = [values for metric, values in told if metric == name]
        assert samples, name
        for wanted in re.findall(r'=~?"([^"]+)"', labels):
            for value in wanted.split("|"):
                assert any(value in values for values in samples), (name, value)


@pytest.mark.drill
@full_only
def test_the_rules_are_rules() -> None:
    """Prometheus itself reads them: a package too big for `make test`."""
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: apt-get install prometheus"
    command = [promtool, "check", "rules", str(ROOT / "deploy" / "alerts.yml")]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
