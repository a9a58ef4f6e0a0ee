"""Reminders: whom they reach, how often, and that nobody gets one twice."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
import time_machine
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from flask import Flask
from sqlalchemy import text

from app import create_app
from db import db
from tests.conftest import NOON, add_person, set_up_before_noon
from tests.live import free_port
from tests.person import Person, letters, text_of

ROOT = Path(__file__).parent.parent
DAY = timedelta(days=1)


def remind(app: Flask, *arguments: str) -> list[str]:
    done = app.test_cli_runner().invoke(args=["remind", *arguments])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def ask(app: Flask, *arguments: str) -> None:
    done = app.test_cli_runner().invoke(args=["organisation", "set", *arguments])
    assert done.exit_code == 0, done.output


def sent(app: Flask) -> list[tuple[str, str]]:
    """Return to whom each mail went, and the beginning of its subject."""
    return [(str(m["To"]), str(m["Subject"]).partition(" (")[0]) for m in letters(app)]


NOW = "Set up two-factor authentication now"
SOON = "Set up two-factor authentication soon"


def test_a_run_is_noted_when_it_has_ended(
    app: Flask, noon: time_machine.Traveller, rows: Callable[[str], list[tuple[object, ...]]]
) -> None:
    """`doctor` tells of the last one."""
    remind(app, "--dry-run")
    assert rows("SELECT ended_at FROM runs WHERE work = 'remind'") == []

    for later in (timedelta(0), DAY):
        noon.move_to(NOON + later)
        remind(app)

    assert rows("SELECT ended_at FROM runs WHERE work = 'remind'") == [
        ("2031-05-07 12:00:00.000000",)
    ]


def test_the_first_run_reminds_all_who_are_due_and_nobody_else(
    app: Flask, noon: time_machine.Traveller
) -> None:
    ask(app, "Reading Room", "--enforcement", "soft")
    set_up_before_noon(app, noon, "carol")
    before = len(letters(app))

    told = remind(app)

    assert told == [
        "account 1  daily  asked by Hartley & Sons",
        "account 2  weekly  asked by Reading Room",
        "2 reminded.",
    ]
    assert sent(app)[before:] == [("alice@example.com", NOW), ("bob@example.com", SOON)]


def test_a_dry_run_tells_the_same_and_changes_nothing(
    app: Flask, noon: time_machine.Traveller, snapshot: object
) -> None:
    assert callable(snapshot)
    before = snapshot()
    told = remind(app, "--dry-run")
    assert told == [
        "alice@example.com  daily  asked by Hartley & Sons",
        "carol@example.com  daily  asked by Hartley & Sons",
        "2 would be reminded.",
    ]
    assert snapshot() == before
    assert letters(app) == []
    # What a timer prints goes into the log of the machine: numbers instead of addresses (S-137).
    assert remind(app) == [
        "account 1  daily  asked by Hartley & Sons",
        "account 3  daily  asked by Hartley & Sons",
        "2 reminded.",
    ]


def test_daily_where_it_is_a_must_weekly_where_it_is_not(
    app: Flask, noon: time_machine.Traveller
) -> None:
    ask(app, "Reading Room", "--enforcement", "soft")
    got: Counter[tuple[str, str]] = Counter()
    for hour in range(0, 24 * 15, 6):
        noon.move_to(NOON + timedelta(hours=hour))
        remind(app)
    got.update(sent(app))
    assert got == {("alice@example.com", NOW): 15, ("carol@example.com", NOW): 15} | {
        ("bob@example.com", SOON): 3
    }


def test_whoever_asked_for_none_gets_only_what_is_a_must(
    app: Flask, noon: time_machine.Traveller
) -> None:
    ask(app, "Reading Room", "--enforcement", "soft")
    ask(app, "Hartley & Sons", "--enforcement", "off")
    remind(app)
    link = next(line for line in text_of(letters(app)[0]).split() if "/help/unsubscribe/" in line)
    Person(app, "bob@example.com").client.post(link[link.index("/help") :], buffered=True)

    noon.move_to(NOON + 8 * DAY)
    assert remind(app) == ["0 reminded."]
    ask(app, "Reading Room", "--enforcement", "hard")
    assert remind(app)[-1] == "1 reminded."


def sign_in_by(app: Flask, factor: str, email: str, at: datetime) -> None:
    """Put a sign-in of the past into the database."""
    values = {"factor": factor, "email": email, "at": at.replace(tzinfo=None), "hash": f"{at}"}
    with app.app_context():
        db.session.execute(
            text(
                "INSERT INTO sign_ins (account_id, token_hash, first_factor, first_at, seen_at,"
                " browser, system) SELECT id, :hash, :factor, :at, :at, '', ''"
                " FROM accounts WHERE email = :email"
            ),
            values,
        )
        db.session.commit()


@pytest.mark.parametrize(
    ("ways", "is_due"),
    [
        ([], True),
        ([("sso", 1)], False),
        ([("sso", 1), ("sso", 29)], False),
        ([("sso", 1), ("password", 2)], True),
        ([("sso", 1), ("password", 31)], False),
        ([("sso", 31)], True),
        ([("password", 1)], True),
    ],
)
def test_whoever_signs_in_by_sso_alone_is_left_in_peace(
    app: Flask, noon: time_machine.Traveller, ways: list[tuple[str, int]], is_due: bool
) -> None:
    for factor, days in ways:
        sign_in_by(app, factor, "alice@example.com", NOON - days * DAY)
    assert ("account 1 " in " ".join(remind(app))) is is_due


def test_a_disabled_person_is_not_reminded(app: Flask, noon: time_machine.Traveller) -> None:
    with app.app_context():
        db.session.execute(text("UPDATE accounts SET disabled_at = created_at WHERE id = 1"))
        db.session.commit()
    assert "account 1 " not in " ".join(remind(app))


class Deadly:
    """A mail server that accepts, and then may kill whoever is sending."""

    def __init__(self) -> None:
        self.got: list[tuple[datetime, str]] = []
        self.at, self.pid = NOON, 0

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:
        self.got.append((self.at, envelope.rcpt_tos[0].partition("@")[0]))
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        return "250 OK"


@pytest.fixture
def server() -> Iterator[tuple[Deadly, int]]:
    handler, port = Deadly(), free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, port
    controller.stop()


PROGRAM = """
import sys, time_machine, datetime
sys.stdin.readline()
from app import create_app
with time_machine.travel(datetime.datetime.fromisoformat(sys.argv[1]), tick=False):
    create_app().test_cli_runner().invoke(args=["remind"], catch_exceptions=False)
