"""Looking changes nothing, and whoever asks from behind a proxy is known by the right address."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text
from time_machine import Traveller

import client
from app import create_app
from db import db
from tests.administration import administrator
from tests.conftest import CHEAP, addresses_of
from tests.person import Person

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]


def owner(app: Flask) -> Person:
    return administrator(app)


def open_member(app: Flask) -> Person:
    person = Person(app, "bob@example.com")
    person.sign_in()
    return person


def must_set_up(app: Flask) -> Person:
    person = Person(app, "alice@example.com")
    person.sign_in()
    return person


def half(app: Flask) -> Person:
    """Carol, who owes her code."""
    person = Person(app, "carol@example.com")
    person.sign_in()
    person.set_up()
    person.sign_out()
    person.sign_in()
    return person


def stranger(app: Flask) -> Person:
    return Person(app, "mallory@example.com")


@pytest.mark.parametrize("who", [owner, open_member, must_set_up, half, stranger])
def test_looking_at_every_address_changes_nothing(
    app: Flask, noon: Traveller, snapshot: Snapshot, who: Callable[[Flask], Person]
) -> None:
    """S-132: with no set-up to void and no view to be seen; the return from SSO is answered 404.

    The row that `/health/ready` writes is one of `runs`, which the snapshot leaves out.
    """
    person = who(app)
    before, met = snapshot(), set()
    for method, address in addresses_of(app, account_id="2", kind="codes", filename="onward.css"):
        if method in {"GET", "HEAD", "OPTIONS"}:
            answer = person.client.open(address, method=method, buffered=True)
            met.add(answer.status_code)
            assert (method, address, snapshot() == before) == (method, address, True)
    assert {200, 404} <= met
    assert max(met) < 500


@pytest.mark.parametrize(
    ("hops", "seen"), [(0, "127.0.0.1"), (1, "203.0.113.9"), (2, "198.51.100.7")]
)
def test_only_proxies_of_ours_say_who_asks(
    installed: Path, hops: int, seen: str, tmp_path: Path
) -> None:
    """S-101: each proxy adds one address at the end; what a browser wrote before is not read."""
    shutil.copytree(installed, tmp_path / "instance")
    app = create_app({"INSTANCE": str(tmp_path / "instance"), "PROXY_HOPS": hops, **CHEAP})
    person = Person(app, "alice@example.com")
    forwarded = {"X-Forwarded-For": "192.0.2.66, 198.51.100.7, 203.0.113.9"}
    fields = person.visit("/signin").hidden()
    data = fields | {"email": person.email, "password": "wrong"}
    person.client.post("/signin", data=data, headers=forwarded)
    with app.app_context():
        noted = db.session.scalar(text("SELECT address FROM events ORDER BY id DESC LIMIT 1"))
        db.engine.dispose()
    assert noted == seen


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:4711", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nowhere", "nowhere"),
        ("[]", "[]"),
        ("", ""),
    ],
)
def test_the_network_of_an_address(app: Flask, address: str, network: str) -> None:
    with app.test_request_context(environ_base={"REMOTE_ADDR": address}):
        assert client.network() == network
