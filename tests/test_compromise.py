"""`restore --compromised`: somebody else has the database and its keys (S-162)."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

import keys
from db import db
from tests.person import Person, app_code, letters
from tests.test_keys_command import files
from tests.test_mark import IN, run, served

Snapshot = Callable[[], dict[str, list[str]]]
LEAKED = "seal-1", "pepper", "signing"


def test_nothing_of_the_leaked_copy_is_worth_anything(site: Flask, tmp_path: Path) -> None:
    carol: Person = site.extensions["carol"]
    thief = Person(site, "carol@example.com")
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key, steps=-1), trust="1")

    done = run(site, "restore", "--compromised", "--yes")

    assert done.exit_code == 0, done.output
    assert "every authenticator app and every backup email. All keys are new." in done.output
    served(site)
    folder = Path(site.instance_path) / "keys"
    assert sorted(f.stem for f in folder.glob("*.key")) == ["pepper-2", "seal-2", "signing-2"]
    assert sorted(f.stem for f in folder.glob("retired/*.key")) == sorted(LEAKED)
    assert run(site, "keys", "status").exit_code == 0
    with site.app_context():
        sealed = text("SELECT count(*) FROM authenticators WHERE sealed_secret IS NOT NULL")
        assert db.session.scalar(sealed) == 0
        assert db.session.scalar(text("SELECT count(*) FROM void_records")) == 0
    assert carol.visit("/security").heading == "Sign in"
    thief.sign_in()
    assert thief.visit("/signin/code").heading == "Set up two-factor authentication"
    thief.sign_out()

    carol.sign_in()
    codes = carol.set_up()
    carol.sign_out()
    carol.sign_in()
    assert carol.press("/signin/backup-code", code=carol.codes[0]).status == 422
    assert carol.press("/signin/backup-code", code=codes[0]).heading == IN
    run(site, "mail", "deliver")
    told = [m for m in letters(site) if "two-factor authentication has ended" in str(m["Subject"])]
    assert sorted(str(m["To"]) for m in told) == [
        f"{name}@example.com" for name in ("alice", "bob", "carol")
    ]


def test_a_cookie_that_the_thief_signs_is_none(app: Flask, carol: Person) -> None:
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    leaked = keys.load(Path(app.instance_path) / "keys")
    assert run(app, "restore", "--compromised", "--yes").exit_code == 0
    with app.app_context():
        assert not set(leaked.derived("session")) & set(keys.ring().derived("session"))


def test_run_twice_it_ends_what_was_begun(app: Flask, carol: Person) -> None:
    for number in (2, 3):
        assert run(app, "restore", "--compromised", "--yes").exit_code == 0
        assert f"{Path(app.instance_path)}/keys/seal-{number}.key" in files(app)
    served(app)


def test_it_asks_first_and_refuses_what_contradicts_itself(
    app: Flask, carol: Person, snapshot: Snapshot
) -> None:
    before, kept = snapshot(), files(app)

    asked = app.test_cli_runner().invoke(args=["restore", "--compromised"], input="n\n")
    both = run(app, "restore", "--compromised", "--current", "--yes")

    assert (asked.exit_code, "end every second factor?" in asked.output) == (1, True)
    assert (both.exit_code, "--current changes nothing" in both.output) == (1, True)
    assert (snapshot(), files(app)) == (before, kept)


def test_keys_of_the_environment_must_be_new_before_anything_ends(
    app: Flask, carol: Person, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path(app.instance_path) / "keys" / "pepper.key"
    monkeypatch.setenv("ONWARD_KEY_PEPPER", file.read_text())
    file.unlink()
    before, kept = snapshot(), files(app)

    refused = run(app, "restore", "--compromised", "--yes")

    assert (refused.exit_code, "ONWARD_KEY_PEPPER_2" in refused.output) == (1, True)
    assert (snapshot(), files(app)) == (before, kept)

    monkeypatch.setenv("ONWARD_KEY_PEPPER_2", "ab" * 32)
    done = run(app, "restore", "--compromised", "--yes")
    assert done.exit_code == 0, done.output
    assert "Take these keys out of the environment: pepper.\n" in done.output
    monkeypatch.delenv("ONWARD_KEY_PEPPER")
    served(app)