"""
PEOPLE = {"alice": DAY, "bob": 7 * DAY, "carol": DAY, "dora": 7 * DAY, "emil": 7 * DAY}
"""In the order in which they are reminded, and how often."""


def test_fifty_runs_in_a_month_two_of_them_killed(app: Flask, server: tuple[Deadly, int]) -> None:
    """At odd hours; a killed run is made good by the next one, and nobody gets one twice."""
    ask(app, "Reading Room", "--enforcement", "soft")
    for name in ("dora", "emil"):
        add_person(app, name, "Reading Room")
    handler, port = server
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": port}
    runner = create_app({"INSTANCE": app.instance_path, **mail}).test_cli_runner()
    expected: list[tuple[datetime, str]] = []

    for number in range(50):
        at = NOON + timedelta(minutes=857 * number + (number * number * 37) % 300)
        last = {name: moment for moment, name in expected}
        due = [n for n, period in PEOPLE.items() if n not in last or at >= last[n] + period]
        handler.at, handler.pid = at, 0
        if number in {0, 19}:
            run_and_kill(app, handler, port)
            due = due[:1]
        else:
            with time_machine.travel(at, tick=False):
                assert runner.invoke(args=["remind"]).exit_code == 0
        expected += [(at, name) for name in due]

    assert handler.got == expected
    assert len(expected) > 60


def run_and_kill(app: Flask, handler: Deadly, port: int) -> None:
    """Run the command on its own; the mail server kills it when it has its first letter."""
    environment = os.environ | {
        "ONWARD_INSTANCE": app.instance_path,
        "ONWARD_MAIL_SERVER": "127.0.0.1",
        "ONWARD_MAIL_PORT": str(port),
    }
    arguments = [sys.executable, "-c", PROGRAM, handler.at.isoformat()]
    with subprocess.Popen(arguments, cwd=ROOT, env=environment, stdin=subprocess.PIPE) as process:
        handler.pid = process.pid
        process.communicate(b"go\n", timeout=60)
    assert process.returncode == -signal.SIGKILL


def test_a_reminder_says_what_to_do(app: Flask, noon: time_machine.Traveller) -> None:
    ask(app, "Reading Room", "--enforcement", "soft", "--hard-from", "2031-06-01")
    remind(app)
    letter: EmailMessage = letters(app)[-2]
    assert str(letter["To"]) == "bob@example.com"
    assert "1 June 2031" in text_of(letter)
    assert "Reading Room" in text_of(letter)
    assert letter["List-Unsubscribe"].strip().startswith("<http")
    assert datetime.now(UTC) == NOON
