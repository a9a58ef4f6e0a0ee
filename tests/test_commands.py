"""The operator's commands: init, organisation add, account add, doctor."""

import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from db import db
from tests.conftest import uninstalled
from tests.person import PASSWORD, Person

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]

FIT = {"PASSWORD_MEMORY_KIB": 19456, "PASSWORD_TIME_COST": 2}


def run(app: Flask, *arguments: str, typed: str = "") -> Result:
    return app.test_cli_runner().invoke(args=list(arguments), input=typed)


def add(app: Flask, email: str, *options: str, typed: str = PASSWORD + "\n") -> Result:
    return run(app, "account", "add", email, "--name", "Dora", *options, typed=typed)


def test_init_makes_keys_that_their_owner_alone_can_read(app: Flask) -> None:
    """S-161."""
    folder = Path(app.instance_path) / "keys"
    found = {file.name: file for file in folder.iterdir()}

    assert set(found) == {"seal-1.key", "pepper.key", "signing.key"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in found.values()} == {0o600}
    texts = {file.read_text("ascii").strip() for file in found.values()}
    assert len(texts) == 3
    assert all(re.fullmatch(r"[0-9a-f]{64}", text) for text in texts)


def test_a_second_init_keeps_the_keys_and_everything_else(
    app: Flask, carol: Person, snapshot: Snapshot
) -> None:
    folder, before = Path(app.instance_path) / "keys", snapshot()
    keys = {file.name: file.read_bytes() for file in folder.iterdir()}

    again = run(app, "init")

    assert again.exit_code == 0
    assert "Made the key" not in again.output
    assert f"Ready: {app.instance_path}" in again.output
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == keys
    assert snapshot() == before
    assert carol.sign_in().heading == "Enter your code"


def test_init_never_shows_a_key(tmp_path: Path) -> None:
    app = uninstalled(tmp_path / "new")
    output = run(app, "init").output

    assert output.count("Back it up apart from the database.") == 3
    for file in (tmp_path / "new" / "keys").iterdir():
        assert file.read_text("ascii").strip() not in output
    with app.app_context():
        db.engine.dispose()


def test_organisation_add_says_what_the_organisation_requires(app: Flask, rows: Rows) -> None:
    added = run(app, "organisation", "add", "Library", "--enforcement", "soft")

    assert added.output == "Added Library: two-factor authentication is soft.\n"
    query = "SELECT enforcement FROM organisations WHERE name = 'Library'"
    assert rows(query) == [("soft",)]


def test_organisation_add_requires_nothing_by_default(app: Flask, rows: Rows) -> None:
    assert run(app, "organisation", "add", "Library").exit_code == 0

    query = "SELECT enforcement FROM organisations WHERE name = 'Library'"
    assert rows(query) == [("off",)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["Reading Room"], "There is an organisation 'Reading Room' already."),
        ([""], "A name is one line of plain text of 1 to 120 characters."),
        (["x" * 121], "A name is one line of plain text of 1 to 120 characters."),
        (["Lib\nrary"], "A name is one line of plain text of 1 to 120 characters."),
        (["Lib\udcff"], "A name is one line of plain text of 1 to 120 characters."),
        (["Library", "--enforcement", "firm"], "'firm' is not one of 'off', 'soft', 'hard'"),
    ],
)
def test_organisation_add_refuses(
    app: Flask, snapshot: Snapshot, arguments: list[str], sentence: str
) -> None:
    before = snapshot()

    refused = run(app, "organisation", "add", *arguments)

    assert refused.exit_code != 0
    assert sentence in refused.output
    assert snapshot() == before


def test_account_add_makes_a_person_who_can_sign_in(app: Flask, rows: Rows) -> None:
    added = add(app, " Dora@Example.COM ", "--organisation", "Reading Room", "--role", "owner")

    assert added.output == "Added dora@example.com.\n"
    assert rows("SELECT role FROM memberships WHERE account_id = 4") == [("owner",)]
    assert rows("SELECT failures FROM throttles WHERE account_id = 4") == [(0,)]
    dora = Person(app, "dora@example.com")
    assert dora.sign_in().heading == "Two-factor authentication"


