"""`restore` killed at random points: nothing or all of it, and it can be run again (S-164)."""

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from flask import Flask
from flask.cli import main

from db import db
from tests import copies
from tests.forks import until
from tests.sizes import drill
from tests.test_mark import mark_of, refused, served, spend
from tests.test_restore import ROOT, restored, rows_of

KILLS = drill(5, 200)
SERVER = get_context("forkserver")
SERVER.set_forkserver_preload(["app", "tests.test_restore_kills"])
PEOPLE = 3
UNENDED = "A restore of this database has not ended here"
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
FRESH = "SELECT count(*) FROM backup_codes WHERE stale_at IS NULL AND used_at IS NULL"
ALIVE = "SELECT count(*) FROM sign_ins WHERE ended_at IS NULL"
MAILS = "SELECT count(*) FROM outbox WHERE kind = 'restored'"


def command(app_settings: dict[str, str], question: Connection, reply: Connection) -> None:
    """Be the command, with the two pipes as its output and its input."""
    os.environ |= app_settings
    os.chdir(ROOT)
    os.dup2(reply.fileno(), 0)
    os.dup2(question.fileno(), 1)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.argv = ["flask", "--app", "app", "restore"]
    main()


class Restore:
    """One run of the command in a process of its own, at its question.

    It is forked from a process that has imported the application, as a run of its own would
    for a second or two: that is no part of the trial.
    """

    def __init__(self, app: Flask) -> None:
        settings = {
            "ONWARD_INSTANCE": app.instance_path,
            "ONWARD_DATABASE_URL": str(app.config["DATABASE_URL"]),
        }
        self.output, question = Pipe(duplex=False)
        reply, self.input = Pipe(duplex=False)
        self.process = SERVER.Process(target=command, args=(settings, question, reply))
        self.process.start()
        question.close()
        reply.close()
        asked = b""
        while not asked.endswith(b"[y/N]: "):
            one = os.read(self.output.fileno(), 1)
            assert one, asked
            asked += one

    def go_on(self) -> None:
        os.write(self.input.fileno(), b"y\n")

    def end(self) -> None:
        self.process.join()
        for end in (self.output, self.input):
            end.close()


def killed(app: Flask, after: float) -> None:
    """Kill the command so many seconds after it was told to go on; wait until all is over."""
    run = Restore(app)
    run.go_on()
    time.sleep(after)
    run.process.kill()
    run.end()
    if app.config["DATABASE_URL"]:  # its backend may still be at the last thing it was told
        with app.app_context():
            db.engine.dispose()
        until(lambda: rows_of(app, OTHERS) == 1)


def length(app: Flask) -> float:
    """Return the seconds from the answer to the first word about what was done."""
    run = Restore(app)
    start = time.monotonic()
    run.go_on()
    assert os.read(run.output.fileno(), 1) == b"E"  # Ended: …
    spent = time.monotonic() - start
    while os.read(run.output.fileno(), 4096):
        pass
    run.end()
    assert run.process.exitcode == 0
    return spent


def stands(app: Flask, refusal: Callable[[], str], before: tuple[str, int, int]) -> str:
    """Return how far the killed command came; each way it is nothing, or all but served."""
    told, fresh, alive = before
    if rows_of(app, "SELECT epoch FROM installation") == 0:
        assert refusal() == told
        assert (rows_of(app, FRESH), rows_of(app, ALIVE), rows_of(app, MAILS)) == (fresh, alive, 0)
        return "nothing was done"
    assert (rows_of(app, FRESH), rows_of(app, ALIVE)) == (0, 0)
    if int(mark_of(app).read_text().split()[1]) == 0:
        assert UNENDED in refusal()
        return "done, not served yet"
    assert rows_of(app, MAILS) == PEOPLE
    served(app)
    return "done and served"


@pytest.mark.drill
def test_killed_anywhere_it_is_nothing_or_is_run_again(
    site: Flask,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    copy, mark = copies.take(site, tmp_path / "copy"), mark_of(site)
    spend(site)
    kept = mark.read_text()
    copies.put_back(site, copy)
    before = refused(site, capsys), rows_of(site, FRESH), rows_of(site, ALIVE)
    assert before[1] == 10
    whole, chance, found = length(site), random.Random(164), Counter[str]()

    for _ in range(KILLS):
        copies.put_back(site, copy)
        mark.write_text(kept)
        killed(site, chance.random() * whole * 1.2)
        found[stands(site, lambda: refused(site, capsys), before)] += 1
        restored(site)
        served(site)
        assert (rows_of(site, FRESH), rows_of(site, MAILS)) == (0, PEOPLE)  # nobody is told twice

    assert found.total() == KILLS
    name = "PostgreSQL" if site.config["DATABASE_URL"] else "SQLite"
    told = ", ".join(f"{state}: {number}" for state, number in sorted(found.items()))
    record_property("drill", f"{name}, {KILLS} kills within {whole * 1000:.0f} ms: {told}")
