"""Bounds: how long a typed text, how large a number and how far a date may be.

What is typed is checked against them as the very value that is stored, the database holds
them as CHECK constraints, and a row beyond them all the same is read as the nearest bound:
one number of one organisation must not shut anybody out.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import CheckConstraint, ColumnElement, Dialect, Integer, case, literal, type_coerce
from sqlalchemy.types import TypeDecorator

import addresses
import providers
from db import UTCDateTime

NAME = 120
"""Characters of the name of a person or an organisation."""
ADDRESS = addresses.MAX_LENGTH
"""Characters of a mail address in its canonical form."""
LABEL = 280
"""Characters of a record's label: an address and its number."""
SUBJECT = 255
"""Characters of a subject (OpenID Connect Core section 2)."""
ISSUER = providers.LONGEST_ISSUER
"""Characters of the address of a provider of SSO."""
REASON = 200
"""Characters of the reason for a reset."""
WORD = 100
"""Characters of what names the factor, or the state, that an event is about."""
RESULT = 500
"""Characters of what an event tells: names of ours and of organisations."""
ORIGIN = 100
"""Characters of each of address, browser and system that an event comes from."""
PATH = 1000
"""Characters of a page of ours that somebody is led to later: a cookie of 4 KB may hold it."""
LARGEST_ROW = 2**31 - 1
"""The last number that a row has, in every database."""
MOST_DAYS = 365
"""Days that an organisation gives each new member at most."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC) - timedelta(microseconds=1)
"""The first and the last moment of a deadline: sums with MOST_DAYS stay within the calendar."""


def is_line(text: str, most: int) -> bool:
    """Tell whether `text` is one line of 1 to `most` printable characters.

    Half a surrogate pair, which no database stores, and NUL, which PostgreSQL does not
    store, are not printable.
    """
    return 0 < len(text) <= most and text.isprintable()


def is_moment(at: datetime) -> bool:
    """Tell whether `at` may be a deadline."""
    return EARLIEST <= at <= LATEST


def at_most(column: str, most: int) -> CheckConstraint:
    """Return the constraint that keeps a text to `most` characters."""
    return CheckConstraint(f"length({column}) <= {most}", name=column)


def one_of(column: str, words: type[Any]) -> CheckConstraint:
    """Return the constraint that keeps a column to the words of an enumeration."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class _Bounded(TypeDecorator[Any]):
    """A value between two bounds; a row beyond them is read as the nearest and told once.

    The database itself brings it near: what drivers can't read (a year of five digits on
    PostgreSQL) never reaches them. The step beyond the bound tells us that it was beyond.
    """

    step: Any

    def __init__(self, what: str, least: Any, most: Any) -> None:
        super().__init__()
        self.what, self.least, self.most = what, least, most

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Select the value itself, or the first one beyond the bound that it is beyond."""
        below, above = self.least - self.step, self.most + self.step
        kind = self.impl_instance
        near = case(
            (column < literal(self.least, kind), literal(below, kind)),
            (column > literal(self.most, kind), literal(above, kind)),
            else_=column,
        )
        return type_coerce(near, self)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is None or self.least <= value <= self.most:
            return value
        nearest = self.least if value < self.least else self.most
        _tell_once(self.what, nearest)
        return nearest


def _tell_once(what: str, nearest: object) -> None:
    told = current_app.extensions.setdefault("onward-beyond", set())
    if (what, nearest) not in told:
        told.add((what, nearest))
        current_app.logger.error("%s is beyond its bounds in some row: read as %s", what, nearest)


class BoundedInteger(_Bounded):
    """A whole number between two bounds."""

    impl = Integer
    cache_ok = True
    step = 1


class BoundedMoment(_Bounded):
    """A moment between EARLIEST and LATEST."""

    impl = UTCDateTime
    cache_ok = True
    step = timedelta(days=1)

    def __init__(self, what: str) -> None:
        super().__init__(what, EARLIEST, LATEST)
