"""A crowd: many people of many organisations, put beside the application in bulk.

Nobody of them signs in: their password is none that anybody knows. Who looks at them is
one owner, who came over the ordinary ways (see tests/administration.py).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from flask import Flask
from sqlalchemy import insert, text

from accounts.events import Event
from accounts.models import Account, Enforcement, Membership, Organisation, Role
from accounts.sign_in import SignIn
from db import Model, db
from factors.authenticator import Authenticator
from factors.backup_codes import BackupCode
from factors.backup_email import BackupEmail
from factors.throttle import MOST, Throttle

CHUNK = 5000
"""Rows that are written at once."""
FIRST = 1_000_000
"""The id of the crowd's first person: far from those who came over the ordinary ways."""
EVENTS = 3
"""Events of each person."""
GIVEN = ("Ada", "Björn", "Chloé", "Dmitri", "Esra", "Femi", "Grace", "Hugo", "Ines", "Jamal")
FAMILY = ("Abel", "Byrne", "Castro", "Doyle", "Ekberg", "Fox", "Gallo", "Hart", "Ito", "Jones")
KINDS = ("sign-in", "second factor", "finished: set-up", "voided: set-up", "proof", "signed out")
Row = dict[str, Any]


@dataclass(frozen=True)
class Crowd:
    """How many people there are, in how many organisations, and who is in the largest."""

    people: int
    organisations: int
    largest: int
    first: int = 0
    """People who are there already, of an earlier part of the same crowd."""


def organisations(app: Flask, count: int) -> list[int]:
    """Add organisations that ask in every way there is; the first asks with days of grace."""
    now, kinds = datetime.now(UTC), list(Enforcement)
    rows: list[Row] = [
        {
            "id": FIRST + n,
            "name": f"Crowd {n}",
            "enforcement": kinds[(n + 2) % 3],
            "hard_from": now + timedelta(days=n % 5 * 10 - 20) if n % 3 == 2 else None,
            "grace_days": 30 if n % 2 == 0 else 0,
            "created_at": now - timedelta(days=400),
        }
        for n in range(count)
    ]
    with app.app_context():
        _write(Organisation, rows)
        db.session.commit()
    return [row["id"] for row in rows]


def fill(app: Flask, crowd: Crowd) -> None:
    """Add people to organisations that are there, with their factors, sign-ins and events."""
    numbers = range(crowd.first, crowd.people)
    now = datetime.now(UTC)
    with app.app_context():
        for model, rows_of in _tables(crowd).items():
            for some in _parts(numbers):
                _write(model, [row for n in some for row in rows_of(n, now)])
        _write_events(crowd, now)
        db.session.commit()
        if db.engine.dialect.name == "postgresql":  # what its own upkeep does soon
            db.session.execute(text("ANALYZE"))
            db.session.commit()


def _tables(crowd: Crowd) -> dict[type[Model], Callable[[int, datetime], Iterator[Row]]]:
    return {
        Account: _account,
        Throttle: _throttle,
        Membership: lambda n, now: _memberships(crowd, n, now),
        Authenticator: _authenticator,
        BackupCode: _codes,
        BackupEmail: _email,
        SignIn: _sign_ins,
    }


def _parts(numbers: range) -> Iterator[range]:
    return (numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK))


def _write(model: type[Model], rows: list[Row]) -> None:
    if rows and db.engine.dialect.name == "postgresql":
        _copy(model, rows)
    elif rows:
        db.session.execute(insert(model.__table__), rows)  # type: ignore[arg-type]  # a table


