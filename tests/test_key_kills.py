"""A rotation that is killed anywhere, while people write, loses and refuses nothing (S-162)."""

import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import insert, select

import clock
import sealed
from app import create_app
from db import db
from factors import void_record
from factors.diagnosis import Record
from factors.void_record import VoidRecord
from tests.conftest import CHEAP
from tests.forks import forks
from tests.person import Person
from tests.sizes import drill
from tests.test_mark import IN, run

LABEL = "carol@example.com #7"


KILLS, ROWS = drill((5, 1_000), (200, 20_000))
"""Points at which a rotation is killed; sealed values besides those that are written meanwhile."""
OTHERS = 1
"""Sealed values besides: the secret of Carol's app."""


def keys_of(app: Flask) -> Path:
    return Path(app.instance_path) / "keys"


def fill(app: Flask) -> None:
    """Seal many secrets of dead records."""
    with app.app_context():
        rows = []
        for number in range(ROWS):
            row = VoidRecord(
                seal_id=sealed.new_id(), account_id=1, label=LABEL, voided_at=clock.now()
            )
            row.seal("sealed_secret", f"secret {number}")
            names = ("seal_id", "account_id", "label", "voided_at", "sealed_secret")
            rows.append({name: getattr(row, name) for name in names})
        db.session.execute(insert(VoidRecord), rows)
        db.session.commit()
        db.engine.dispose()


def secrets_of(app: Flask) -> list[str]:
    with app.app_context():
        rows = db.session.scalars(select(VoidRecord).where(VoidRecord.label == LABEL)).all()
        return sorted(row.unseal("sealed_secret") for row in rows)


class Writer:
    """Somebody who seals again and again, with a ring of their own as another process has."""

    def __init__(self, app: Flask) -> None:
        config = {"INSTANCE": app.instance_path, **CHEAP}
        self.app = create_app(config | {"DATABASE_URL": app.config["DATABASE_URL"]})
        self.ended, self.written, self.faults = threading.Event(), 0, list[str]()
        self.thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        while not self.ended.wait(0.01):
            try:
                with self.app.app_context():
                    secret = f"written {self.written}"
                    void_record.keep(1, Record(LABEL, secret), clock.now())
                    db.session.commit()
                    self.written += 1
            except Exception as error:
                self.faults.append(repr(error))

    def __enter__(self) -> "Writer":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        with self.app.app_context():
            db.engine.dispose()


def settings_of(app: Flask) -> dict[str, str]:
    return {
        "ONWARD_INSTANCE": app.instance_path,
        "ONWARD_DATABASE_URL": str(app.config["DATABASE_URL"]),
    }


@pytest.mark.drill
def test_killed_anywhere_it_goes_on(
    site: Flask, record_property: Callable[[str, str], None]
) -> None:
    fill(site)
    carol: Person = site.extensions["carol"]
    codes, chance, statuses = list(carol.codes), random.Random(162), list[int]()

    with Writer(site) as writer, forks(settings_of(site)) as processes:
        while statuses.count(-signal.SIGKILL) < KILLS:
            after = chance.randint(0, 6)
            delay = chance.random() * (0.02 if after else 0.5)
            statuses.append(processes.kill("keys rotate", after, delay))
            if codes:
                carol.sign_in()
                assert carol.press("/signin/backup-code", code=codes.pop()).heading == IN
                carol.sign_out()
        done = run(site, "keys", "rotate")
        assert done.exit_code == 0, done.output

    assert set(statuses) <= {0, -signal.SIGKILL}
    assert writer.faults == []
    assert writer.written > 0
    assert run(site, "keys", "rotate").exit_code == 0  # what was on its way when it ended
    every = [f"secret {n}" for n in range(ROWS)] + [f"written {n}" for n in range(writer.written)]
    assert secrets_of(site) == sorted(every)
    status = run(site, "keys", "status")
    assert status.exit_code == 0, status.output
    *older, newest = [line for line in status.output.splitlines() if line.startswith("seal-")]
    assert f"sealed values: {ROWS + writer.written + OTHERS};" in newest
    assert older
    assert all("sealed values: 0;" in line for line in older)
    assert not list((keys_of(site)).glob(".new-*"))
    record_property("drill", f"{KILLS} kills, {writer.written} values written meanwhile, 0 lost")
