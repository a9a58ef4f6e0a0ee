"""`init`, where somebody else does the same or the database is not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import postgres
from tests.conftest import uninstalled
from tests.test_start import NOBODY_LISTENS, ROOT

INIT = (sys.executable, "-m", "flask", "--app", "app", "init")


def test_two_first_inits_at_once_both_end_well(tmp_path: Path) -> None:
    """Operator 11: one of two failed on an empty PostgreSQL."""
    instance = tmp_path / "instance"
    instance.mkdir()
    with postgres.cluster() as cluster:
        address = postgres.new_database(cluster, "both")
        both_end_well(
            os.environ | {"ONWARD_INSTANCE": str(instance), "ONWARD_DATABASE_URL": address}
        )


def both_end_well(settings: dict[str, str]) -> None:
    begun = [
        subprocess.Popen(
            INIT,
            cwd=ROOT,
            env=os.environ | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    printed = [one.communicate(timeout=60)[0] for one in begun]

    assert [one.returncode for one in begun] == [0, 0], printed
    assert "".join(printed).count("Made the key") == 3
    assert "".join(printed).count("Ready: ") == 2


def test_init_without_its_database_says_so_in_one_sentence(tmp_path: Path) -> None:
    app = uninstalled(tmp_path / "new", DATABASE_URL=NOBODY_LISTENS)

    done = app.test_cli_runner().invoke(args=["init"])

    assert done.exit_code == 75
    assert done.output.startswith("Error: The database can't be reached: ")
    assert done.output.count("\n") == 1
    assert not (tmp_path / "new" / "keys").exists()


@pytest.mark.parametrize("command", [["organisation", "add", "Example"], ["mail", "deliver"]])
def test_a_command_without_an_installation_says_so_in_one_sentence(
    tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "new").mkdir()

    ended = uninstalled(tmp_path / "new").test_cli_runner().invoke(args=command)

    told = "Error: The database is not of this version. Run: flask --app app init\n"
    assert (ended.exit_code, ended.output) == (1, told)
