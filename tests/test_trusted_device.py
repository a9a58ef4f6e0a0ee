"""Trust this device: what it spares, to whom it is given, and when it ends."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from time_machine import Traveller

from db import db
from tests.conftest import NOON
from tests.person import PASSWORD, Person, app_code, mailed_code

Rows = Callable[[str], list[tuple[object, ...]]]
IN, ASKED = "Two-factor authentication", "Enter your code"
TRUSTED = "SELECT count(*) FROM trusted_devices WHERE trusted_at IS NOT NULL"


@pytest.fixture
def carol(app: Flask, noon: Traveller) -> Person:
    """Set up with backup codes two hours ago, in another browser; owes her code in this one."""
    noon.move_to(NOON - timedelta(hours=2))
    first = Person(app, "carol@example.com")
    first.sign_in()
    codes = first.set_up()
    noon.move_to(NOON)
    person = Person(app, "carol@example.com")
    person.codes, person.key = codes, first.key
    person.sign_in()
    assert person.page.heading == ASKED
    return person


@pytest.fixture
def trusted(carol: Person) -> Person:
    """Carol in a browser that she has ticked; signed out."""
    carol.press("/signin/code", code=app_code(carol.key), trust="1")
    assert carol.page.heading == IN
    carol.sign_out()
    return carol


def token(person: Person) -> str:
    cookie = person.client.get_cookie("device")
    assert cookie is not None
    return cookie.value


def run(app: Flask, statement: str) -> None:
    """Change the database beside the application."""
    with app.app_context():
        db.session.execute(text(statement))
        db.session.commit()


def test_it_spares_the_code_and_never_the_password(trusted: Person, rows: Rows) -> None:
    """S-116."""
    assert trusted.sign_in("wrong password").status == 422
    assert trusted.visit("/security").heading == "Sign in"
    assert trusted.sign_in().heading == IN
    assert rows("SELECT count(*) FROM sign_ins WHERE ended_at IS NULL AND second_at IS NULL") == [
        (1,)
    ]


def test_it_is_given_only_when_ticked(carol: Person, rows: Rows) -> None:
    """S-117: the box is never ticked beforehand."""
    assert 'name="trust" value="1"' in carol.page.text
    assert "checked" not in carol.page.text
    carol.press("/signin/code", code=app_code(carol.key))
    assert rows(TRUSTED) == [(0,)]
    carol.sign_out()
    assert carol.sign_in().heading == ASKED


@pytest.mark.parametrize("value", ["", "false", ["", ""]])
def test_an_empty_tick_is_none(carol: Person, rows: Rows, value: object) -> None:
    carol.press("/signin/code", code=app_code(carol.key), trust=value)
    assert carol.page.heading == IN
    assert rows(TRUSTED) == [(0,)]


def test_a_wrong_code_gives_no_trust(carol: Person, rows: Rows) -> None:
    before = rows("SELECT * FROM trusted_devices")
    carol.press("/signin/code", code=app_code(carol.key, steps=-9), trust="1")
    assert carol.page.status == 422
    assert rows("SELECT * FROM trusted_devices") == before


def test_a_backup_code_gives_no_trust(carol: Person, rows: Rows) -> None:
    """S-117: even if somebody adds the tick to the form."""
    assert 'name="trust"' not in carol.visit("/signin/backup-code").text
    assert carol.press("/signin/backup-code", code=carol.codes[0], trust="1").heading == IN
    assert rows(TRUSTED) == [(0,)]
    carol.sign_out()
    assert carol.sign_in().heading == ASKED


def test_an_emailed_code_gives_no_trust(app: Flask, noon: Traveller, rows: Rows) -> None:
    """S-117."""
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.set_up_by_email("bob@home.example")
    bob.sign_out()
    noon.shift(timedelta(minutes=2))
    bob.sign_in()
    bob.press("/signin/backup-email")
    assert 'name="trust"' not in bob.page.text
    page = bob.press("/signin/backup-email/code", code=mailed_code(app), trust="1")
    assert page.heading == IN
    assert rows(TRUSTED) == [(0,)]


def test_the_set_up_itself_gives_no_trust(app: Flask, rows: Rows) -> None:
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.to_verify()
    bob.next(code=app_code(bob.key), trust="1")
    bob.next(way="codes", trust="1")
    bob.next(saved="1", trust="1")
    assert rows(TRUSTED) == [(0,)]
    bob.sign_out()
    assert bob.sign_in().heading == ASKED


def test_its_cookie_is_out_of_reach_and_ends_with_it(carol: Person, rows: Rows) -> None:
    """S-112, S-116: 256 random bits, of which the database knows a hash only."""
    form = carol.page.hidden() | {"code": app_code(carol.key), "trust": "1"}
    answer = carol.post("/signin/code", form)
    sent = [line for line in answer.headers.getlist("Set-Cookie") if line.startswith("device=")]
    assert len(sent) == 1
    value, *attributes = sent[0].removeprefix("device=").split("; ")
    assert {a for a in attributes if not a.startswith("Expires=")} == {
        "HttpOnly",
        "Max-Age=2592000",
        "Path=/",
        "SameSite=Lax",
    }
    assert "Expires=Thu, 05 Jun 2031 12:00:00 GMT" in attributes
    assert len(value) >= 43
    assert value not in str(rows("SELECT * FROM trusted_devices"))


def test_each_tick_gives_a_new_token_and_the_older_one_is_dead(
    trusted: Person, noon: Traveller
) -> None:
    """S-116: a copy of an older one is worth nothing, not even as a known browser's."""
    older = token(trusted)
    noon.shift(timedelta(days=30))
    assert trusted.sign_in().heading == ASKED
    trusted.press("/signin/code", code=app_code(trusted.key), trust="1")
    trusted.sign_out()

    assert token(trusted) != older
    thief = Person(trusted.app, trusted.email)
    thief.client.set_cookie("device", older)
    assert thief.sign_in().heading == ASKED
    assert trusted.sign_in().heading == IN


