"""docs/deploy.md, "Back up and restore", followed line by line on both databases."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from db import db
from tests import copies, postgres
from tests.conftest import CHEAP
from tests.person import Person
from tests.test_house import ROOT
from tests.test_mark import refused, run, served
from tests.upgrades import installed, person

BIN = Path(sys.executable).parent
SUDO = """#!/bin/sh
# Nobody changes: each name only gets what its own sign-in to the database would.
PGUSER=app
if [ "$1" = -u ]; then [ "$2" = onward ] && PGUSER=onward; shift 2; fi
export PGUSER
exec "$@"
"""
INSTALL = """#!/bin/sh
# The owner stays who runs the tests.
shift 6
cp "$1" "$2" && chmod 600 "$2"
"""
ONWARD = f"""#!/bin/sh
cd {ROOT} && exec {BIN}/flask --app app "$@"
"""
NOTHING = """#!/bin/sh
echo "$0 $*"
"""


def lines_of(after: str, until: str) -> list[str]:
    """Return the commands of the guide between two sentences."""
    text = (ROOT / "docs" / "deploy.md").read_text("utf-8").partition("## Back up and restore")[2]
    part = text.partition(after)[2].partition(until)[0]
    found = re.findall(r"^    (.+)$", part, re.M)
    assert found, after
    return found


BACKUP = lines_of("Keep database and keys", "`backup` copies")
STOP = lines_of("stop everything first:", "With SQLite")
PUT_BACK = {
    "sqlite": lines_of("With SQLite,", "With PostgreSQL"),
    "postgresql": lines_of("With PostgreSQL,", "Put `keys/` back"),
}
TAKE_OVER = lines_of("Put `keys/` back", "**Why `restore`.**")


class Machine:
    """A machine on which the commands of the guide are typed as they stand there."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self.app, self.tools = app, folder / "tools"
        self.tools.mkdir()
        shims = {"sudo": SUDO, "install": INSTALL, "onward": ONWARD, "systemctl": NOTHING}
        for name, text in shims.items():
            (self.tools / name).write_text(text)
            (self.tools / name).chmod(0o755)

    def type(self, lines: list[str], answer: str = "y\n") -> str:
        return "".join(self._type(line, answer) for line in lines)

    def _type(self, line: str, answer: str) -> str:
        address = str(self.app.config["DATABASE_URL"])
        environment = os.environ | {
            "PATH": f"{self.tools}:{postgres.folder()}:{os.environ['PATH']}",
            "PGHOST": address.partition("host=")[2],
            "ONWARD_INSTANCE": self.app.instance_path,
            "ONWARD_DATABASE_URL": address,
        }
        command = line.replace("/srv/onward", self.app.instance_path)
        done = subprocess.run(
            ["sh", "-c", command],
            env=environment,
            input=answer,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database named as in the guide."""
    if request.param == "sqlite":
        yield ""
        return
    with postgres.cluster() as cluster:
        folder = cluster.partition("host=")[2]
        for command in (["createuser", "onward"], ["createdb", "--owner", "onward", "onward"]):
            tool = [postgres.binary(command[0]), "-h", folder, "-U", "app", *command[1:]]
            subprocess.run(tool, check=True, timeout=60)
        yield f"postgresql://onward@/onward?host={folder}"


@pytest.fixture
def old(address: str, tmp_path: Path) -> Iterator[Flask]:
    """An installation of an older version, not upgraded yet."""
    (tmp_path / "instance").mkdir(mode=0o700)
    app = installed(tmp_path / "instance", "0008", DATABASE_URL=address)
    for key in (tmp_path / "instance" / "keys").iterdir():
        key.chmod(0o600)
    yield app
    with app.app_context():
        db.engine.dispose()


def kind_of(app: Flask) -> str:
    return "postgresql" if app.config["DATABASE_URL"] else "sqlite"


def end(app: Flask) -> None:
    with app.app_context():
        db.engine.dispose()


def test_the_guide_restores_over_a_newer_version(
    old: Flask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Operator 1: `pg_restore --clean` left newer tables, and the next `init` died."""
    machine = Machine(old, tmp_path)
    copies.take(old, Path(old.instance_path) / "onward.backup")  # 0008 has no command for it
    assert run(old, "init").exit_code == 0
    assert run(old, "organisation", "add", "After the copy").exit_code == 0
    end(old)

    machine.type(STOP)
    machine.type(PUT_BACK[kind_of(old)])
    printed = machine.type(TAKE_OVER)

    assert "not served yet. The mark of another installation" in printed
    assert "Nobody can know what happened after that" in printed
    assert "FAULT" not in printed
    served(old)
    again = create_app(
        {"INSTANCE": old.instance_path, "DATABASE_URL": old.config["DATABASE_URL"], **CHEAP}
    )
    again.extensions["stored browsers"] = old.extensions["stored browsers"]
    carol = person(again, "carol")
    stranger = Person(again, "carol@example.com")
    stranger.sign_in()
    stale = stranger.press("/signin/backup-code", code=carol.codes[0])
    assert "no longer work. Get new ones." in stale.error
    end(again)


def test_the_guide_restores_its_own_backup(
    old: Flask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(old, "init").exit_code == 0
    end(old)
    machine = Machine(old, tmp_path)
    assert "Copied and checked" in machine.type(BACKUP)
    assert run(old, "organisation", "add", "After the copy").exit_code == 0
    end(old)

    machine.type(STOP)
    machine.type(PUT_BACK[kind_of(old)])
    assert "is older than what was served here last (missing events: 1)" in refused(old, capsys)
    machine.type(TAKE_OVER)

    served(old)
    assert "After the copy" not in run(old, "doctor").output


def test_a_backup_for_the_upgrade_is_made_before_it(old: Flask) -> None:
    text = (ROOT / "docs" / "deploy.md").read_text("utf-8").partition("## Upgrade")[2]
    commands = re.findall(r"^    (.+)$", text, re.M)
    at = [
        next(number for number, line in enumerate(commands) if word in line)
        for word in ("onward backup", "git pull", "onward init")
    ]
    assert at == sorted(at)
