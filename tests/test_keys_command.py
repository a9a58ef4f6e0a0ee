"""`keys status`, `rotate` and `retire`: what they refuse, and what they leave behind (S-162)."""

import os
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text

import keys
from app import create_app
from db import db
from operations import key_lock
from tests import copies
from tests.conftest import FIT
from tests.person import Person, app_code, letters, text_of
from tests.test_key_rotation import beside, folder_of
from tests.test_mark import IN, mark_of, run, served
from tests.upgrades import installed as old_installation

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]


def later(**length: float) -> time_machine.travel:
    return time_machine.travel(datetime.now(UTC) + timedelta(**length), tick=True)


def refused(app: Flask, *arguments: str) -> str:
    done = run(app, "keys", *arguments)
    assert done.exit_code == 1, done.output
    return done.output


def files(app: Flask) -> dict[str, bytes]:
    return {str(f): f.read_bytes() for f in folder_of(app).rglob("*.key")}


def test_a_new_key_is_a_file_of_its_own(app: Flask, carol: Person, rows: Rows) -> None:
    before = files(app)

    printed = beside(app, "keys", "rotate")

    made = folder_of(app) / "seal-2.key"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert {name: text for name, text in files(app).items() if name != str(made)} == before
    assert "authenticators.sealed_secret: 1 sealed anew" in printed
    assert rows("SELECT kind, result FROM events ORDER BY id DESC LIMIT 1") == [
        ("keys rotated", "seal-2")
    ]


def test_status_counts_what_needs_a_key(app: Flask, carol: Person) -> None:
    status = run(app, "keys", "status")
    assert status.exit_code == 0
    assert [line.split()[0] for line in status.output.splitlines()] == list(keys.NAMES)
    assert "sealed values: 1;" in status.output.splitlines()[0]
    assert "lists of backup codes: 1;" in status.output.splitlines()[1]

    with app.app_context():
        db.session.execute(text("UPDATE authenticators SET sealed_secret = '7:AAAA'"))
        db.session.execute(text("UPDATE backup_codes SET pepper_id = 3"))
        db.session.commit()

    status = run(app, "keys", "status")
    assert status.exit_code == 1
    assert "MISSING    seal-7; sealed values: 1" in status.output
    assert "MISSING    pepper-3; lists of backup codes: 1" in status.output


def test_a_key_in_use_is_not_retired(app: Flask, carol: Person, snapshot: Snapshot) -> None:
    """S-162b."""
    assert "seal-1 is the newest" in refused(app, "retire", "1")
    beside(app, "keys", "rotate")
    with app.app_context():  # a process with an older ring was late
        old = keys.KeyRing({n: k for n, k in _stored(app).items() if n != "seal-2"})
        keys.hold(app, old)
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.to_codes()
    before, kept = snapshot(), files(app)

    assert "seal-2 has been in use since" in refused(app, "retire", "1")
    with later(minutes=11):
        assert "Values sealed with seal-1: 2." in refused(app, "retire", "seal-1")

    assert (snapshot(), files(app)) == (before, kept)


def test_a_key_that_came_by_itself_retires_none_before_it(
    app: Flask, carol: Person, snapshot: Snapshot
) -> None:
    """Nobody knows since when it makes: the thirty days can't be counted."""
    (folder_of(app) / "signing-2.key").write_text("ab" * 32)
    before, kept = snapshot(), files(app)

    assert "keys rotate signing" in refused(app, "retire", "signing")

    assert (snapshot(), files(app)) == (before, kept)


