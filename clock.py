"""The one clock of Onward: UTC, and replaceable as a whole."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def _system() -> datetime:
    return datetime.now(UTC)


SLACK = timedelta(minutes=2)
"""How far clocks of several servers, or one that is set back, may disagree."""

source: Callable[[], datetime] = _system
"""Where the time comes from. Never a request: the server alone tells it (S-028)."""


def now() -> datetime:
    """Return the present moment, with its zone (UTC)."""
    return source()


def within(since: datetime, life: timedelta, at: datetime) -> bool:
    """Tell whether something that began at `since` and lives for `life` is alive.

    What began in the future is not: a clock that jumped forward and back would
    else lengthen every life by its jump (S-029).
    """
    return since - SLACK <= at < since + life
