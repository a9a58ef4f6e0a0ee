"""What `doctor` knows of an installation that runs: disks, clock, mails, timers."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from click.testing import Result
from flask import Flask
from sqlalchemy import text
from time_machine import Traveller, travel

import clock
import keys
from app import create_app
from db import db
from tests import postgres
from tests.conftest import CHEAP, FIT, NOON, uninstalled
from tests.live import free_port
from tests.person import Person

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments))


def lines(app: Flask, beginning: str) -> list[str]:
    """Return what `doctor` says with these words at the beginning, owners apart."""
    told = run(app, "doctor").output.splitlines()
    return [line for line in told if line.startswith(beginning) and "no owner" not in line]


def change(app: Flask, statement: str, **values: object) -> None:
    with app.app_context():
        db.session.execute(text(statement), values)
        db.session.commit()


@pytest.fixture
def fit(app: Flask) -> Flask:
    app.config.update(FIT)
    return app


@pytest.fixture
def offline(app: Flask, noon: Traveller) -> Iterator[Flask]:
    """A mail waits for bob, because no server took it."""
    away = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": free_port()}
    made = create_app({"INSTANCE": app.instance_path, **CHEAP, **away})
    made.config.update(FIT)
    bob = Person(made, "bob@example.com")
    bob.visit("/signin/forgot")
    bob.press("/signin/forgot", email="bob@example.com")
    yield made
    with made.app_context():
        db.engine.dispose()


def test_doctor_counts_the_mails_that_wait(offline: Flask, noon: Traveller) -> None:
    noon.move_to(NOON + timedelta(minutes=2))

    assert lines(offline, "ok     mail queue") == [
        "ok     mail queue: 1 due, 0 wait for their next try, oldest 2 min"
    ]
    assert run(offline, "doctor").exit_code == 0


def test_doctor_tells_of_a_queue_that_nobody_empties(offline: Flask, noon: Traveller) -> None:
    noon.move_to(NOON + 2 * HOUR)

    assert lines(offline, "FAULT") == [
        "FAULT  mail queue: a mail has been due for 119 min: is onward-deliver.timer on?"
    ]
    assert run(offline, "doctor").exit_code == 1

    run(offline, "mail", "deliver")
    assert lines(offline, "FAULT") == []


@pytest.mark.parametrize(
    ("column", "told"),
    [("claimed_at", "1 stuck, 0 failed"), ("failed_at", "0 stuck, 1 failed")],
)
def test_doctor_tells_of_mails_that_need_an_operator(
    offline: Flask, noon: Traveller, column: str, told: str
) -> None:
    change(offline, f"UPDATE outbox SET {column} = made_at WHERE sent_at IS NULL")
    noon.move_to(NOON + HOUR)

    assert f"note   mails: {told}: see flask --app app mail list" in lines(offline, "note")
    assert lines(offline, "FAULT") == []


def test_doctor_tells_of_a_mail_server_that_takes_nothing(offline: Flask) -> None:
    port = offline.config["MAIL_PORT"]

    assert lines(offline, "note   mail server") == [
        f"note   mail server 127.0.0.1:{port} takes no mails: Connection refused"
    ]


def test_doctor_is_content_with_a_mail_server_that_greets(fit: Flask) -> None:
    port = free_port()
    controller = Controller(Sink(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        served = create_app(
            {"INSTANCE": fit.instance_path, **FIT, "MAIL_SERVER": "127.0.0.1", "MAIL_PORT": port}
        )
        assert lines(served, "note") == []
        with served.app_context():
            db.engine.dispose()
    finally:
        controller.stop()


def test_doctor_tells_when_the_timers_last_ran(fit: Flask, noon: Traveller) -> None:
    assert lines(fit, "ok     last") == [
        "ok     last backup: none yet",
        "ok     last reminder run: none yet",
        "ok     last mail run: none yet",
    ]
    run(fit, "remind")
    run(fit, "mail", "deliver")

    assert lines(fit, "ok     last")[1:] == [
        "ok     last reminder run: 2031-05-06 12:00 UTC",
        "ok     last mail run: 2031-05-06 12:00 UTC",
    ]
    assert lines(fit, "note") == []


def test_doctor_tells_of_timers_that_do_not_run(fit: Flask, noon: Traveller) -> None:
    """Operator 2: both cron lines did nothing, and nobody knew."""
    run(fit, "remind")
    run(fit, "mail", "deliver")
    noon.move_to(NOON + DAY)

    assert lines(fit, "note") == [
        "note   no run of remind for a day: is onward-remind.timer on?",
        "note   no run of deliver for a day: is onward-deliver.timer on?",
    ]


def test_reminders_are_missed_only_where_somebody_is_reminded(fit: Flask, noon: Traveller) -> None:
    change(fit, "UPDATE organisations SET enforcement = 'off'")

    assert lines(fit, "note") == ["note   no run of deliver for a day: is onward-deliver.timer on?"]


def test_doctor_compares_the_clock_with_the_databases(tmp_path: Path) -> None:
    """Codes live for 30 seconds: two machines that disagree refuse right ones."""
    keys.make(tmp_path / "keys")
    app = uninstalled(
        tmp_path, DATABASE_URL=postgres.new_database(postgres.shared(), "clock"), **FIT
    )
    assert run(app, "init").exit_code == 0
    assert lines(app, "ok     clock") == ["ok     clock"]

    for off in (timedelta(seconds=40), timedelta(seconds=-40)):
        with travel(clock.now() + off, tick=True):
            assert lines(app, "FAULT  clock")[0].startswith(
                "FAULT  clock: the database's differs by "
            )
    with app.app_context():
        db.engine.dispose()
