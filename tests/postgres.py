"""A throw-away PostgreSQL cluster on a unix socket: nothing of the machine's own is touched."""

import atexit
import glob
import os
import shutil
import signal
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
    data, address = str(folder / "data"), f"postgresql://app@/NAME?host={folder}"
    _run(binary("initdb"), "-D", data, "-U", "app", "-A", "trust", "-E", "UTF8", "--no-sync")
    start(address)
    try:
        yield address
    finally:
        stop(address)
        shutil.rmtree(folder, ignore_errors=True)


def start(address: str) -> None:
    """Start the cluster of an address, also again."""
    folder = _folder(address)
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=200"
    log = f"{folder}/log"
    _run(binary("pg_ctl"), "-D", f"{folder}/data", "-w", "-l", log, "-o", options, "start")


def stop(address: str, mode: str = "immediate") -> None:
    """Stop the cluster of an address: "fast" ends its connections, "immediate" is a crash."""
    _run(binary("pg_ctl"), "-D", f"{_folder(address)}/data", "-m", mode, "stop")


def ask_for_passwords(address: str) -> None:
    """Let nobody in without a password from now on."""
    rules = Path(_folder(address)) / "data" / "pg_hba.conf"
    rules.write_text("local all all scram-sha-256\n")
    _run(binary("pg_ctl"), "-D", f"{_folder(address)}/data", "reload")


@contextmanager
def frozen(address: str) -> Iterator[None]:
    """Let no process of the cluster do anything within the block."""
    main = int(Path(f"{_folder(address)}/data/postmaster.pid").read_text().split()[0])
    os.kill(main, signal.SIGSTOP)  # first, so that it starts no other one
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    processes = [*map(int, children), main]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def _folder(address: str) -> str:
    return address.partition("host=")[2]


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
    name = f"{name[:50]}_{next(NUMBERS)}"
    command = [binary("createdb"), "-h", _folder(address), "-U", "app", name]
    subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)
    return address.replace("NAME", name)
