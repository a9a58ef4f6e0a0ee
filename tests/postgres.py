"""A throw-away PostgreSQL cluster on a unix socket: nothing of the machine's own is touched."""

import atexit
import glob
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from pathlib import Path

NOBODY = 65534
"""PostgreSQL refuses to run as root; then it runs as this user."""


def binary(name: str) -> str:
    found = shutil.which(name) or next(iter(glob.glob(f"/usr/lib/postgresql/*/bin/{name}")), None)
    assert found, f"{name} is missing: run sh tests/machine.sh"
    return found


def folder() -> Path:
    """Return where its programs are."""
    return Path(binary("initdb")).parent


def _run(*command: str) -> None:
    if os.getuid() == 0:
        drop = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        command = ("setpriv", *drop, *command)
    null = subprocess.DEVNULL
    subprocess.run(command, check=True, cwd="/", stdout=null, stderr=null, timeout=60)


@contextmanager
def cluster() -> Iterator[str]:
    """Run a cluster; yield the SQLAlchemy address of a template for its databases."""
    folder = Path(tempfile.mkdtemp(prefix="onward-pg-"))
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    data, control = str(folder / "data"), binary("pg_ctl")
    _run(binary("initdb"), "-D", data, "-U", "app", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=200"
    _run(control, "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql://app@/NAME?host={folder}"
    finally:
        _run(control, "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


NUMBERS = count(1)


@cache
def shared() -> str:
    """Return the address of the one cluster of this process: starting each its own took long.

    Only for tests that neither stop nor configure it.
    """
    until_exit = ExitStack()
    atexit.register(until_exit.close)
    return until_exit.enter_context(cluster())


def new_database(address: str, name: str) -> str:
    """Make an empty database, of a name that begins so, and return its address."""
    folder = address.partition("host=")[2]
    name = f"{name[:50]}_{next(NUMBERS)}"
    command = [binary("createdb"), "-h", folder, "-U", "app", name]
    subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)
    return address.replace("NAME", name)