def _copy(model: type[Model], rows: list[Row]) -> None:
    """Write rows by PostgreSQL's own quick way, in the session's transaction."""
    names = ", ".join(rows[0])
    cursor: Any = db.session.connection().connection.cursor()
    with cursor.copy(f"COPY {model.__tablename__} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([_plain(value) for value in row.values()])
    cursor.close()


def _plain(value: object) -> object:
    """Return a value as the driver writes it: words as such, lists as JSON."""
    if isinstance(value, list):
        return json.dumps(value)
    return value.value if isinstance(value, Enum) else value


def _account(n: int, now: datetime) -> Iterator[Row]:
    place = n * 7919  # a prime: names come in another order than numbers
    since = now - timedelta(days=n % 300 + 1)
    yield {
        "id": FIRST + n,
        "email": f"person{n}@crowd.example",
        "name": f"{FAMILY[place % 10]} {GIVEN[place // 10 % 10]} {place % 1000}",
        "password_hash": "never checked",
        "password_at": since,
        "records_issued": 1,
        "created_at": since,
        "disabled_at": now if n % 53 == 0 else None,
    }


def _throttle(n: int, now: datetime) -> Iterator[Row]:
    stopped = [int(now.timestamp())] * MOST if n % 211 == 0 else []
    until = now + timedelta(hours=1) if n % 97 == 0 else None
    yield {
        "account_id": FIRST + n,
        "failures": 0,
        "wrong_at": stopped,
        "locks": 0,
        "locked_until": until,
    }


def _memberships(crowd: Crowd, n: int, now: datetime) -> Iterator[Row]:
    """Give everybody one organisation, every seventh two; the first takes its share evenly."""
    others = max(crowd.organisations - 1, 1)
    places = [0 if _is_of_first(crowd, n) else 1 + n % others]
    if n % 7 == 0 and places[0] == 0 and crowd.organisations > 1:
        places.append(1 + n // 7 % others)
    for place in places:
        yield {
            "account_id": FIRST + n,
            "organisation_id": FIRST + place,
            "role": Role.ADMIN if n % 500 == 0 else Role.MEMBER,
            "since": now - timedelta(days=n % 60),
        }


def _is_of_first(crowd: Crowd, n: int) -> bool:
    return n * crowd.largest // crowd.people != (n + 1) * crowd.largest // crowd.people


def _has_app(n: int) -> bool:
    return n % 9 < 5


def _authenticator(n: int, now: datetime) -> Iterator[Row]:
    if _has_app(n):
        yield {
            "account_id": FIRST + n,
            "label": f"person{n}@crowd.example",
            "seal_id": f"{n:032x}",
            "sealed_secret": "1:never opened",
            "last_time_step": 0,
            "bound_at": now - timedelta(days=n % 100),
        }


def _codes(n: int, now: datetime) -> Iterator[Row]:
    if _has_app(n) and n % 4:
        for number in range(10):
            digest = b"%09d %d" % (n, number)  # in order: quick to write
            row = {"account_id": FIRST + n, "salt": b"salt", "digest": digest, "made_at": now}
            yield row | {"used_at": now if number < n % 11 else None}


def _email(n: int, now: datetime) -> Iterator[Row]:
    if _has_app(n) and n % 4 in {0, 1}:
        address = f"home{n}@crowd.example"
        yield {"account_id": FIRST + n, "address": address, "confirmed_at": now}


def _sign_ins(n: int, now: datetime) -> Iterator[Row]:
    """Nobody, one or two: every fifth only by SSO, every eleventh never."""
    for number in range(0 if n % 11 == 0 else 1 + n % 2):
        at = now - timedelta(days=n % 40 + number, minutes=n % 60)
        yield {
            "account_id": FIRST + n,
            "token_hash": f"{n:09} {number}",
            "first_factor": "sso" if n % 5 == 0 else "password",
            "first_at": at,
            "browser": "Firefox",
            "system": "Linux",
            "seen_at": at,
            "ended_at": at,
        }


def _write_events(crowd: Crowd, now: datetime) -> None:
    """Write the events in the order of their time, of all people in turn."""
    people = crowd.people - crowd.first
    total = people * EVENTS
    for some in _parts(range(total)):
        _write(Event, [_event(n, FIRST + crowd.first + n % people, total, now) for n in some])


def _event(n: int, account_id: int, total: int, now: datetime) -> Row:
    kind = KINDS[n % len(KINDS)] if n % 1000 else "two-factor reset"
    return {
        "at": now - timedelta(seconds=(total - n) * 20),
        "account_id": account_id,
        "by_account_id": FIRST if kind == "two-factor reset" else None,
        "kind": kind,
        "factor": "verify" if kind == "voided: set-up" else None,
        "result": "loaded" if kind == "voided: set-up" else "done",
        "address": "192.0.2.7",
        "browser": "Firefox",
        "system": "Linux",
    }


def member_of_first(crowd: Crowd) -> int:
    """Return somebody who is in the first organisation, with an app and codes."""
    return next(
        FIRST + n
        for n in range(crowd.first + 1, crowd.people)
        if _has_app(n) and n % 4 and _is_of_first(crowd, n) and n % 53
    )
