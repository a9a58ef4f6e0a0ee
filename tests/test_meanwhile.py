"""What was true when a slow hash began is looked at again when it ends (S-005, S-098, S-119).

Each test lets one request run to its end while another one computes a hash.
"""

import re
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from argon2 import low_level
from flask import Flask
from sqlalchemy import text

from accounts import new_password
from db import db
from tests import postgres
from tests.conftest import add_person, install
from tests.meanwhile import meanwhile
from tests.person import PASSWORD, Person, app_code, letters, text_of

NUMBERS = count(1)
NEW, NEWER = "a quite different sentence", "and one more of those"
VERIFIES, HASHES = low_level.verify_secret, low_level.hash_secret
Rows = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    instance = tmp_path_factory.mktemp("meanwhile") / "instance"
    if request.param == "sqlite":
        made = install(instance)
        yield made
    else:
        install(instance)  # an application on such a database wants its keys at once
        made = install(instance, DATABASE_URL=postgres.new_database(postgres.shared(), "meanwhile"))
        yield made
        with made.app_context():
            db.engine.dispose()
    with made.app_context():
        db.engine.dispose()


@pytest.fixture
def person(app: Flask) -> Person:
    """Somebody new, without two-factor, whose browser has been here once."""
    name = f"person{next(NUMBERS)}"
    add_person(app, name, "Reading Room")
    return Person(app, f"{name}@example.com")


@pytest.fixture
def reset(app: Flask, person: Person) -> Callable[[], None]:
    return reset_of(app, person.email)


def reset_of(app: Flask, email: str) -> Callable[[], None]:
    """Return what replaces somebody's password by a mailed link, opened already."""
    owner = Person(app, email)
    owner.visit("/signin/forgot")
    owner.press("/signin/forgot", email=email)
    mailed = [letter for letter in letters(app) if letter["To"] == email]
    link = re.search(r"/signin/reset/\S+", text_of(mailed[-1]))
    assert link is not None
    owner.visit(link[0])
    owner.press(link[0])

    def choose() -> None:
        assert owner.press("/signin/new-password", new=NEW).heading == "Your password is saved"

    return choose


PASSWORD_AT = "SELECT password_at FROM accounts JOIN throttles ON account_id = accounts.id"


def of_person(person: Person, query: str) -> list[tuple[object, ...]]:
    """Read what belongs to somebody; `query` ends before its condition."""
    mine = "(SELECT id FROM accounts WHERE email = :email)"
    order = "" if " JOIN " in query else " ORDER BY id"
    with person.app.app_context():
        found = db.session.execute(
            text(f"{query} WHERE account_id = {mine}{order}"), {"email": person.email}
        )
        return [tuple(row) for row in found]


def alive(person: Person) -> int:
    return [ended for (ended,) in of_person(person, "SELECT ended_at FROM sign_ins")].count(None)


def last_event(person: Person) -> tuple[object, ...]:
    return of_person(person, "SELECT kind, result FROM events")[-1]


def wrong(person: Person, times: int) -> None:
    stranger = Person(person.app, person.email)
    for _ in range(times):
        stranger.sign_in("a wrong password")


# A new password


def test_no_sign_in_by_the_old_password_outlives_the_new_one(
    app: Flask, person: Person, reset: Callable[[], None]
) -> None:
    person.visit("/signin")
    with meanwhile(VERIFIES, reset):
        page = person.press("/signin", email=person.email, password=PASSWORD)

    assert (page.status, page.error) == (422, "That email and password do not match.")
    assert alive(person) == 0
    assert last_event(person) == ("sign-in", "refused")
    assert person.visit("/security").heading == "Sign in"
    assert person.sign_in(NEW).heading == "Two-factor authentication"


def test_no_half_sign_in_by_the_old_password_outlives_the_new_one(
    app: Flask, person: Person, reset: Callable[[], None]
) -> None:
    """S-005: with a right code it would have been a whole one."""
    person.sign_in()
    person.set_up()
    thief = Person(app, person.email)
    thief.visit("/signin")
    with meanwhile(VERIFIES, reset):
        page = thief.press("/signin", email=person.email, password=PASSWORD)

    assert (page.status, alive(person)) == (422, 0)
    thief.visit("/signin/code")
    assert thief.page.heading == "Sign in"
    answer = thief.post("/signin/code", thief.page.hidden() | {"code": app_code(person.key)})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/signin")
    assert len(of_person(person, "SELECT id FROM sign_ins")) == 1


def test_the_old_password_proves_nothing_once_there_is_a_new_one(
    app: Flask, person: Person, reset: Callable[[], None]
) -> None:
    person.sign_in()
    person.visit("/signin/confirm")
    rows = "SELECT token_hash, proved_at, ended_at IS NULL FROM sign_ins"
    before = of_person(person, rows)[0]
    with meanwhile(VERIFIES, reset):
        page = person.press("/signin/confirm", password=PASSWORD)

    assert page.heading == "Sign in"
    assert of_person(person, rows) == [(*before[:2], False)]


def test_a_tab_of_the_same_browser_may_not_prove_by_what_the_other_replaced(
    app: Flask, person: Person
) -> None:
    """The sign-in itself lives on, with a new token."""
    person.sign_in()
    person.visit("/signin/confirm")
    tab, cookie = Person(app, person.email), person.client.get_cookie("onward")
    assert cookie is not None
    tab.client.set_cookie("onward", cookie.value)
    tab.visit("/security/password")
    rows = "SELECT token_hash, proved_at FROM sign_ins"
    with meanwhile(VERIFIES, lambda: tab.press("/security/password", old=PASSWORD, new=NEW)):
        renewed = person.press("/signin/confirm", password=PASSWORD)

    assert renewed.heading == "Sign in"
    assert tab.visit("/security").heading == "Two-factor authentication"
    assert of_person(tab, "SELECT kind, result FROM events")[-2] == ("proof", "done")
    assert len(of_person(person, rows)) == 1


