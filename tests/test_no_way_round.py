"""No walk over the product leads past a second factor that is owed (S-009).

Somebody has the password of a person with two-factor on, and no code. They ask for every
address in any order, with whatever the page before gave them.
"""

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from db import db
from tests.conftest import addresses_of
from tests.person import PASSWORD, Person, app_code, never_shown

FACTORS = "SELECT id, account_id, sealed_secret, revoked_at FROM authenticators"
PASSED = "SELECT count(*) FROM sign_ins WHERE second_at IS NOT NULL OR proved_at IS NOT NULL"
OWED = {"Enter your code", "Sign in", "Sign-in is paused"}


@pytest.fixture
def carol(app: Flask) -> Person:
    """Set up and signed out; a code of hers was spent, and what she passed is over."""
    person = Person(app, "carol@example.com")
    person.sign_in()
    person.set_up()
    person.sign_out()
    return person


def state(app: Flask) -> tuple[object, ...]:
    with app.app_context():
        rows = [tuple(row) for row in db.session.execute(text(FACTORS))]
        return rows, db.session.scalar(text(PASSED))


def step(person: Person, method: str, address: str, code: str) -> None:
    """Do one thing, as a browser that follows what it is told, or as somebody who does not."""
    if method == "GET":
        person.visit(address)
        return
    known = {"email": person.email, "password": PASSWORD, "way": "codes", "saved": "1"}
    person.press(address, **known, code=code, trust="1", address="eve@home.example")


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_walk_leads_past_the_code(app: Flask, carol: Person, data: st.DataObject) -> None:
    everywhere = [a for a in addresses_of(app, kind="authenticator") if a[0] in {"GET", "POST"}]
    everywhere.remove(("GET", "/favicon.ico"))  # no page to be read
    ways_in = [a for a in everywhere if a[1].startswith(("/signin", "/setup", "/security"))]
    wrong = never_shown(carol.key)
    before, eve = state(app), Person(app, carol.email)
    eve.sign_in()
    moves = st.sampled_from(ways_in) | st.sampled_from(everywhere)
    codes = st.sampled_from(["", wrong, wrong[:3], "00000000"])
    for (method, address), code in data.draw(st.lists(st.tuples(moves, codes), max_size=12)):
        step(eve, method, address, code)
        if data.draw(st.booleans()):
            eve.sign_in()
    assert eve.visit("/security").heading in OWED
    assert state(app) == before


def test_the_right_code_does_lead_there(app: Flask, carol: Person) -> None:
    """The walk above would find the way if there were one."""
    before, owner = state(app), Person(app, carol.email)
    owner.sign_in()
    step(owner, "POST", "/signin/code", app_code(carol.key, steps=1))
    assert owner.visit("/security").heading == "Two-factor authentication"
    assert state(app) != before
