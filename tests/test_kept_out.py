"""Strangers keep no owner out (S-098): known browsers, reset links and tries of one's own."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from time_machine import Traveller

from db import alembic, db
from factors import trusted_device
from tests.administration import administrator, press
from tests.conftest import NOON, set_up_before_noon
from tests.person import PASSWORD, Page, Person, app_code, letters
from tests.sizes import drill
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


# The day


class Attacker:
    """Somebody with an address and nothing else, who moves first in every minute of a day."""

    def __init__(self, app: Flask, email: str) -> None:
        self.person = Person(app, email)
        self.requests = 0

    def fill(self) -> None:
        """Wrong passwords until there is a wait, as soon as one is read again."""
        while self._post("/signin", password="wrong") == 422:
            pass

    def forget(self) -> None:
        assert self._post("/signin/forgot") == 200

    def _post(self, path: str, **fields: str) -> int:
        self.requests += 1
        form = self.person.visit(path).hidden() | fields
        return self.person.post(path, form | {"email": self.person.email}).status_code


def come_by_link(app: Flask, carol: Person, new: str) -> bool:
    """Come to a new browser, choose a password by the newest mail and sign in."""
    person = Person(app, carol.email)
    person.visit("/signin/forgot")
    person.press("/signin/forgot", email=carol.email)
    choose(person, links(app)[-1], new)
    if person.page.heading != "Your password is saved":
        return False
    person.sign_in(new)
    person.press("/signin/code", code=app_code(carol.key))
    return person.page.heading == IN


HOURS = drill(6, 24)
"""Of an attack; two such hours are alike, and `make drill` tries a whole day."""


@pytest.mark.drill
def test_a_day_of_attack_keeps_no_owner_out(app: Flask, noon: Traveller) -> None:
    """F3: from a known browser she always gets in, from a new one at least once an hour."""
    carol = set_up_before_noon(app, noon, "carol")
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    attacker, password = Attacker(app, carol.email), PASSWORD
    known = strangers = by_link = 0
    for minute in range(HOURS * 60):
        noon.move_to(NOON + (minute + 1) * MINUTE)
        attacker.fill()
        attacker.forget()
        if minute % 60 == 5:
            new = f"{NEW} {minute}"
            if come_by_link(app, carol, new):
                password, by_link = new, by_link + 1
        if minute % 10 == 7:
            strangers += Person(app, carol.email).sign_in(password).heading == ASKED
            carol.sign_in(password)
            carol.press("/signin/code", code=app_code(carol.key))
            known += carol.page.heading == IN
            carol.sign_out()

    assert attacker.requests > 2 * HOURS * 60
    assert strangers == 0  # the attack is one: the right password alone opens nothing
    assert known == HOURS * 6
    assert by_link == HOURS


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


# Tries of one's own


@pytest.fixture
def attacked(app: Flask, noon: Traveller) -> Person:
    """Carol, set up, in a new browser, while strangers have to wait."""
    carol = set_up_before_noon(app, noon, "carol")
    person = Person(app, carol.email)
    person.key = carol.key
    ask(person)
    assert guess_wrong(Person(app, carol.email), 22).status == 429
    return person


def stranger_waits(app: Flask, email: str) -> bool:
    return guess_wrong(Person(app, email), 22).status == 429


def test_the_browser_that_opened_a_link_has_tries_of_its_own_for_an_hour(
    app: Flask, attacked: Person, noon: Traveller
) -> None:
    assert attacked.sign_in().status == 429
    link = links(app)[-1]
    attacked.visit(link)
    attacked.press(link)
    assert attacked.sign_in().heading == ASKED  # with the old password, found again
    noon.shift(59 * MINUTE)
    assert stranger_waits(app, attacked.email)
    assert attacked.sign_in().heading == ASKED
    noon.shift(MINUTE)
    assert stranger_waits(app, attacked.email)
    assert attacked.sign_in().status == 429


def test_tries_of_ones_own_outlive_a_half_sign_in(app: Flask, attacked: Person) -> None:
    """The code did not come in time, or the page was closed: the password is typed again."""
    choose(attacked, links(app)[-1])
    for _ in range(3):
        assert stranger_waits(app, attacked.email)
        assert attacked.sign_in(NEW).heading == ASKED
    attacked.press("/signin/code", code=app_code(attacked.key))
    assert attacked.page.heading == IN
    attacked.sign_out()
    assert stranger_waits(app, attacked.email)
    assert attacked.sign_in(NEW).heading == ASKED  # a known browser now


def test_a_link_gives_twenty_tries_and_a_copied_cookie_no_more(
    app: Flask, attacked: Person
) -> None:
    """S-092: the count is a row of the server, whatever cookie is put back."""
    link = links(app)[-1]
    attacked.visit(link)
    attacked.press(link)
    cookie = attacked.client.get_cookie("onward")
    assert cookie is not None
    answers = []
    for n in range(22):
        attacked.client.set_cookie("onward", cookie.value)
        answers.append(attacked.sign_in(f"wrong {n}").status)
    assert answers == [422] * 21 + [429]
    copy = Person(app, attacked.email)
    copy.client.set_cookie("onward", cookie.value)
    assert copy.sign_in().status == 429


def test_a_link_of_one_account_gives_no_tries_at_another(app: Flask, attacked: Person) -> None:
    bob = Person(app, "bob@example.com")
    ask(bob)
    choose(bob, links(app)[-1])
    bob.email = attacked.email
    assert bob.sign_in().status == 429


def test_a_link_that_is_only_looked_at_gives_no_tries(app: Flask, attacked: Person) -> None:
    """S-079: mail scanners load every link."""
    attacked.visit(links(app)[-1])
    assert attacked.sign_in().status == 429


def test_a_link_ends_the_wait_of_a_known_browser_too(
    app: Flask, noon: Traveller, bob: Person
) -> None:
    """Twenty slips, then "Forgot your password?": the new one is read at once."""
    bob.sign_out()
    assert guess_wrong(bob, 22).status == 429
    ask(bob)
    choose(bob, links(app)[-1])
    assert bob.sign_in(NEW).heading == IN


def test_somebody_invited_is_not_kept_out_either(app: Flask, noon: Traveller) -> None:
    dora = administrator(app)
    dora.visit("/admin/people/add")
    press(dora, "Add people", people="Fay, fay@example.com")
    fay = Person(app, "fay@example.com")
    assert stranger_waits(app, fay.email)
    choose(fay, links(app, "invitation")[-1])
    assert stranger_waits(app, fay.email)
    assert fay.sign_in(NEW).heading == "Set up two-factor authentication"


def test_strangers_keep_nobody_from_proving_who_they_are(bob: Person, app: Flask) -> None:
    """Signed in, in a browser that was forgotten meanwhile, the password is a proof as before."""
    with app.app_context():
        trusted_device.forget(2)
        db.session.commit()
    assert stranger_waits(app, bob.email)
    bob.visit("/security/password")
    bob.press("/security/password", old=PASSWORD, new=NEW)
    assert bob.page.heading == IN
    assert bob.visit("/signin").heading == IN


# Mailed codes


def test_nobody_uses_up_the_mails_of_an_address_by_setting_up_with_it(
    app: Flask, noon: Traveller
) -> None:
    """S-077 counts per address across accounts; an address that only was typed is no owner's."""
    carol = set_up_before_noon(app, noon, "carol", "carol@home.example", 2 * HOUR)
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    for minute in range(4):
        noon.move_to(NOON + minute * 2 * MINUTE)
        bob.to_backup()
        bob.next(way="email")
        bob.next(address="carol@home.example")
        for _ in range(2):
            noon.shift(61 * timedelta(seconds=1))
            bob.next(act="resend")
    assert mails_to(app, "carol@home.example") == 1 + 5
    carol.sign_in()
    assert carol.press("/signin/backup-email").status == 200
    assert mails_to(app, "carol@home.example") == 1 + 5 + 1


def mails_to(app: Flask, address: str) -> int:
    return sum(letter["To"] == address for letter in letters(app))


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
