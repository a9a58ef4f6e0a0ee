"""What `doctor` knows of an installation that runs: disks, clock, mails, timers."""

from datetime import timedelta
from pathlib import Path

from click.testing import Result
from flask import Flask
from sqlalchemy import text
from time_machine import travel

import clock
import keys
from db import db
from tests import postgres
from tests.conftest import FIT, uninstalled

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


def test_doctor_compares_the_clock_with_the_databases(tmp_path: Path) -> None:
    """Codes live for 30 seconds: two machines that disagree refuse right ones."""
    with postgres.cluster() as cluster:
        keys.make(tmp_path / "keys")
        app = uninstalled(tmp_path, DATABASE_URL=postgres.new_database(cluster, "clock"), **FIT)
        assert run(app, "init").exit_code == 0
        assert lines(app, "ok     clock") == ["ok     clock"]

        for off in (timedelta(seconds=40), timedelta(seconds=-40)):
            with travel(clock.now() + off, tick=True):
                assert lines(app, "FAULT  clock")[0].startswith(
                    "FAULT  clock: the database's differs by "
                )
        with app.app_context():
            db.engine.dispose()
