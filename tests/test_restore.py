"""`restore` makes an old copy of the database safe before it is served (S-164)."""

import os
import re
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import create_engine, text

from app import create_app
from db import db
from tests import copies
from tests.conftest import CHEAP, add_person
from tests.forks import running, until
from tests.person import Person, app_code, letters, text_of
from tests.test_forgot import left_behind
from tests.test_mark import IN, mark_of, newest_event, refused, run, served, spend

ROOT = Path(__file__).parent.parent
Rows = Callable[[str], list[tuple[object, ...]]]
STALE = r"Backup codes from before \d+ \w+ \d{4}.* no longer work\. Get new ones\."


def scalar(app: Flask, query: str) -> Any:
    with app.app_context():
        return db.session.scalar(text(query))


def restored(app: Flask) -> str:
    """Run the command as an operator does; return what it prints."""
    done = run(app, "restore", "--yes")
    assert done.exit_code == 0, done.output
    return done.output


def test_what_was_spent_after_the_copy_stays_spent(
    site: Flask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """D.1: before, the backup code, the app code and the sign-in were all good again."""
    carol: Person = site.extensions["carol"]
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key, steps=-1))
    assert carol.visit("/security").heading == IN
    copy = copies.take(site, tmp_path / "copy")
    carol.sign_out()
    carol.sign_in()
    assert carol.press("/signin/backup-code", code=carol.codes[0]).heading == IN
    carol.sign_out()
    carol.sign_in()
    spent = app_code(carol.key)
    assert carol.press("/signin/code", code=spent).heading == IN
    alive = carol.client.get_cookie("onward")
    assert alive is not None

    copies.put_back(site, copy)
    refused(site, capsys)
    restored(site)
    served(site)

    thief = Person(site, "carol@example.com")
    thief.sign_in()
    assert thief.press("/signin/code", code=spent).error.startswith("You have used that code")
    assert re.match(STALE, thief.press("/signin/backup-code", code=carol.codes[0]).error)
    assert re.match(STALE, thief.press("/signin/backup-code", code=carol.codes[1]).error)
    assert carol.visit("/security").heading == "Sign in"
    assert scalar(site, "SELECT count(*) FROM sign_ins WHERE ended_at IS NULL") == 1  # the thief's
    later = datetime.now().astimezone() + timedelta(seconds=90)
    with time_machine.travel(later, tick=True):
        assert thief.press("/signin/code", code=app_code(carol.key)).heading == IN


def test_a_sign_in_of_the_copy_is_dead(site: Flask, tmp_path: Path) -> None:
    carol: Person = site.extensions["carol"]
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key), trust="1")
    assert carol.visit("/security").heading == IN
    copy = copies.take(site, tmp_path / "copy")
    run(site, "organisation", "add", "New")
    copies.put_back(site, copy)

    restored(site)

    assert carol.visit("/security").heading == "Sign in"
    assert carol.sign_in().heading == "Enter your code"  # trust is gone, too
    assert carol.page.status == 200


@pytest.fixture
def old(app: Flask, carol: Person, tmp_path: Path) -> Flask:
    """An installation whose database is behind its mark."""
    copy = copies.take(app, tmp_path / "copy")
    app.extensions["carol"] = carol
    spend(app)
    copies.put_back(app, copy)
    return app


def test_pages_show_that_no_backup_code_works(old: Flask) -> None:
    restored(old)
    carol = Person(old, "carol@example.com")
    key = old.extensions["carol"].key
    with time_machine.travel(datetime.now().astimezone() + timedelta(minutes=2), tick=True):
        carol.sign_in()
        page = carol.press("/signin/code", code=app_code(key))
        other = Person(old, "carol@example.com")
        other.sign_in()
        ways = other.visit("/signin/another-way")

    assert "You have no backup codes left. Get new codes now" in page.words
    assert "None left: codes made before" in page.words
    assert "no longer work" in page.words
    assert "Backup code" not in ways.words.partition("Use another way")[2]


def test_the_list_of_people_counts_no_stale_code(old: Flask, rows: Rows) -> None:
    add_person(old, "dora", "Hartley & Sons")
    promoted = "UPDATE memberships SET role = 'owner' WHERE account_id = 4"
    with old.app_context():
        db.session.execute(text(promoted))
        db.session.commit()
    dora = Person(old, "dora@example.com")
    dora.sign_in()
    dora.set_up()
    assert "10 codes" in dora.visit("/admin/people").words
    dora.sign_out()

    restored(old)

    with time_machine.travel(datetime.now().astimezone() + timedelta(minutes=2), tick=True):
        dora.sign_in()
        dora.press("/signin/code", code=app_code(dora.key))
        shown = dora.visit("/admin/people").words
    assert "10 codes" not in shown
    assert "carol@example.com" in shown