@pytest.mark.parametrize("forged", ["", "invented", "A" * 43, "\u2028", "0"])
def test_a_forged_token_spares_nothing(trusted: Person, forged: str) -> None:
    trusted.client.set_cookie("device", forged)
    assert trusted.sign_in().heading == ASKED


def test_a_changed_token_spares_nothing(trusted: Person) -> None:
    value = token(trusted)
    other = value[:-2] + ("aa" if value[-2:] != "aa" else "bb")
    trusted.client.set_cookie("device", other)
    assert trusted.sign_in().heading == ASKED


def test_its_hash_out_of_the_database_spares_nothing(trusted: Person, rows: Rows) -> None:
    [(stored,)] = rows("SELECT token_hash FROM trusted_devices WHERE trusted_at IS NOT NULL")
    trusted.client.set_cookie("device", str(stored))
    assert trusted.sign_in().heading == ASKED


def test_two_device_cookies_are_none(trusted: Person) -> None:
    """S-113."""
    trusted.visit("/signin")
    session = trusted.client.get_cookie("onward")
    assert session is not None
    form = trusted.page.hidden() | {"email": trusted.email, "password": PASSWORD}
    client = trusted.app.test_client(use_cookies=False)
    for devices in (f"device={token(trusted)}; device=x", f"device=x; device={token(trusted)}"):
        cookies = f"onward={session.value}; {devices}"
        answer = client.post("/signin", data=form, headers={"Cookie": cookies})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/signin/code")


def test_somebody_elses_device_spares_nothing(trusted: Person, app: Flask) -> None:
    """S-116: bound to its account."""
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.set_up()
    bob.sign_out()
    bob.client.set_cookie("device", token(trusted))
    assert bob.sign_in().heading == ASKED


def test_it_ends_after_thirty_days_however_often_it_is_used(
    trusted: Person, noon: Traveller
) -> None:
    """S-116: a fixed end."""
    for days in (10, 20, 29):
        noon.move_to(NOON + timedelta(days=days))
        assert trusted.sign_in().heading == IN
        trusted.sign_out()
    noon.move_to(NOON + timedelta(days=30) - timedelta(seconds=1))
    assert trusted.sign_in().heading == IN
    trusted.sign_out()
    noon.move_to(NOON + timedelta(days=30))
    assert trusted.sign_in().heading == ASKED


def test_a_sign_in_that_it_spared_ends_with_it(trusted: Person, noon: Traveller) -> None:
    """Nobody stays signed in past the end of the trust that let them in."""
    noon.move_to(NOON + timedelta(days=30) - timedelta(minutes=5))
    assert trusted.sign_in().heading == IN
    noon.shift(timedelta(minutes=5))
    assert trusted.visit("/security").heading == ASKED


def test_it_goes_with_the_app_that_was_replaced(trusted: Person, noon: Traveller) -> None:
    """S-117: factor change."""
    other = Person(trusted.app, trusted.email)
    other.key = trusted.key
    noon.shift(timedelta(minutes=1))
    other.sign_in()
    other.press("/signin/code", code=app_code(trusted.key))
    other.visit("/setup/authenticator")
    other.next()
    key = other.page.key
    other.next()
    other.next(code=app_code(key))
    assert trusted.sign_in().heading == ASKED


def test_it_goes_with_a_new_password(trusted: Person, noon: Traveller) -> None:
    """S-117: what was trusted before the password changed is trusted no longer."""
    assert trusted.sign_in().heading == IN
    noon.shift(timedelta(minutes=1))
    run(trusted.app, "UPDATE accounts SET password_at = '2031-05-06 12:01:00.000000' WHERE id = 3")
    assert trusted.visit("/security").heading == ASKED
    assert trusted.sign_in().heading == ASKED


def test_it_satisfies_no_fresh_proof(trusted: Person, rows: Rows) -> None:
    """S-118: the sign-in is seconds old, and still a code is asked."""
    assert trusted.sign_in().heading == IN
    device = rows("SELECT id FROM trusted_devices WHERE trusted_at IS NOT NULL")[0][0]
    for path in ("/setup/authenticator", "/setup/codes", "/setup/email"):
        trusted.visit(path)
        assert trusted.next().heading == "Confirm it is you", path
        assert 'name="code"' in trusted.page.text
        assert 'name="password"' not in trusted.page.text
    for path in ("remove-all", f"{device}/remove"):
        trusted.visit("/security")
        page = trusted.press(f"/security/devices/{path}")
        assert page.heading == "Confirm it is you"
    assert rows("SELECT count(*) FROM wizards WHERE kind <> 'set-up'") == [(0,)]
    assert rows(TRUSTED) == [(1,)]


def test_the_password_is_no_proof_where_a_code_is_asked(trusted: Person, rows: Rows) -> None:
    """S-118: who knows the password and sits at the trusted browser changes nothing."""
    trusted.sign_in()
    trusted.visit("/setup/codes")
    trusted.next()
    page = trusted.press("/signin/confirm", password=PASSWORD)
    assert (page.status, page.heading) == (422, "Confirm it is you")
    assert rows("SELECT proved_at FROM sign_ins WHERE ended_at IS NULL AND second_at IS NULL") == [
        (None,)
    ]