def test_a_retired_key_that_is_also_a_variable_is_told_so(
    app: Flask, carol: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved out of its folder alone, it would still be in every ring."""
    monkeypatch.setenv("ONWARD_KEY_SEAL", (folder_of(app) / "seal-1.key").read_text())
    monkeypatch.setenv("ONWARD_KEY_SEAL_2", "ab" * 32)
    beside(app, "keys", "rotate")
    with later(minutes=11):
        done = run(app, "keys", "retire", "1")
    assert (done.exit_code, "Take it out of the environment" in done.output) == (0, True)


def _stored(app: Flask) -> dict[str, bytes]:
    return {f.stem: bytes.fromhex(f.read_text()) for f in folder_of(app).glob("*.key")}


def test_a_retired_key_is_really_unused(
    app: Flask, carol: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    """S-162e: started without it, everything opens."""
    beside(app, "keys", "rotate")
    with later(minutes=11):
        done = beside(app, "keys", "retire", "1")
    aside = folder_of(app) / "retired" / "seal-1.key"
    assert f"seal-1 lies in {aside} now" in done
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    aside.unlink()

    served(app)
    assert run(app, "keys", "status").exit_code == 0
    app.config.update(FIT)
    assert "FAULT" not in run(app, "doctor").output
    assert run(app, "init").exit_code == 0
    carol.sign_in()
    assert carol.press("/signin/code", code=app_code(carol.key)).heading == IN
    assert "There is no key seal-1" in refused(app, "retire", "1")


def test_the_newest_backup_that_needs_a_key_is_named(app: Flask, tmp_path: Path) -> None:
    run(app, "backup", str(tmp_path / "first"))
    run(app, "backup", str(tmp_path / "second"))
    beside(app, "keys", "rotate")
    with later(minutes=11):
        done = beside(app, "keys", "retire", "1")

    assert f"The newest backup that needs it is {tmp_path}/second of " in done


def test_of_two_rotations_at_once_one_wins(app: Flask, carol: Person) -> None:
    """S-162c."""
    with app.app_context(), key_lock.alone():
        assert "Another command is changing the keys." in refused(app, "rotate")
        assert "Another command is changing the keys." in refused(app, "retire", "1")
    assert sorted(f.name for f in folder_of(app).glob("seal*")) == ["seal-1.key"]

    results, barrier = list[int](), threading.Barrier(3)

    def rotate() -> None:
        barrier.wait()
        results.append(run(create_app({"INSTANCE": app.instance_path}), "keys", "rotate").exit_code)

    threads = [threading.Thread(target=rotate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [f.name for f in folder_of(app).glob("seal*")]
    assert len(made) == 1 + results.count(0) >= 2
    assert run(app, "keys", "status").exit_code == 0


def test_a_rotation_killed_before_the_database_knows_the_key_goes_on(
    app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both rings are right meanwhile: start, init and doctor say so."""
    app.config.update(FIT)
    (folder_of(app) / "pepper-2.key").write_text(os.urandom(32).hex())
    (folder_of(app) / "pepper-2.key").chmod(0o600)
    served(app)
    assert "FAULT" not in run(app, "doctor").output
    assert "not used yet" in run(app, "keys", "status").output

    beside(app, "keys", "rotate", "pepper")

    assert sorted(f.name for f in folder_of(app).glob("pepper*")) == ["pepper-2.key", "pepper.key"]
    assert "not used yet" not in run(app, "keys", "status").output
    assert run(app, "init").exit_code == 0


def test_a_ring_without_a_key_of_the_database_is_refused_everywhere(
    app: Flask, capsys: pytest.CaptureFixture[str], snapshot: Snapshot
) -> None:
    beside(app, "keys", "rotate")
    (folder_of(app) / "seal-2.key").unlink()
    before = snapshot()
    sentence = "The database needs keys that are missing: seal-2."

    with pytest.raises(SystemExit) as ended:
        create_app({"INSTANCE": app.instance_path})
    assert (ended.value.code, sentence in capsys.readouterr().err) == (3, True)
    assert sentence in run(app, "init").output
    assert "FAULT  keys belong to the database: seal-2 missing" in run(app, "doctor").output
    assert sentence in refused(app, "rotate")
    assert sentence in run(app, "restore", "--yes").output
    assert snapshot() == before


def test_old_lists_of_codes_end_on_demand_and_their_owners_are_told(
    app: Flask, carol: Person, rows: Rows
) -> None:
    beside(app, "keys", "rotate", "pepper", "--renew")

    carol.sign_in()
    for code in carol.codes[:2]:
        refusal = carol.press("/signin/backup-code", code=code)
        assert "no longer work. Get new ones." in refusal.error
        with later(minutes=11):  # what was made with a retired pepper can't be recognised
            run(app, "keys", "retire", "pepper")
    assert not (folder_of(app) / "pepper.key").exists()
    run(app, "mail", "deliver")
    told = [mail for mail in letters(app) if "no longer work" in str(mail["Subject"])]
    assert [str(mail["To"]) for mail in told] == ["carol@example.com"]
    assert "Account security" in text_of(told[0])
    assert rows("SELECT count(*) FROM outbox WHERE kind = 'backup_codes_ended'") == [(1,)]


def test_a_pepper_that_codes_need_is_not_retired(app: Flask, carol: Person) -> None:
    run(app, "account", "reset", "carol@example.com", "--reason", "lost")
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.set_up()
    beside(app, "keys", "rotate", "pepper")
    with later(minutes=11):
        assert "Lists of backup codes that need pepper: 1." in refused(app, "retire", "pepper")
        beside(app, "keys", "rotate", "pepper", "--renew")
        assert "Reset codes that need pepper: 1." in refused(app, "retire", "pepper")
    with later(days=8):
        assert "pepper lies in" in beside(app, "keys", "retire", "pepper")


def test_what_is_signed_lives_thirty_days(app: Flask) -> None:
    beside(app, "keys", "rotate", "signing")
    with later(days=29):
        assert "signing may be needed until" in refused(app, "retire", "signing")
    with later(days=31):
        beside(app, "keys", "retire", "signing")
    assert sorted(f.name for f in folder_of(app).glob("signing*")) == ["signing-2.key"]


def test_an_old_copy_opens_with_retired_keys_and_is_sealed_anew(
    site: Flask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    carol: Person = site.extensions["carol"]
    copy = copies.take(site, tmp_path / "copy")
    assert run(site, "keys", "rotate").exit_code == 0
    with later(minutes=11):
        assert run(site, "keys", "retire", "1").exit_code == 0
    copies.put_back(site, copy)
    aside = folder_of(site) / "retired" / "seal-1.key"
    right = aside.read_text()
    aside.write_text(os.urandom(32).hex())
    assert "The database needs keys that are missing: seal-1." in run(site, "init").output
    aside.write_text(right)
    with pytest.raises(SystemExit):
        create_app({"INSTANCE": site.instance_path, "DATABASE_URL": site.config["DATABASE_URL"]})
    assert "They are among the retired ones" in capsys.readouterr().err
    assert run(site, "init").exit_code == 0
    mark_of(site).unlink()
    assert "among the retired ones" in run(site, "restore", "--current", "--yes").output

    done = run(site, "restore", "--yes")

    assert done.exit_code == 0, done.output
    served(site)
    with site.app_context():
        sealed = "SELECT substr(sealed_secret, 1, 2) FROM authenticators"
        assert db.session.scalars(text(sealed)).all() == ["2:"]
    aside.unlink()
    carol = Person(site, "carol@example.com")
    with later(minutes=2):
        carol.sign_in()
        code = app_code(site.extensions["carol"].key)
        assert carol.press("/signin/code", code=code).heading == IN


def test_keys_of_the_environment_rotate_by_another_variable(
    app: Flask, carol: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for purpose, text_of_key in (("SEAL", "seal-1"), ("PEPPER", "pepper"), ("SIGNING", "signing")):
        monkeypatch.setenv(
            f"ONWARD_KEY_{purpose}", (folder_of(app) / f"{text_of_key}.key").read_text()
        )
        (folder_of(app) / f"{text_of_key}.key").unlink()
    assert "ONWARD_KEY_SEAL_2" in refused(app, "rotate")
    assert files(app) == {}

    monkeypatch.setenv("ONWARD_KEY_SEAL_2", os.urandom(32).hex())
    beside(app, "keys", "rotate")
    with later(minutes=11):
        assert "Take it out of the environment" in beside(app, "keys", "retire", "1")
    monkeypatch.setenv("ONWARD_KEY_SEAL", '{"2": "' + os.environ["ONWARD_KEY_SEAL_2"] + '"}')
    monkeypatch.delenv("ONWARD_KEY_SEAL_2")

    again = create_app({"INSTANCE": app.instance_path})
    person = Person(again, "carol@example.com")
    person.sign_in()
    assert person.press("/signin/code", code=app_code(carol.key)).heading == IN
    with again.app_context():
        db.engine.dispose()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("retire", "seal-9"), "There is no key seal-9."),
        (("retire", "../x"), "../x is not the name of a key."),
        (("rotate", "--renew"), "--renew is for the pepper"),
    ],
)
def test_what_cannot_be_done_is_said(
    app: Flask, arguments: tuple[str, ...], sentence: str, snapshot: Snapshot
) -> None:
    before, kept = snapshot(), files(app)
    assert sentence in refused(app, *arguments)
    assert (snapshot(), files(app)) == (before, kept)


def test_lists_of_before_the_upgrade_have_the_first_pepper(tmp_path: Path) -> None:
    app = old_installation(tmp_path / "instance", "0011", **FIT)
    assert run(app, "init").exit_code == 0
    with app.app_context():
        assert db.session.scalars(text("SELECT DISTINCT pepper_id FROM backup_codes")).all() == [1]
        db.engine.dispose()
