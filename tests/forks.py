"""Commands in processes of their own that can be killed, without starting Python each time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from flask import Flask

ROOT = Path(__file__).parent.parent
SOURCE = """
import os, sys
from flask.cli import ScriptInfo
import app as product

for line in sys.stdin:
    child = os.fork()
    if not child:
        made = product.create_app()
        made.cli.main(args=line.split(), prog_name="flask", obj=ScriptInfo(create_app=lambda: made))
    print("began", child, flush=True)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass
class Forks:
    """A process that has loaded the product and runs one command after the other."""

    typed: IO[str]
    told: IO[str]

    def kill(self, command: str, after: int, delay: float) -> int:
        """Run a command; kill it `delay` seconds after it has printed so many lines.

        Returns its status: that of a command which was faster is its own.
        """
        self.typed.write(command + "\n")
        self.typed.flush()
        child, printed, status = 0, 0, None
        while status is None:
            word, *rest = self.told.readline().split() or ["ended", "1"]
            if word == "began":
                child = int(rest[0])
            elif word == "ended":
                status = int(rest[0])
            else:
                printed += 1
            if child and printed == after:
                time.sleep(delay)
                with suppress(ProcessLookupError):  # it was faster
                    os.kill(child, signal.SIGKILL)
                printed += 1
        return status


@contextmanager
def forks(settings: dict[str, str]) -> Iterator[Forks]:
    """Yield a process with these variables of the environment."""
    process = subprocess.Popen(
        [sys.executable, "-c", SOURCE],
        cwd=ROOT,
        env=os.environ | settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Forks(process.stdin, process.stdout)
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


@contextmanager
def running(app: Flask, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command for the installation of `app`, in a process that the block may kill."""
    settings = {
        "ONWARD_INSTANCE": app.instance_path,
        "ONWARD_DATABASE_URL": str(app.config["DATABASE_URL"]),
    }
    command = [sys.executable, "-m", "flask", "--app", "app", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what another process does; fail after two minutes."""
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)