def test_account_add_needs_no_organisation(app: Flask, rows: Rows) -> None:
    assert add(app, "dora@example.com").exit_code == 0

    assert rows("SELECT count(*) FROM memberships WHERE account_id = 4") == [(0,)]


def test_account_add_keeps_every_sign_of_the_password(app: Flask) -> None:
    odd = "  spaces and ünïcode  "
    assert add(app, "dora@example.com", typed=odd + "\r\n").exit_code == 0

    dora = Person(app, "dora@example.com")
    assert dora.sign_in(odd.strip()).error == "That email and password do not match."
    assert dora.sign_in(odd).heading == "Two-factor authentication"


@pytest.mark.parametrize(
    ("email", "options", "typed", "sentence"),
    [
        ("dora", [], PASSWORD, "'dora' is no email address"),
        ("dora@example.com\nBcc: x@y.example", [], PASSWORD, "is no email address"),
        ("дора@example.com", [], PASSWORD, "is no email address"),
        ("a" * 250 + "@example.com", [], PASSWORD, "is no email address: too long"),
        ("CAROL@example.com", [], PASSWORD, "There is a person with carol@example.com already."),
        ("d@example.com", ["--organisation", "Nobody"], PASSWORD, "no organisation 'Nobody'"),
        ("d@example.com", ["--role", "king"], PASSWORD, "'king' is not one of"),
        ("d@example.com", [], "", "A password needs at least 8 characters."),
        ("d@example.com", [], "short", "A password needs at least 8 characters."),
        ("d@example.com", [], "x" * 1001, "A password has at most 1000 characters."),
        ("d@example.com", [], "Password1", "Too many people use that password."),
        ("d@example.com", ["--name", "Dora\nBcc: x"], PASSWORD, "A name is one line"),
        ("d@example.com", ["--name", ""], PASSWORD, "A name is one line"),
        ("d@example.com", ["--name", "x" * 121], PASSWORD, "A name is one line"),
        ("d@example.com", ["--name", "Dora\udcff"], PASSWORD, "A name is one line"),
        ("d\udcff@example.com", [], PASSWORD, "is no email address"),
        ("d@" + "ü" * 57 + "." + "ü" * 57 + "." + "ü" * 57 + ".example", [], PASSWORD, "address"),
        ("d@example.com", ["--organisation", "a\udcff"], PASSWORD, "no organisation 'a\\udcff'"),
    ],
)
def test_account_add_refuses(
    app: Flask, snapshot: Snapshot, email: str, options: list[str], typed: str, sentence: str
) -> None:
    before = snapshot()

    refused = add(app, email, *options, typed=typed + "\n")

    assert refused.exit_code != 0
    assert sentence in refused.output
    assert not typed or typed not in refused.output
    assert snapshot() == before


@pytest.mark.parametrize("encoding", ["C.UTF-8", "C"])
def test_account_add_refuses_a_password_that_is_no_text(app: Flask, encoding: str) -> None:
    command = [sys.executable, "-m", "flask", "--app", "app", "account", "add"]
    environment = os.environ | {"ONWARD_INSTANCE": app.instance_path, "LC_ALL": encoding}

    refused = subprocess.run(
        [*command, "dora@example.com", "--name", "Dora"],
        input=b"correct horse \xff staple\n",
        cwd=Path(__file__).parent.parent,
        env=environment | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=False,
    )

    assert refused.stderr == b"Error: The password can't be read: it must be UTF-8.\n"


@pytest.fixture
def fit(app: Flask) -> Flask:
    """An installation with which a doctor finds nothing wrong."""
    app.config.update(FIT)
    return app


def test_doctor_finds_nothing_wrong_with_a_fresh_installation(fit: Flask) -> None:
    looked = run(fit, "doctor")

    assert looked.exit_code == 0
    assert looked.output.count("ok  ") == 19
    assert "FAULT" not in looked.output


