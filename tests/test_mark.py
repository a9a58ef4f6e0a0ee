"""An old copy of the database is noticed at the next start (S-164)."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from accounts import events
from app import create_app
from db import db
from operations import mark
from tests import copies
from tests.administration import administrator, press
from tests.conftest import CHEAP, FIT, NOON, install, uninstalled
from tests.person import Person, app_code
from tests.test_house import product_files
from tests.upgrades import installed as old_installation

Rows = Callable[[str], list[tuple[object, ...]]]
IN = "Two-factor authentication"
BEHIND = "This database is older than what was served here last"


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments))


def mark_of(app: Flask) -> Path:
    return Path(app.instance_path) / "mark"


def marked_event(app: Flask) -> int:
    return int(mark_of(app).read_text().split()[2])


def newest_event(app: Flask) -> int:
    with app.app_context():
        return int(db.session.scalar(text("SELECT max(id) FROM events")) or 0)


def refused(app: Flask, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the sentence with which a start of the installation ends."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        served(app)
    assert ended.value.code == 3
    return capsys.readouterr().err


def served(app: Flask) -> None:
    again = create_app(
        {"INSTANCE": app.instance_path, "DATABASE_URL": app.config["DATABASE_URL"], **CHEAP}
    )
    with again.app_context():
        db.engine.dispose()


def spend(app: Flask) -> Person:
    """Let Carol use a backup code and an app code, and stay signed in."""
    carol: Person = app.extensions["carol"]
    carol.sign_in()
    assert carol.press("/signin/backup-code", code=carol.codes[0]).heading == IN
    carol.sign_out()
    carol.sign_in()
    assert carol.press("/signin/code", code=app_code(carol.key)).heading == IN
    return carol


def test_an_older_copy_is_not_served(
    site: Flask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = copies.take(site, tmp_path / "copy")
    before = newest_event(site)
    spend(site)
    lost = newest_event(site) - before
    assert marked_event(site) == newest_event(site)

    copies.put_back(site, copy)

    told = refused(site, capsys)
    assert told == (
        f"{BEHIND} (missing events: {lost}). If you put back a copy, run: flask --app app restore\n"
    )
    assert told.strip() in run(site, "doctor").output
    upgraded = run(site, "init")
    assert (upgraded.exit_code, told.strip() in upgraded.output) == (0, True)
    assert "Ready" not in upgraded.output
    assert told == refused(site, capsys)


def test_the_newest_copy_is_served(site: Flask, tmp_path: Path) -> None:
    spend(site)
    copy = copies.take(site, tmp_path / "copy")

    copies.put_back(site, copy)

    served(site)


def test_a_command_cannot_make_an_older_copy_look_new(
    site: Flask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = copies.take(site, tmp_path / "copy")
    spend(site)
    before = mark_of(site).read_text()
    copies.put_back(site, copy)

    assert run(site, "organisation", "add", "New").exit_code == 0

    assert mark_of(site).read_text() == before
    assert BEHIND in refused(site, capsys)


@pytest.mark.parametrize("spoiled", [None, "", "x" * 66, "0" * 32 + " 1 2\n"])
def test_a_mark_that_is_missing_is_not_made_anew(
    app: Flask, capsys: pytest.CaptureFixture[str], spoiled: str | None
) -> None:
    mark_of(app).unlink()
    if spoiled is not None:
        mark_of(app).write_text(spoiled)
    told = refused(app, capsys)

    assert told.startswith(f"No mark is at {mark_of(app)}, so nobody can tell")
    assert "flask --app app restore. If it is the newest there is: " in told
    assert told.strip().endswith("flask --app app restore --current")
    assert run(app, "init").exit_code == 0
    assert run(app, "organisation", "add", "New").exit_code == 0
    assert refused(app, capsys) == told


def test_the_mark_of_another_installation_says_nothing(
    app: Flask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = install(tmp_path / "other")
    mark_of(app).write_text(mark_of(other).read_text())

    assert refused(app, capsys).startswith("The mark of another installation is at")
    with other.app_context():
        db.engine.dispose()


def test_an_installation_without_accounts_gets_its_mark_from_init(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = uninstalled(tmp_path / "new")
    assert run(app, "init").exit_code == 0
    mark_of(app).unlink()
    assert refused(app, capsys).endswith("Run: flask --app app init\n")

    assert run(app, "init").exit_code == 0

    served(app)
    with app.app_context():
        db.engine.dispose()


def test_an_older_version_gets_its_mark_at_the_upgrade(tmp_path: Path) -> None:
    app = old_installation(tmp_path / "instance", "0011", **FIT)

    assert "Ready" in run(app, "init").output

    assert marked_event(app) == newest_event(app)
    served(app)
    with app.app_context():
        db.engine.dispose()


def test_a_copy_from_before_marks_is_noticed_where_a_mark_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The upgrade makes it an installation of its own, which must not write its first mark."""
    app = old_installation(tmp_path / "instance", "0011", **FIT)
    copy = copies.take(app, tmp_path / "copy")
    assert run(app, "init").exit_code == 0
    copies.put_back(app, copy)

    upgraded = run(app, "init")

    assert "Ready" not in upgraded.output
    assert "The mark of another installation" in upgraded.output
    assert "The mark of another installation" in refused(app, capsys)


