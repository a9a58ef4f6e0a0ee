"""The one clock of Onward: UTC, and replaceable as a whole."""

from collections.abc import Callable
from datetime import UTC, datetime


def _system() -> datetime:
    return datetime.now(UTC)


source: Callable[[], datetime] = _system
"""Where the time comes from. Never a request: the server alone tells it (S-028)."""


def now() -> datetime:
    """Return the present moment, with its zone (UTC)."""
    return source()