@pytest.mark.parametrize("slow", [VERIFIES, HASHES], ids=["old", "new"])
def test_a_change_in_flight_does_not_replace_the_password_of_a_reset(
    app: Flask, person: Person, reset: Callable[[], None], slow: Callable[..., object]
) -> None:
    """Whoever has the old password and a sign-in would have kept the account."""
    thief = person
    thief.sign_in()
    thief.visit("/security/password")
    with meanwhile(slow, reset):
        page = thief.press("/security/password", old=PASSWORD, new=NEWER)

    assert page.heading == "Sign in"
    assert alive(person) == 0
    assert thief.sign_in(NEWER).status == 422
    assert thief.sign_in(NEW).heading == "Two-factor authentication"


def test_a_sign_in_in_flight_does_not_outlive_a_change_by_the_person(
    app: Flask, person: Person
) -> None:
    owner, thief = person, Person(app, person.email)
    owner.sign_in()
    owner.visit("/security/password")
    thief.visit("/signin")
    with meanwhile(VERIFIES, lambda: owner.press("/security/password", old=PASSWORD, new=NEW)):
        page = thief.press("/signin", email=person.email, password=PASSWORD)

    assert (page.status, alive(person)) == (422, 1)
    assert owner.visit("/security").heading == "Two-factor authentication"


def test_two_passwords_of_one_instant_are_two(
    noon: object, app: Flask, person: Person, reset: Callable[[], None]
) -> None:
    """The clock stands still: the new one has the moment of the old one."""
    moment = of_person(person, PASSWORD_AT)
    person.visit("/signin")
    with meanwhile(VERIFIES, reset):
        page = person.press("/signin", email=person.email, password=PASSWORD)

    assert (page.status, alive(person)) == (422, 0)
    assert of_person(person, PASSWORD_AT) == moment


def test_trust_given_meanwhile_ends_with_the_password(
    app: Flask, person: Person, reset: Callable[[], None]
) -> None:
    """S-117: trust of a moment later than the one that the new password was asked for."""
    if app.config["DATABASE_URL"] == "":
        pytest.skip("SQLite lets no second writer in where the two could meet")
    person.sign_in()
    person.set_up()
    thief = Person(app, person.email)
    assert thief.sign_in().heading == "Enter your code"
    code = app_code(person.key, steps=1)

    with meanwhile(new_password.choose, lambda: thief.press("/signin/code", code=code, trust="1")):
        reset()

    assert thief.visit("/security").heading == "Sign in"
    assert of_person(person, "SELECT trusted_at FROM trusted_devices")[-1] == (None,)
    assert thief.sign_in(NEW).heading == "Enter your code"


# Disabled


def test_no_sign_in_begins_for_somebody_disabled_meanwhile(app: Flask, person: Person) -> None:
    """It would open everything again on the day they are let back in."""
    run = app.test_cli_runner().invoke

    def disable() -> None:
        assert run(args=["account", "disable", person.email]).exit_code == 0

    person.visit("/signin")
    with meanwhile(VERIFIES, disable):
        page = person.press("/signin", email=person.email, password=PASSWORD)

    assert (page.status, alive(person)) == (422, 0)
    assert run(args=["account", "enable", person.email]).exit_code == 0
    assert person.visit("/security").heading == "Sign in"


def test_nobody_disabled_meanwhile_chooses_a_password(
    app: Flask, person: Person, reset: Callable[[], None]
) -> None:
    run = app.test_cli_runner().invoke
    before = of_person(person, "SELECT used_at FROM password_links")

    def disable() -> None:
        assert run(args=["account", "disable", person.email]).exit_code == 0

    with pytest.raises(AssertionError, match="This link does not work"), meanwhile(HASHES, disable):
        reset()

    assert of_person(person, "SELECT used_at FROM password_links") == before
    assert run(args=["account", "enable", person.email]).exit_code == 0
    assert person.sign_in().heading == "Two-factor authentication"


# Waits


def test_a_wait_that_began_meanwhile_binds_the_right_password_too(
    app: Flask, person: Person
) -> None:
    """S-098: behind the first wrong one it would have been refused as well."""
    person.visit("/signin")
    with meanwhile(VERIFIES, lambda: wrong(person, 21)):
        page = person.press("/signin", email=person.email, password=PASSWORD)

    assert page.status == 429
    assert page.error.startswith("Too many tries. Wait until ")
    assert alive(person) == 0
    with app.app_context():
        counted = db.session.execute(text("SELECT max(failures) FROM password_tries")).scalar()
    assert counted == 21


def test_a_wait_that_began_meanwhile_binds_a_proof_too(app: Flask, person: Person) -> None:
    person.sign_in()
    tab, cookie = Person(app, person.email), person.client.get_cookie("onward")
    device = person.client.get_cookie("device")
    assert cookie is not None
    assert device is not None
    tab.client.set_cookie("onward", cookie.value)
    tab.client.set_cookie("device", device.value)
    tab.visit("/signin/confirm")
    person.visit("/signin/confirm")
    before = of_person(person, "SELECT token_hash FROM sign_ins")

    def guess() -> None:
        for _ in range(21):
            tab.press("/signin/confirm", password="a wrong password")
        assert tab.page.status == 422

    with meanwhile(VERIFIES, guess):
        page = person.press("/signin/confirm", password=PASSWORD)

    assert page.status == 429
    assert of_person(person, "SELECT token_hash FROM sign_ins") == before