def test_new_codes_work_after_a_restore(old: Flask) -> None:
    restored(old)
    carol, key = Person(old, "carol@example.com"), old.extensions["carol"].key
    with time_machine.travel(datetime.now().astimezone() + timedelta(minutes=2), tick=True):
        carol.sign_in()
        carol.press("/signin/code", code=app_code(key))
        carol.visit("/setup/codes")
        carol.next()
        codes = carol.page.codes
        carol.next(saved="1")
        carol.sign_out()
        carol.sign_in()
        assert carol.press("/signin/backup-code", code=codes[0]).heading == IN


def test_set_ups_links_codes_and_reset_codes_are_void(
    app: Flask, carol: Person, tmp_path: Path, rows: Rows
) -> None:
    alice, bob = Person(app, "alice@example.com"), Person(app, "bob@example.com")
    alice.sign_in()
    alice.to_codes()
    bob.visit("/signin/forgot")
    bob.press("/signin/forgot", email="bob@example.com")
    link = re.search(r"http://\S+(/signin/reset/\S+)", text_of(letters(app)[-1]))
    assert link is not None
    reset = run(app, "account", "reset", "carol@example.com", "--reason", "lost phone")
    code = re.search(r"only now: (.+)", reset.output)
    assert code is not None
    left_behind(app)

    restored(app)

    assert rows("SELECT count(*) FROM link_requests") == [(0,)]

    assert rows("SELECT void_reason, sealed_secret, sealed_codes FROM wizards WHERE id > 1") == [
        ("restored", None, None)
    ]
    assert "choose" not in bob.visit(link[1]).heading.lower()
    carol.sign_in()
    carol.visit("/signin/reset-code")
    refusal = carol.press("/signin/reset-code", code=code[1])
    assert refusal.error == "That reset code is more than 7 days old. Ask for a new one."
    assert rows("SELECT count(*) FROM password_links WHERE used_at IS NULL") == [(0,)]
    assert rows("SELECT count(*) FROM email_codes WHERE used_at IS NULL") == [(0,)]
    # The demand for a code stays: the password alone begins no set-up.
    assert rows("SELECT reset_digest IS NULL FROM accounts WHERE id = 3") == [(0,)]


def test_it_says_what_it_cannot_know_and_tells_people(old: Flask, rows: Rows) -> None:
    before = newest_event(old)
    printed = restored(old)

    assert re.search(r"The copy ends at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", printed)
    assert "Nobody can know what happened after that" in printed
    assert "People who are told by mail: 3" in printed
    told = rows("SELECT kind, organisation_id FROM events WHERE id > " + str(before))
    assert told == [("restored", None), ("restored", 1), ("restored", 2)]
    run(old, "mail", "deliver")
    mails = [mail for mail in letters(old) if "older records" in mail["Subject"]]
    assert sorted(str(mail["To"]) for mail in mails) == [
        f"{name}@example.com" for name in ("alice", "bob", "carol")
    ]
    assert "Your backup codes no longer work" in text_of(mails[0])


def test_it_asks_first_and_nothing_changes_without_a_yes(
    old: Flask, snapshot: Callable[[], dict[str, list[str]]]
) -> None:
    before, mark = snapshot(), mark_of(old).read_text()

    asked = old.test_cli_runner().invoke(args=["restore"], input="n\n")

    assert asked.exit_code == 1
    assert "Sign 3 people out everywhere" in asked.output
    assert (snapshot(), mark_of(old).read_text()) == (before, mark)


def test_an_old_copy_is_not_taken_as_current(
    old: Flask, snapshot: Callable[[], dict[str, list[str]]]
) -> None:
    before, mark = snapshot(), mark_of(old).read_text()

    refusal = run(old, "restore", "--current", "--yes")

    assert refusal.exit_code == 1
    assert "The mark says that this database is an old copy." in refusal.output
    assert (snapshot(), mark_of(old).read_text()) == (before, mark)


