"""Keys and database belong together: init, start and doctor tell when they don't (S-164)."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

import keys
from app import create_app
from db import db
from mail.carrier import carrier
from tests import postgres
from tests.conftest import FIT, install, uninstalled
from tests.person import Person, app_code
from tests.test_start import run as program
from tests.upgrades import installed as old_installation

Snapshot = Callable[[], dict[str, list[str]]]
PUT_BACK = "Put back the folder of keys from your backup."


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments))


def folder_of(app: Flask) -> Path:
    return Path(app.instance_path) / "keys"


def files_of(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def faults(app: Flask) -> list[str]:
    lines = run(app, "doctor").output.splitlines()
    return [line for line in lines if line.startswith("FAULT")]


def test_init_makes_no_new_keys_beside_accounts(site: Flask) -> None:
    """F4: the folder of keys is gone."""
    shutil.rmtree(folder_of(site))

    refused = run(site, "init")

    assert refused.exit_code == 1
    assert (
        "Nothing was changed. The database has accounts, and these keys are missing or short: "
        f"seal-1, pepper, signing. {PUT_BACK}"
    ) in refused.output
    assert "every backup code" in refused.output
    assert not folder_of(site).exists()


@pytest.mark.parametrize("name", ["seal-1", "pepper", "signing"])
def test_init_names_the_one_key_that_is_missing(app: Flask, snapshot: Snapshot, name: str) -> None:
    (folder_of(app) / f"{name}.key").unlink()
    before, keys_before = snapshot(), files_of(folder_of(app))

    refused = run(app, "init")

    assert (refused.exit_code, f"missing or short: {name}. " in refused.output) == (1, True)
    assert (snapshot(), files_of(folder_of(app))) == (before, keys_before)


def test_new_keys_are_made_when_the_operator_says_that_the_old_are_lost(site: Flask) -> None:
    (folder_of(site) / "pepper.key").unlink()
    kept = (folder_of(site) / "seal-1.key").read_text()

    done = run(site, "init", "--new-keys")

    assert done.exit_code == 0, done.output
    assert done.output.count("Made the key") == 1
    assert "Made the key pepper." in done.output
    assert "These can't be read any more: every backup code and every reset code." in done.output
    assert (folder_of(site) / "seal-1.key").read_text() == kept
    assert faults(site) == []
    with site.app_context():
        last = "SELECT kind, result FROM events ORDER BY id DESC LIMIT 1"
        assert tuple(db.session.execute(text(last)).one()) == ("keys replaced", "pepper")


def test_a_key_of_the_wrong_shape_is_not_written_over(tmp_path: Path) -> None:
    app = uninstalled(tmp_path / "new")
    folder_of(app).mkdir(parents=True)
    (folder_of(app) / "pepper.key").write_text("short")

    refused = run(app, "init")

    assert (refused.exit_code, "The key 'pepper' is missing, short" in refused.output) == (1, True)
    anyhow = run(app, "init", "--new-keys")
    assert (anyhow.exit_code, "not hexadecimal: pepper. Move" in anyhow.output) == (1, True)
    assert (folder_of(app) / "pepper.key").read_text() == "short"
    with app.app_context():
        db.engine.dispose()


def with_other_keys(app: Flask, *names: str) -> None:
    for name in names:
        (folder_of(app) / f"{name}.key").write_text(os.urandom(32).hex())


@pytest.mark.parametrize("name", ["seal-1", "pepper", "signing"])
def test_keys_of_another_database_are_told_everywhere(
    app: Flask, carol: Person, capsys: pytest.CaptureFixture[str], snapshot: Snapshot, name: str
) -> None:
    """F4, operator 6: before, both were served and right codes were charged."""
    app.config.update(FIT)
    with_other_keys(app, name)
    before = snapshot()

    with pytest.raises(SystemExit) as ended:
        create_app({"INSTANCE": app.instance_path})
    assert ended.value.code == 3
    assert f"These keys don't belong to the database: {name}. Put back" in capsys.readouterr().err

    refused = run(app, "init")
    assert refused.exit_code == 1
    assert f"Nothing was changed. These keys don't belong to the database: {name}." in (
        refused.output
    )
    assert faults(app)[0] == (
        f"FAULT  keys belong to the database: not {name}; put back the right keys"
    )
    assert snapshot() == before


def test_a_second_machine_makes_no_keys_of_its_own(tmp_path: Path) -> None:
    """Operator 6: `init` on machine 2 instead of copied keys, one PostgreSQL for both."""
    address = postgres.new_database(postgres.shared(), "both")
    keys.make(tmp_path / "one" / "keys")
    app = install(tmp_path / "one", DATABASE_URL=address)

    command = ("flask", "--app", "app", "init")
    refused = program(*command, instance=tmp_path / "two", ONWARD_DATABASE_URL=address)

    assert (refused.returncode, "has accounts, and these keys" in refused.stderr) == (1, True)
    assert not (tmp_path / "two" / "keys").exists()
    with app.app_context():
        db.engine.dispose()


def test_doctor_opens_one_sealed_value_of_each_kind(app: Flask, carol: Person) -> None:
    app.config.update(FIT)
    assert faults(app) == []
    with app.app_context():
        db.session.execute(text("UPDATE authenticators SET sealed_secret = '1:AAAA'"))
        db.session.commit()

    assert faults(app) == [
        "FAULT  sealed values open: not those of authenticators.sealed_secret; "
        "put back the right keys"
    ]


def test_an_older_installation_remembers_its_keys_from_the_upgrade_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = old_installation(tmp_path / "instance", "0011", **FIT)
    with_other_keys(app, "seal-1")

    refused = run(app, "init")

    assert refused.exit_code == 1
    assert "The keys don't open what the database holds: " in refused.output
    assert "authenticators.sealed_secret" in refused.output
    with pytest.raises(SystemExit):
        create_app({"INSTANCE": app.instance_path})
    assert "The database is not ready for this version." in capsys.readouterr().err
    with app.app_context():
        db.engine.dispose()


def test_an_older_installation_goes_on_with_its_keys(tmp_path: Path) -> None:
    app = old_installation(tmp_path / "instance", "0011", **FIT)

    done = run(app, "init")

    assert (done.exit_code, "Made the key" in done.output) == (0, False), done.output
    assert "belong" not in " ".join(faults(app))
    create_app({"INSTANCE": app.instance_path})
    with app.app_context():
        db.engine.dispose()


def test_init_makes_files_that_their_owner_alone_can_read(tmp_path: Path) -> None:
    """F15: also under the usual umask of 022."""
    before = os.umask(0o022)
    try:
        app = install(tmp_path / "instance")
        bob = Person(app, "bob@example.com")
        bob.sign_in()
        bob.set_up()
    finally:
        os.umask(before)
        with app.app_context():
            carrier().settle()
            db.engine.dispose()
    instance = Path(app.instance_path)
    kept = [*instance.glob("onward.sqlite*"), *instance.glob("outbox/*.eml")]

    assert stat.S_IMODE(instance.stat().st_mode) == 0o700
    assert len(kept) >= 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in kept} == {0o600}


def test_doctor_tells_of_files_that_others_can_read(app: Flask, carol: Person) -> None:
    app.config.update(FIT)
    instance = Path(app.instance_path)
    instance.chmod(0o755)
    (instance / "onward.sqlite").chmod(0o644)
    next((instance / "outbox").glob("*.eml")).chmod(0o640)

    assert faults(app) == [
        f"FAULT  files are private: chmod 700 {instance} && "
        f"chmod 600 {instance}/onward.sqlite {instance}/outbox/*.eml"
    ]


def test_codes_still_work_after_init_with_the_right_keys(app: Flask, carol: Person) -> None:
    assert run(app, "init").exit_code == 0
    carol.sign_in()
    assert carol.press("/signin/code", code=app_code(carol.key)).heading == (
        "Two-factor authentication"
    )