def test_doctor_tells_of_weak_password_hashes(app: Flask) -> None:
    looked = run(app, "doctor")

    assert looked.exit_code == 1
    assert "FAULT  password hash: weaker than 19 MiB and 2 passes" in looked.output
    assert looked.output.count("FAULT") == 1


def only_fault(app: Flask) -> str:
    looked = run(app, "doctor")
    assert looked.exit_code == 1
    faults = [line for line in looked.output.splitlines() if line.startswith("FAULT")]
    assert len(faults) == 1, looked.output
    return faults[0]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PROXY_HOPS", 101, "ONWARD_PROXY_HOPS must be a whole number from 0 to 100."),
        ("MAIL_PORT", 0, "ONWARD_MAIL_PORT must be a whole number from 1 to 65535."),
        ("ISSUER", "a:b", "ONWARD_ISSUER must not be empty and must not hold a colon."),
    ],
)
def test_doctor_checks_the_settings_that_the_start_checks(
    fit: Flask, name: str, value: object, said: str
) -> None:
    fit.config[name] = value
    assert only_fault(fit) == f"FAULT  settings: {said}"


def test_doctor_tells_of_a_missing_key(fit: Flask) -> None:
    (Path(fit.instance_path) / "keys" / "pepper.key").unlink()
    assert only_fault(fit).startswith("FAULT  keys: The key 'pepper' is missing")


def test_doctor_tells_of_a_key_that_others_can_read(fit: Flask) -> None:
    (Path(fit.instance_path) / "keys" / "pepper.key").chmod(0o640)
    assert only_fault(fit) == "FAULT  keys are private: chmod 600 pepper.key"


def test_doctor_tells_of_a_database_that_is_behind(fit: Flask) -> None:
    path = Path(fit.instance_path) / "onward.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE accounts DROP COLUMN disabled_at")
    connection.close()

    assert only_fault(fit) == (
        "FAULT  database: it is not what this version makes: accounts.disabled_at is missing"
    )


def test_doctor_tells_of_a_file_that_is_no_database(fit: Flask) -> None:
    with fit.app_context():
        db.engine.dispose()
    for file in Path(fit.instance_path).glob("onward.sqlite*"):
        file.unlink()
    file = Path(fit.instance_path) / "onward.sqlite"
    file.write_text("not a database at all\n" * 100)
    file.chmod(0o600)

    assert only_fault(fit) == "FAULT  database: can't be read: file is not a database"


def test_doctor_really_writes(fit: Flask, rows: Rows) -> None:
    """A disk takes nothing before the commit, so a write that is undone shows nothing."""
    before = rows("SELECT ended_at FROM runs WHERE work = 'probe'")

    assert "ok     database takes a write" in run(fit, "doctor").output.splitlines()

    after = rows("SELECT ended_at FROM runs WHERE work = 'probe'")
    assert (len(before), len(after), before < after) == (1, 1, True)


def test_doctor_tells_of_a_database_that_takes_no_write(fit: Flask, snapshot: Snapshot) -> None:
    before = snapshot()
    with fit.app_context(), db.engine.begin() as connection:
        connection.execute(
            text("CREATE TRIGGER no BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'no'); END")
        )

    assert only_fault(fit) == "FAULT  database takes a write: no"
    assert snapshot() == before


def test_doctor_tells_of_mail_that_travels_in_the_clear(fit: Flask) -> None:
    fit.config["MAIL_SERVER"] = "smtp.example.org"
    assert only_fault(fit) == "FAULT  mail is encrypted: set ONWARD_MAIL_USE_TLS=1"

    fit.config["MAIL_USE_TLS"] = True
    assert run(fit, "doctor").exit_code == 0


def test_doctor_tells_of_a_public_site_without_mail(fit: Flask) -> None:
    fit.config["BASE_URL"] = "https://sign-in.example.org"
    assert only_fault(fit) == "FAULT  mail server: none is set"


def test_doctor_shows_no_key(fit: Flask) -> None:
    output = run(fit, "doctor").output
    for file in (Path(fit.instance_path) / "keys").iterdir():
        assert file.read_text("ascii").strip() not in output
