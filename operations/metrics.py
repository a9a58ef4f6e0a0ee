"""What Prometheus is told of an installation, read from its database at each scrape.

A process of its own serves it: gunicorn's workers share no memory, so each would count its own
part. A few statements make a scrape, however many people there are, and they wait for nobody who
writes. No label names a person or an organisation.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from flask import Flask
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, Row, case, func, literal, or_, select, text
from sqlalchemy.exc import SQLAlchemyError

import clock
import runs
from accounts import refusals
from accounts.events import Event
from admin import people
from admin.standing import State
from db import READS, db
from mail import pause, queue
from operations import backup

WINDOWS = {"1h": timedelta(hours=1), "1d": timedelta(days=1)}
SIGN_IN, CODE = "sign-in", "second factor"
WAYS = {SIGN_IN: ("password", "sso"), CODE: ("app", "backup code", "backup email", "reset code")}
"""What each kind of event may name as its way; more than these are "other"."""
ACCEPTED = ("done", "accepted")
LONGEST_MS = 10_000
"""How long PostgreSQL works on one statement of a scrape."""


class Metrics(Collector):
    """One installation, read anew at each scrape and by one scrape at a time."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._reads = Lock()

    def describe(self) -> list[Gauge]:
        """Tell nothing before the first scrape: it would read the database."""
        return []

    def collect(self) -> Iterator[Gauge]:
        """Yield every metric, or only that the database does not answer."""
        with self._reads, self._app.app_context():
            try:
                _begin()
                found = list(_all(clock.now()))
            except SQLAlchemyError as error:
                self._app.logger.error("metrics: the database fails: %s", type(error).__name__)
                found = []
            finally:
                db.session.close()
        yield Gauge(
            "onward_database_up", "Whether the database answered this scrape.", int(bool(found))
        )
        yield from found


def _begin() -> None:
    db.session.connection(execution_options={READS: True})
    if db.engine.dialect.name == "postgresql":
        db.session.execute(text(f"SET LOCAL statement_timeout = {LONGEST_MS}"))


def _all(at: datetime) -> Iterator[Gauge]:
    yield from _people(at)
    yield from _entries(at)
    yield _strangers(at)
    yield from _mails(at)
    yield from _times()


def _people(at: datetime) -> Iterator[Gauge]:
    counts = people.counts(None, at)
    states = Gauge("onward_people", "People by where they stand with two-factor.", labels=["state"])
    for state in State:
        states.add_metric([state.value], counts[state.value])
    yield states
    yield Gauge("onward_people_locked", "People whose codes are not read now.", counts["locked"])
    yield Gauge("onward_people_disabled", "People who are kept out.", counts["disabled"])
    yield Gauge("onward_people_invited", "People who can't sign in yet.", counts["invited"])


def _entries(at: datetime) -> Iterator[Gauge]:
    """Tell of sign-ins and of codes: zero where there was none, so that a rule has a value."""
    rows = _recent(at)
    for kind, name, what in (
        (SIGN_IN, "onward_sign_ins", "First steps of signing in"),
        (CODE, "onward_codes", "Codes entered, at sign-in or as a proof"),
    ):
        labels = ["way", "result", "window"]
        gauge = Gauge(name, f"{what}, in the last hour and day.", labels=labels)
        for window in WINDOWS:
            for way in (*WAYS[kind], "other"):
                for result in ("accepted", "refused"):
                    key = (kind, way, result)
                    number = sum(getattr(row, f"in_{window}") for row in rows if row[:3] == key)
                    gauge.add_metric([way, result, window], number)
        yield gauge


def _strangers(at: datetime) -> Gauge:
    """Tell of refusals that are no events: counted by the hour, so the first one is whole."""
    gauge = Gauge(
        "onward_strangers_refused",
        "Refused sign-ins of addresses that nobody has, in the last hour and day.",
        labels=["way", "window"],
    )
    counts = refusals.times_since([at - length for length in WINDOWS.values()])
    for way in WAYS[SIGN_IN]:
        for window, number in zip(WINDOWS, counts.get(way, [0] * len(WINDOWS)), strict=True):
            gauge.add_metric([way, window], number)
    return gauge


def _recent(at: datetime) -> list[Row[*tuple[Any, ...]]]:
    """Return the events of the longest window by kind, way and result, in one statement."""
    way, result = _way(), case((Event.result.in_(ACCEPTED), "accepted"), else_="refused")
    numbers = [
        func.sum(case((Event.at > at - length, 1), else_=0)).label(f"in_{window}")
        for window, length in WINDOWS.items()
    ]
    query = select(Event.kind, way, result, *numbers).where(
        Event.at > at - max(WINDOWS.values()),
        Event.at <= at,
        Event.kind.in_(WAYS),
        # Otherwise somebody who came by SSO was sent on to the password: neither.
        or_(Event.result.in_(ACCEPTED), Event.result.startswith("refused")),
    )
    return list(db.session.execute(query.group_by(Event.kind, way, result)))


def _way() -> ColumnElement[str]:
    known = sorted({way for ways in WAYS.values() for way in ways})
    return case(
        (Event.factor.in_(known), Event.factor),
        ((Event.factor.is_(None)) & (Event.kind == SIGN_IN), literal("password")),
        else_=literal("other"),
    )


def _mails(at: datetime) -> Iterator[Gauge]:
    counts = queue.counts(at)
    numbers = Gauge("onward_mails", "Mails that have not left.", labels=["state"])
    ages = Gauge("onward_mail_oldest_seconds", "Age of the oldest of them.", labels=["state"])
    for state in queue.State:
        number, oldest = counts.get(state, (0, at))
        numbers.add_metric([state.value], number)
        ages.add_metric([state.value], max(0.0, (at - oldest).total_seconds()))
    yield numbers
    yield ages
    is_on = pause.current(at) is not None
    yield Gauge("onward_mail_server_silent", "Whether mail rests after a time-out.", int(is_on))


def _times() -> Iterator[Gauge]:
    ended = Gauge(
        "onward_last_run_timestamp_seconds", "When work last ended; 0: never.", labels=["work"]
    )
    for work in runs.Work:
        ended.add_metric([work.value], _seconds(runs.last(work)))
    yield ended
    yield Gauge(
        "onward_last_backup_timestamp_seconds",
        "When the command backup last made a copy; 0: never.",
        _seconds(backup.last()),
    )


def _seconds(at: datetime | None) -> float:
    return at.timestamp() if at is not None else 0.0
