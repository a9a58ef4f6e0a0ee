"""A full disk, a real one of two MiB: `init` and `doctor` say so, and what was stored stays."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from db import db
from tests.conftest import FIT, install, uninstalled


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk that a test can fill."""
    with disk(tmp_path / "disk", "2m") as made:
        yield made


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a disk of that size while the block runs."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a small disk")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"this machine mounts no small disk: {mounted.stderr}")
    try:
        yield folder
    finally:
        # One that stays mounted is in the way of whoever clears the folder, runs later.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


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
    assert "ok     database takes a write" in run(app, "doctor").output.splitlines()
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
    assert "ok     database takes a write" in run(app, "doctor").output.splitlines()
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


@pytest.mark.parametrize(("size", "told"), [("20m", "FAULT  disk: "), ("200m", "note   ")])
def test_doctor_tells_how_much_is_left(tmp_path: Path, size: str, told: str) -> None:
    with disk(tmp_path / "disk", size) as place:
        app = install(place / "instance", **FIT)
        looked = run(app, "doctor")
        with app.app_context():
            db.engine.dispose()

    assert re.search(rf"^{told}[0-9]+ MiB left in {app.instance_path}$", looked.output, re.M)
    assert looked.exit_code == (1 if told.startswith("FAULT") else 0)
