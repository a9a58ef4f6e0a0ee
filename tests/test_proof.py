"""Confirm it is you: the fresh proof before a sensitive act."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from time_machine import Traveller

from tests.conftest import NOON
from tests.person import PASSWORD, Person, app_code, mailed_code

Rows = Callable[[str], list[tuple[object, ...]]]
CONFIRM, HEADING = "/signin/confirm", "Confirm it is you"
MINUTES = timedelta(minutes=1)


@pytest.fixture
def carol(app: Flask, noon: Traveller) -> Person:
    """With two-factor on; her last proof is ten minutes old, and she is asked for a new one."""
    noon.move_to(NOON - 10 * MINUTES)
    person = Person(app, "carol@example.com")
    person.sign_in()
    person.codes = person.set_up()
    noon.move_to(NOON)
    person.visit("/setup/codes")
    person.next()
    assert person.page.heading == HEADING
    return person


@pytest.fixture
def bob(app: Flask, noon: Traveller) -> Person:
    """Without two-factor; his sign-in is ten minutes old, and he is asked for a new proof."""
    noon.move_to(NOON - 10 * MINUTES)
    person = Person(app, "bob@example.com")
    person.sign_in()
    noon.move_to(NOON)
    person.visit("/setup")
    person.next()
    assert person.page.heading == HEADING
    return person


def proved(rows: Rows, account: int) -> bool:
    found = rows(
        "SELECT count(*) FROM sign_ins WHERE ended_at IS NULL"
        f" AND account_id = {account} AND proved_at >= '2031-05-06 12'"
    )
    return found == [(1,)]


def test_an_app_code_is_a_proof_and_leads_to_what_was_asked_for(carol: Person, rows: Rows) -> None:
    page = carol.press(CONFIRM, code=app_code(carol.key))
    assert page.heading == "Get new backup codes"
    assert proved(rows, 3)
    assert carol.next().heading == "Save your backup codes"


def test_a_backup_code_is_a_proof_and_spent_with_it(carol: Person, rows: Rows) -> None:
    assert carol.press(CONFIRM, code=carol.codes[0]).heading == "Get new backup codes"
    assert proved(rows, 3)
    assert rows("SELECT count(*) FROM backup_codes WHERE used_at IS NOT NULL") == [(1,)]


def test_a_code_that_proved_something_signs_nobody_in(carol: Person, rows: Rows) -> None:
    """S-024: one code, one use, wherever it is."""
    code = app_code(carol.key)
    carol.press(CONFIRM, code=code)
    other = Person(carol.app, carol.email)
    other.sign_in()
    assert other.press("/signin/code", code=code).status == 422
    assert rows("SELECT count(*) FROM sign_ins WHERE second_factor = 'app'") == [(1,)]


def test_the_password_is_the_proof_of_somebody_without_two_factor(bob: Person, rows: Rows) -> None:
    assert bob.press(CONFIRM, password=PASSWORD).heading == "Get an authenticator app"
    assert proved(rows, 2)
    assert bob.next().heading == "Scan the QR code"


@pytest.mark.parametrize(
    "fields",
    [{}, {"code": ""}, {"password": PASSWORD}, {"code": ["123456", "123456"]}, {"code": "1e5"}],
    ids=str,
)
def test_nothing_else_is_a_proof_with_two_factor_on(
    carol: Person, rows: Rows, fields: dict[str, str]
) -> None:
    """S-007, S-118."""
    page = carol.press(CONFIRM, **fields)
    assert (page.status, page.heading) == (422, HEADING)
    assert not proved(rows, 3)
    assert carol.visit("/setup/codes").heading == "Get new backup codes"
    assert carol.next().heading == HEADING


@pytest.mark.parametrize(
    "fields",
    [{}, {"password": ""}, {"password": "wrong password"}, {"password": [PASSWORD, PASSWORD]}],
    ids=str,
)
def test_nothing_else_is_a_proof_without_two_factor(
    bob: Person, rows: Rows, fields: dict[str, str]
) -> None:
    page = bob.press(CONFIRM, **fields)
    assert (page.status, page.heading) == (422, HEADING)
    assert page.error == "That password does not match."
    assert not proved(rows, 2)
    assert rows("SELECT count(*) FROM wizards") == [(0,)]


def test_an_emailed_code_is_no_proof(app: Flask, noon: Traveller, rows: Rows) -> None:
    """The backup email signs in; it changes nothing that protects the account."""
    bob = Person(app, "bob@example.com")
    noon.move_to(NOON - timedelta(hours=1))
    bob.sign_in()
    bob.set_up_by_email("bob@home.example")
    bob.sign_out()
    bob.sign_in()
    bob.press("/signin/backup-email")
    code = mailed_code(app)
    other = Person(app, "bob@example.com")
    other.sign_in()
    other.press("/signin/code", code=app_code(bob.key, steps=1))
    noon.shift(6 * MINUTES)
    other.visit("/setup/codes")
    assert other.next().heading == HEADING
    assert other.press(CONFIRM, code=code).status == 422
    other.visit("/setup/codes")
    assert other.next().heading == HEADING
    assert rows("SELECT count(*) FROM email_codes WHERE used_at IS NOT NULL") == [(0,)]


def test_a_proof_lasts_five_minutes(carol: Person, noon: Traveller) -> None:
    """S-047."""
    carol.press(CONFIRM, code=app_code(carol.key))
    noon.move_to(NOON + 5 * MINUTES - timedelta(seconds=1))
    carol.visit("/security")
    assert carol.press("/security/devices/remove-all").heading == "Two-factor authentication"
    noon.move_to(NOON + 5 * MINUTES)
    assert carol.press("/security/devices/remove-all").heading == HEADING


def test_a_proof_gives_the_sign_in_a_new_cookie_and_the_older_one_is_dead(carol: Person) -> None:
    """S-111."""
    older = carol.client.get_cookie("onward")
    assert older is not None
    carol.press(CONFIRM, code=app_code(carol.key))
    thief = Person(carol.app, carol.email)
    thief.client.set_cookie("onward", older.value)
    assert thief.visit("/security").heading == "Sign in"
    assert carol.visit("/security").heading == "Two-factor authentication"


def test_a_proof_counts_for_its_own_browser_only(carol: Person, noon: Traveller) -> None:
    other = Person(carol.app, carol.email)
    other.sign_in()
    other.press("/signin/code", code=app_code(carol.key))
    noon.shift(6 * MINUTES)
    carol.press(CONFIRM, code=app_code(carol.key))
    other.visit("/setup/codes")
    assert other.next().heading == HEADING


def test_no_field_says_where_a_proof_leads(carol: Person) -> None:
    """S-150."""
    fields = {"next": "//evil.test", "proof_for": "/help", "code": app_code(carol.key)}
    answer = carol.post(CONFIRM + "?next=//evil.test", carol.page.hidden() | fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/setup/codes")


def test_wrong_codes_here_are_of_the_one_budget(carol: Person, rows: Rows) -> None:
    """S-090, S-099, S-100: three here and two at sign-in; the live sign-in goes on."""
    for _ in range(3):
        assert carol.press(CONFIRM, code="00000000").status == 422
    half = Person(carol.app, carol.email)
    half.sign_in()
    half.press("/signin/backup-code", code="00000000")
    page = carol.press(CONFIRM, code="00000000")

    assert (page.status, page.heading) == (429, HEADING)
    assert page.error.startswith("Too many wrong codes. Wait until 6 May 2031, 12:30 UTC")
    assert half.visit("/signin/code").heading == "Sign in"
    before = rows("SELECT * FROM throttles"), rows("SELECT last_time_step FROM authenticators")
    page = carol.press(CONFIRM, code=app_code(carol.key))
    assert page.status == 429
    assert not proved(rows, 3)
    assert before == (
        rows("SELECT * FROM throttles"),
        rows("SELECT last_time_step FROM authenticators"),
    )
    assert carol.visit("/security").heading == "Two-factor authentication"


def test_wrong_passwords_here_are_throttled_like_those_at_sign_in(
    bob: Person, noon: Traveller, rows: Rows
) -> None:
    """S-098, S-100."""
    form = bob.page.hidden() | {"password": "wrong password"}
    statuses = [bob.post(CONFIRM, form).status_code for _ in range(22)]
    assert statuses == [422] * 21 + [429]
    assert bob.press(CONFIRM, password=PASSWORD).status == 429
    assert not proved(rows, 2)
    noon.shift(timedelta(seconds=31))
    assert bob.press(CONFIRM, password=PASSWORD).heading == "Get an authenticator app"


def test_a_half_sign_in_is_asked_for_its_code_and_for_no_proof(carol: Person, rows: Rows) -> None:
    """S-006."""
    half = Person(carol.app, carol.email)
    half.sign_in()
    before = rows("SELECT count(*) FROM backup_codes WHERE used_at IS NOT NULL")
    answer = half.post(CONFIRM, half.page.hidden() | {"code": carol.codes[1]})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/signin/code")
    assert rows("SELECT count(*) FROM backup_codes WHERE used_at IS NOT NULL") == before