def test_every_event_passes_where_the_mark_learns_of_it() -> None:
    """A bulk INSERT would be spent without a trace outside the database."""
    for source in product_files():
        if source.name != "events.py":
            assert not re.search(r"insert\((?:events\.)?Event\b", source.read_text("utf-8")), source


def test_many_people_added_at_once_move_the_mark(app: Flask) -> None:
    dora = administrator(app)
    dora.visit("/admin/people/add")
    before = newest_event(app)

    press(dora, "Add people", people="Erin, erin@example.com\nFinn, finn@example.com")

    assert marked_event(app) == newest_event(app) == before + 2


def test_an_event_that_was_rolled_back_moves_no_mark(app: Flask) -> None:
    before = mark_of(app).read_text()
    with app.app_context():
        events.record("unlocked", 1, NOON)
        db.session.flush()
        assert mark_of(app).read_text() == before
        db.session.rollback()
        db.session.execute(text("UPDATE accounts SET name = 'Ann' WHERE id = 1"))
        db.session.commit()
    assert mark_of(app).read_text() == before


def test_a_request_with_an_event_writes_the_mark_once_and_others_never(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cheap: one write of a few bytes in place, after the commit."""
    written: list[bytes] = []

    def counted(handle: int, data: bytes, offset: int) -> int:
        written.append(data)
        return really(handle, data, offset)

    really = os.pwrite
    monkeypatch.setattr(os, "pwrite", counted)
    bob = Person(app, "bob@example.com")
    bob.visit("/signin")
    bob.visit("/help")
    assert written == []

    bob.sign_in()

    assert len(written) == 1
    assert marked_event(app) == newest_event(app)
    size = mark_of(app).stat().st_size
    bob.sign_out()
    assert mark_of(app).stat().st_size == size == len(str(mark.Mark("a" * 32, 0, 0)))


def test_the_mark_may_lie_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    app = install(tmp_path / "instance", MARK_FILE=str(elsewhere / "onward-mark"))

    assert not mark_of(app).exists()
    assert str(newest_event(app)) in (elsewhere / "onward-mark").read_text()
    with app.app_context():
        db.engine.dispose()


def test_a_mark_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    app = uninstalled(tmp_path / "new", MARK_FILE="no/such/mark")

    refusal = run(app, "init")

    assert (refusal.exit_code, "Ready" in refusal.output) == (1, False)
    told = f"The mark {app.instance_path}/no/such/mark can't be written: No such file or directory."
    assert told in refusal.output
    (tmp_path / "new" / "no" / "such").mkdir(parents=True)
    assert "Ready" in run(app, "init").output
    with app.app_context():
        db.engine.dispose()


def test_a_clock_that_was_set_back_changes_nothing(app: Flask, carol: Person) -> None:
    with time_machine.travel(NOON - timedelta(days=4000)):
        served(app)
