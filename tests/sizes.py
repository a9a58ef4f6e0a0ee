"""Sizes of trials: small ones in `make test`, full ones in `make drill`.

A trial that is worth its full size is marked `drill` and takes its numbers from
`drill(small, full)`. One that takes minutes even when small is marked `full_only` as well. What a
trial has found out goes into `record_property("drill", …)`: `make drill` prints it at the end.
"""

import os
from typing import TypeVar

import pytest

FULL = os.environ.get("ONWARD_DRILL") == "1"
full_only = pytest.mark.skipif(not FULL, reason="takes minutes: make drill")

Size = TypeVar("Size")


def drill(small: Size, full: Size) -> Size:
    """Return the size for this run."""
    return full if FULL else small


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line for each trial, and what it has found out. Loaded by `make drill` alone."""
    terminalreporter.section("drill")
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            if not isinstance(report, pytest.TestReport):
                continue  # a file that can't even be imported; told above
            terminalreporter.line(f"{outcome:8} {report.duration:7.1f} s  {report.nodeid}")
            for name, found in report.user_properties:
                if name == "drill":
                    terminalreporter.line(f"{'':20}{found}")
