"""Strangers keep no owner out (S-098): known browsers, reset links and tries of one's own."""

from collections.abc import Callable
from datetime import timedelta

from flask import Flask
from time_machine import Traveller

from db import alembic, db
from tests.conftest import NOON, set_up_before_noon
from tests.person import Page, Person, app_code
from tests.test_passwords import NEW, choose, links

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]
IN, ASKED = "Two-factor authentication", "Enter your code"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def guess_wrong(person: Person, times: int) -> Page:
    """Type wrong passwords until they cost a wait."""
    for n in range(times):
        page = person.sign_in(f"wrong {n}")
    return page


def device_of(person: Person) -> str:
    cookie = person.client.get_cookie("device")
    assert cookie is not None
    return cookie.value


# Known browsers


def test_a_browser_stays_known_as_long_as_it_is_used(
    app: Flask, noon: Traveller, rows: Rows
) -> None:
    """Each full sign-in, by password alone or with a code, lets its cookie live 30 days more."""
    carol = set_up_before_noon(app, noon, "carol")
    bob = Person(app, "bob@example.com")
    devices = {}
    for _ in range(5):
        carol.sign_in()
        carol.press("/signin/code", code=app_code(carol.key))
        assert (carol.page.heading, bob.sign_in().heading) == (IN, IN)
        devices[device_of(carol)] = devices[device_of(bob)] = True
        carol.sign_out()
        bob.sign_out()
        noon.shift(29 * DAY)
        app.extensions["swept_at"] = NOON  # an hour ago: the next POST sweeps
    assert len(devices) == 2  # each kept its one cookie
    for person in (carol, bob):
        assert guess_wrong(Person(app, person.email), 22).status == 429
    assert bob.sign_in().heading == IN
    assert carol.sign_in().heading == ASKED
    assert rows("SELECT count(*) FROM trusted_devices") == [(2,)]


def test_a_trusted_browser_stays_known_and_its_trust_ends(app: Flask, noon: Traveller) -> None:
    """S-116: trust keeps its end of 30 days, however long the browser is known."""
    carol = set_up_before_noon(app, noon, "carol")
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key), trust="1")
    for day in (20, 29):
        carol.sign_out()
        noon.move_to(NOON + day * DAY)
        assert carol.sign_in().heading == IN
    carol.sign_out()
    noon.move_to(NOON + 31 * DAY)
    assert carol.sign_in().heading == ASKED
    carol.press("/signin/code", code=app_code(carol.key))
    assert "No device is trusted." in carol.visit("/security").text
    carol.sign_out()
    noon.move_to(NOON + 60 * DAY)
    assert guess_wrong(Person(app, carol.email), 22).status == 429
    assert carol.sign_in().heading == ASKED


def test_a_browser_that_was_not_used_for_30_days_is_a_stranger(app: Flask, noon: Traveller) -> None:
    """A half sign-in, or a page looked at, is no use."""
    carol = set_up_before_noon(app, noon, "carol")
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    cookie = device_of(carol)
    carol.sign_out()
    noon.move_to(NOON + 29 * DAY)
    carol.sign_in()
    carol.sign_out()
    noon.move_to(NOON + 30 * DAY)
    carol.client.set_cookie("device", cookie)
    assert guess_wrong(Person(app, carol.email), 22).status == 429
    assert carol.sign_in().status == 429


# Reset links


def ask(person: Person) -> None:
    """Ask for a link in this browser, in which somebody may have signed in before."""
    person.visit("/signin/forgot")
    assert person.press("/signin/forgot", email=person.email).heading == "Check your email"


def test_strangers_cause_one_mail_an_hour_and_as_many_a_day(app: Flask, noon: Traveller) -> None:
    """S-098 wins over S-077: a limit a day is one that an attacker can use up."""
    for minute in range(0, 24 * 60, 20):
        noon.move_to(NOON + minute * MINUTE)
        ask(Person(app, "bob@example.com"))
        assert len(links(app)) == minute // 60 + 1


def test_a_known_browser_is_counted_apart(bob: Person, app: Flask, noon: Traveller) -> None:
    """S-077: three an hour and ten a day of its own, whatever strangers asked for."""
    noon.shift(MINUTE)
    bob.sign_in()
    bob.sign_out()
    ask(Person(app, bob.email))
    for _ in range(5):
        ask(bob)
    assert len(links(app)) == 1 + 3
    for hour in range(1, 5):
        noon.move_to(NOON + hour * (HOUR + MINUTE))
        for _ in range(5):
            ask(bob)
    assert len(links(app)) == 1 + 10
    ask(Person(app, bob.email))
    assert len(links(app)) == 1 + 10 + 1


def test_a_strangers_request_replaces_no_link_that_is_good(
    bob: Person, app: Flask, noon: Traveller, snapshot: Snapshot
) -> None:
    noon.shift(MINUTE)
    bob.sign_in()
    bob.sign_out()
    ask(bob)
    before = snapshot()
    noon.shift(29 * MINUTE)
    ask(Person(app, bob.email))
    assert snapshot() == before

    (link,) = links(app)
    assert bob.visit(link).heading == "Choose a new password"
    bob.press(link)
    noon.shift(MINUTE)
    ask(Person(app, bob.email))  # mailed, since none waits to be opened
    assert len(links(app)) == 2
    assert bob.press("/signin/new-password", new=NEW).heading == "Your password is saved"
    assert bob.visit(links(app)[-1]).status == 410


def test_a_request_from_a_known_browser_replaces_older_links(
    bob: Person, app: Flask, noon: Traveller
) -> None:
    noon.shift(MINUTE)
    bob.sign_in()
    bob.sign_out()
    ask(Person(app, bob.email))
    ask(bob)
    old, new = links(app)
    assert bob.visit(old).status == 410
    assert bob.visit(new).heading == "Choose a new password"


# An upgrade


def test_a_link_from_before_the_upgrade_still_opens(app: Flask, noon: Traveller) -> None:
    """Nobody knows who asked for it: it counts as a stranger's."""
    ask(Person(app, "bob@example.com"))
    with app.app_context():
        alembic.downgrade("0016")
        db.engine.dispose()
    assert app.test_cli_runner().invoke(args=["init"]).exit_code == 0
    person = Person(app, "bob@example.com")
    ask(person)
    (link,) = links(app)
    choose(person, link)
    assert person.page.heading == "Your password is saved"
