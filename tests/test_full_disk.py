"""A full disk, a real one of two MiB: `init` and `doctor` say so, and what was stored stays."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from db import db
from tests.conftest import FIT, install, uninstalled


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk that a test can fill."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(disk)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"this machine mounts no small disk: {mounted.stderr}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Write until nothing is left; return the file to delete."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return filler


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments))


def test_a_full_disk_is_told_and_nothing_is_lost(small: Path) -> None:
    app = install(small / "instance", **FIT)
    assert run(app, "doctor").exit_code == 0
    filler = fill(small)
    assert "FAULT  database takes a write: the disk is full" in run(app, "doctor").output
    with app.app_context():
        db.engine.dispose()  # now nobody has it open, as after a stop
    filler.unlink()
    filler = fill(small)

    again = run(app, "init")
    assert (again.exit_code, "Ready" in again.output) == (75, False)
    assert "The disk is full" in again.output
    assert "Traceback" not in again.output
    looked = run(app, "doctor")
    assert looked.exit_code == 1
    # Whether it can still be read depends on what SQLite finds of its log.
    assert re.search("^FAULT  database.*: the disk is full$", looked.output, re.M)

    filler.unlink()
    assert run(app, "init").output.endswith(f"Ready: {app.instance_path}\n")
    assert run(app, "doctor").exit_code == 0
    with app.app_context():
        db.engine.dispose()


def test_a_new_installation_on_a_full_disk_is_not_ready(small: Path) -> None:
    app = uninstalled(small / "instance", **FIT)
    filler = fill(small)

    first = run(app, "init")
    assert (first.exit_code, "Ready" in first.output) == (75, False)
    assert "The disk is full" in first.output

    filler.unlink()
    assert "Ready" in run(app, "init").output
    with app.app_context():
        db.engine.dispose()