def test_a_database_that_was_moved_is_taken_as_current(
    app: Flask, carol: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    mark_of(app).unlink()
    refused(app, capsys)

    assert run(app, "restore", "--current", "--yes").exit_code == 0

    served(app)
    carol.sign_in()
    assert carol.press("/signin/backup-code", code=carol.codes[0]).heading == IN


def test_another_machine_goes_on_after_a_restore_elsewhere(
    old: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its mark is of the epoch before, with more events than the copy has."""
    theirs = mark_of(old).read_text()
    assert run(old, "restore", "--yes").exit_code == 0
    mark_of(old).write_text(theirs)
    refused(old, capsys)

    done = run(old, "restore", "--current", "--yes")

    assert done.exit_code == 0, done.output
    served(old)


def test_a_copy_from_before_the_last_restore_is_noticed_by_its_epoch(
    app: Flask, carol: Person, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its events are more than those of today: only the epoch tells."""
    app.extensions["carol"] = carol
    first = copies.take(app, tmp_path / "first")
    for number in range(4):
        run(app, "organisation", "add", f"New {number}")
    second = copies.take(app, tmp_path / "second")
    copies.put_back(app, first)
    restored(app)
    copies.put_back(app, second)
    assert newest_event(app) >= int(mark_of(app).read_text().split()[2])

    assert "from before the last restore" in refused(app, capsys)

    restored(app)
    assert mark_of(app).read_text().split()[1] == f"{2:010d}"
    served(app)


def test_keys_of_another_database_restore_nothing(
    old: Flask, snapshot: Callable[[], dict[str, list[str]]]
) -> None:
    (Path(old.instance_path) / "keys" / "pepper.key").write_text(os.urandom(32).hex())
    before = snapshot()

    refusal = run(old, "restore", "--yes")

    assert (refusal.exit_code, "don't belong to the database: pepper" in refusal.output) == (
        1,
        True,
    )
    assert snapshot() == before


def test_messages_of_lost_mails_and_new_ones_have_different_ids(old: Flask) -> None:
    """A row's number comes again after a restore, and mail programs drop what they know."""
    lost = {str(mail["Message-ID"]) for mail in letters(old)}
    restored(old)
    run(old, "mail", "deliver")

    new = [str(mail["Message-ID"]) for mail in letters(old) if "older" in mail["Subject"]]
    assert len(set(new)) == 3
    assert not lost & set(new)


def test_mails_of_the_copy_that_hold_codes_or_links_do_not_leave(
    app: Flask, carol: Person, rows: Rows
) -> None:
    away = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": 9}
    offline = create_app({"INSTANCE": app.instance_path, **CHEAP, **away})
    bob = Person(offline, "bob@example.com")
    bob.visit("/signin/forgot")
    bob.press("/signin/forgot", email="bob@example.com")
    with offline.app_context():
        db.engine.dispose()
    waiting = "SELECT kind, sealed_message IS NULL, failed_at IS NULL FROM outbox WHERE "
    waiting += "sent_at IS NULL AND kind != 'restored'"
    assert rows(waiting) == [("password_reset", 0, 1)]

    restored(app)

    assert rows(waiting) == [("password_reset", 1, 0)]


def rows_of(app: Flask, query: str) -> Any:
    """Read beside the application, with a connection that begins as a reader."""
    engine = create_engine(app.config["SQLALCHEMY_ENGINES"]["default"]["url"])
    with engine.connect() as connection:
        found = connection.execution_options(onward_reads=True).scalar(text(query))
    engine.dispose()
    return found


def test_killed_between_row_and_mark_it_is_not_served_and_runs_again(
    site: Flask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = copies.take(site, tmp_path / "copy")
    spend(site)
    copies.put_back(site, copy)
    # Whoever writes to a pipe waits for a reader: the command stops where it writes the mark.
    os.mkfifo(f"{mark_of(site)}.new")
    with running(site, "restore", "--yes") as process:
        until(lambda: rows_of(site, "SELECT epoch FROM installation") == 1)
        mails = "SELECT count(*) FROM outbox WHERE kind = 'restored'"
        until(lambda: rows_of(site, mails) == 3)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    Path(f"{mark_of(site)}.new").unlink()

    assert "A restore of this database has not ended here" in refused(site, capsys)
    restored(site)
    served(site)

    assert rows_of(site, mails) == 3  # nobody is told twice
    carol = site.extensions["carol"]
    thief = Person(site, "carol@example.com")
    thief.sign_in()
    assert re.match(STALE, thief.press("/signin/backup-code", code=carol.codes[0]).error)


def killed_in_postgresql(app: Flask) -> int:
    """Kill the command where it waits for backup codes that are locked; return its status."""
    engine = create_engine(app.config["SQLALCHEMY_ENGINES"]["default"]["url"])
    with engine.connect() as holder, running(app, "restore", "--yes") as process:
        holder.execute(text("SELECT 1 FROM backup_codes FOR UPDATE"))
        until(lambda: rows_of(app, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
        process.send_signal(signal.SIGKILL)
        status = process.wait()
    engine.dispose()
    return status


MANY_CODES = """
INSERT INTO backup_codes (account_id, salt, digest, made_at)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
SELECT 3, x'00', randomblob(32), '2030-01-01 00:00:00' FROM n
"""


def killed_in_sqlite(app: Flask) -> int:
    """Kill the command once it has written rows that it has not committed; return its status."""
    with app.app_context():
        db.session.execute(text(MANY_CODES))
        db.session.commit()
        db.engine.dispose()
    log = Path(app.instance_path) / "onward.sqlite-wal"
    with running(app, "restore", "--yes") as process:
        until(lambda: log.exists() and log.stat().st_size > 1_000_000)
        process.send_signal(signal.SIGKILL)
        return process.wait()


def test_killed_within_its_transaction_it_has_changed_nothing(
    site: Flask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = copies.take(site, tmp_path / "copy")
    spend(site)
    copies.put_back(site, copy)
    told = refused(site, capsys)

    killed = killed_in_postgresql if site.config["DATABASE_URL"] else killed_in_sqlite

    assert killed(site) == -signal.SIGKILL
    assert rows_of(site, "SELECT epoch FROM installation") == 0
    assert rows_of(site, "SELECT count(*) FROM backup_codes WHERE stale_at IS NOT NULL") == 0
    assert refused(site, capsys) == told
    restored(site)
    served(site)
