"""`backup` copies the database while it is served, whole or not at all, without its keys."""

import os
import re
import stat
import threading
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from app import create_app
from db import db
from tests import copies, postgres
from tests.conftest import CHEAP, FIT, install
from tests.test_mark import newest_event, run, served


def backup(app: Flask, file: Path) -> Result:
    return run(app, "backup", str(file))


def everything(app: Flask) -> dict[str, list[str]]:
    names = ("accounts", "authenticators", "backup_codes", "events", "sign_ins", "installation")
    with app.app_context():
        return {
            name: sorted(map(repr, db.session.execute(text(f"SELECT * FROM {name}"))))
            for name in names
        }


def test_a_copy_is_whole_private_and_without_keys(site: Flask, tmp_path: Path) -> None:
    file, before = tmp_path / "copy", everything(site)

    done = backup(site, file)

    assert done.exit_code == 0, done.output
    assert f"Copied and checked: {file}, {file.stat().st_size} bytes." in done.output
    assert "It needs these keys, which are not in it: pepper (" in done.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [made.name for made in tmp_path.iterdir() if "copy" in made.name] == ["copy"]
    held = file.read_bytes()
    for key in (Path(site.instance_path) / "keys").iterdir():
        assert key.read_text().strip().encode() not in held
        assert bytes.fromhex(key.read_text().strip()) not in held
    copies.put_back(site, file)
    assert everything(site) == before
    served(site)


def test_a_password_in_the_address_is_given_to_pg_dump(tmp_path: Path) -> None:
    with postgres.cluster() as cluster:
        address = postgres.new_database(cluster, "guarded")
        install(tmp_path / "instance")  # an application on such a database wants its keys at once
        app = install(tmp_path / "instance", DATABASE_URL=address)
        with app.app_context():
            db.session.execute(text("ALTER ROLE app PASSWORD 'well guarded'"))
            db.session.commit()
            db.engine.dispose()
        postgres.ask_for_passwords(cluster)
        app = create_app(
            {"INSTANCE": app.instance_path, **CHEAP}
            | {"DATABASE_URL": address.replace("//app@", "//app:well%20guarded@")}
        )

        done = backup(app, tmp_path / "copy")

        assert (done.exit_code, done.output.startswith("Copied and checked")) == (0, True)
        with app.app_context():
            db.engine.dispose()


def test_the_database_remembers_the_copy_and_its_keys(site: Flask, tmp_path: Path) -> None:
    assert "last backup: none yet" in run(site, "doctor").output

    assert backup(site, tmp_path / "copy").exit_code == 0

    with site.app_context():
        row = db.session.execute(text("SELECT made_at, file, key_prints FROM backups")).one()
        prints = db.session.scalar(text("SELECT key_prints FROM installation"))
    assert (row.file, row.key_prints) == (str(tmp_path / "copy"), prints)
    assert f"last backup: {str(row.made_at)[:16]} UTC" in run(site, "doctor").output


def test_it_copies_while_people_write(site: Flask, tmp_path: Path) -> None:
    ended = threading.Event()
    faults: list[str] = []
    written: list[str] = []

    def write() -> None:
        while not ended.is_set():
            added = run(site, "organisation", "add", f"Number {len(written)}")
            (written if added.exit_code == 0 else faults).append(added.output)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            done = backup(site, tmp_path / f"copy {number}")
            assert done.exit_code == 0, done.output
    finally:
        ended.set()
        writer.join()
    assert faults == []
    assert written
    copies.put_back(site, tmp_path / "copy 2")
    assert newest_event(site) > 0


def test_no_file_is_written_over(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "copy"
    file.write_text("mine")

    refused = backup(app, file)

    assert (refused.exit_code, f"{file} is there already." in refused.output) == (1, True)
    assert file.read_text() == "mine"
    assert sorted(made.name for made in tmp_path.iterdir()) == ["copy", "instance"]


@pytest.mark.parametrize(
    ("where", "sentence"),
    [("no/such/copy", "There is no folder"), ("instance/keys/copy", "apart from the keys")],
)
def test_it_says_why_it_makes_no_copy(
    app: Flask, tmp_path: Path, where: str, sentence: str
) -> None:
    refused = backup(app, tmp_path / where)

    assert (refused.exit_code, sentence in refused.output) == (1, True)
    assert not (tmp_path / where).exists()


def test_a_damaged_database_makes_no_copy(app: Flask, tmp_path: Path) -> None:
    database = Path(app.instance_path) / "onward.sqlite"
    with app.app_context():
        db.engine.dispose()  # the last one to close writes everything into the one file
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 4))

    refused = backup(app, tmp_path / "copy")

    assert refused.exit_code == 1
    assert re.search("damaged|can't be copied|can't be read", refused.output), refused.output
    assert sorted(made.name for made in tmp_path.iterdir()) == ["instance"]


@pytest.mark.parametrize("site", ["postgresql"], indirect=True)
def test_without_pg_dump_it_says_what_to_install(
    site: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    refused = backup(site, tmp_path / "copy")

    assert refused.exit_code == 1
    assert "pg_dump is missing. On Debian: apt-get install postgresql-client" in refused.output
    assert not (tmp_path / "copy").exists()


def test_doctor_is_content_after_a_backup(site: Flask, tmp_path: Path) -> None:
    site.config.update(FIT)
    backup(site, tmp_path / "copy")
    assert run(site, "doctor").exit_code == 0
