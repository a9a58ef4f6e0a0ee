"""A page that a phone discarded goes on; everything else that looks like it stays void.

The browser's part is in tests/browser/test_discard.py; here is what the server
holds to, whoever asks.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from time_machine import Traveller

from tests.person import Page, Person, app_code, mailed_code

Rows = Callable[[str], list[tuple[object, ...]]]
AGAIN, OUT_OF_DATE = "Set-up has started again", "This page is out of date"
ON = "Two-factor authentication is on"
STATE = "SELECT turn, voided_at, sealed_secret, sealed_kept FROM wizards ORDER BY id"


@pytest.fixture
def alice(app: Flask, noon: Traveller) -> Person:
    person = Person(app, "alice@example.com", htmx=True)
    person.sign_in()
    return person


def resume(person: Person, proof: str) -> Page:
    return person.press("/setup/resume", proof=proof)


@pytest.mark.parametrize("step", ["scan", "verify", "backup", "codes", "email", "email_code"])
def test_it_goes_on_at_the_step_and_with_the_secret_it_had(
    alice: Person, rows: Rows, step: str
) -> None:
    alice.start()
    if step != "scan":
        alice.next()
    if step in {"backup", "codes", "email", "email_code"}:
        alice.next(code=app_code(alice.key))
    if step in {"codes", "email", "email_code"}:
        alice.next(way="codes" if step == "codes" else "email")
    if step == "email_code":
        alice.next(address="alice@home.example")
    before = alice.page.heading, alice.page.codes
    label = rows("SELECT label FROM wizards")

    page = resume(alice, alice.come_back())

    assert (page.heading, page.codes) == before
    assert rows("SELECT step, label FROM wizards") == [(step, *label[0])]
    assert rows("SELECT count(*) FROM void_records") == [(0,)]
    finish(alice)
    assert rows("SELECT label FROM authenticators") == label


def finish(alice: Person) -> None:
    """Go on from any step to the end."""
    for _ in range(6):
        page = alice.page
        if page.heading == ON:
            return
        if "Enter the code" in page.heading:
            alice.next(code=app_code(alice.key))
        elif page.codes:
            alice.next(saved="1")
        elif page.heading == "Add a backup email":
            alice.next(address="alice@home.example")
        elif page.heading == "Check your email":
            alice.next(code=mailed_code(alice.app))
        else:
            alice.next(way="codes")
    raise AssertionError(alice.page.text)


def test_the_load_voids_as_always_and_tells_the_record(alice: Person, rows: Rows) -> None:
    alice.to_verify()
    alice.come_back()

    (turn, voided, secret, kept), *others = rows(STATE)
    assert (turn, others, secret) == (2, [], None)
    assert voided is not None
    assert kept is not None
    assert "“alice@example.com”" in alice.page.words


def test_a_proof_works_once_and_a_resent_one_shows_the_same(alice: Person, rows: Rows) -> None:
    alice.to_verify()
    proof = alice.come_back()
    told = alice.page
    first = resume(alice, proof)
    state = rows(STATE)

    alice.page = told
    second = resume(alice, proof)  # the answer was lost, the browser asks again

    assert second.value("ticket") == first.value("ticket")
    assert rows(STATE) == state
    alice.next(code=app_code(alice.key))
    alice.visit("/setup")
    page = resume(alice, proof)
    assert (page.status, page.heading) == (409, AGAIN)


def test_it_can_be_discarded_again(alice: Person) -> None:
    alice.to_verify()
    for _ in range(3):
        assert resume(alice, alice.come_back()).heading == "Enter the code from your app"
    finish(alice)


def test_an_older_proof_is_none(alice: Person, rows: Rows) -> None:
    """It rotates with every turn."""
    alice.start()
    older = alice.page.proof
    alice.next()
    alice.come_back()
    before = rows(STATE)

    page = resume(alice, older)

    assert (page.status, page.heading) == (409, AGAIN)
    assert rows(STATE) == before


@pytest.mark.parametrize("late", [timedelta(minutes=10), timedelta(minutes=16)])
def test_ten_minutes_later_nothing_is_left_to_go_on_with(
    alice: Person, noon: Traveller, rows: Rows, late: timedelta
) -> None:
    alice.to_verify()
    proof = alice.come_back()
    noon.shift(late)

    page = resume(alice, proof)

    assert (page.status, page.heading) == (409, AGAIN)
    alice.visit("/setup")
    assert rows("SELECT sealed_secret, sealed_kept FROM wizards") == [(None, None)]


def test_a_page_that_was_discarded_too_long_is_over(alice: Person, noon: Traveller) -> None:
    alice.to_verify()
    proof = alice.page.proof
    noon.shift(timedelta(minutes=15))
    assert "It took longer than 15 minutes." in alice.visit("/setup").words
    assert resume(alice, proof).status == 409


def test_thirty_minutes_are_the_end_however_often_it_is_discarded(
    alice: Person, noon: Traveller
) -> None:
    """S-044: resuming does not lengthen the life of the secret."""
    alice.to_verify()
    for _ in range(3):
        noon.shift(timedelta(minutes=9))
        assert resume(alice, alice.come_back()).status == 200
    noon.shift(timedelta(minutes=4))
    assert resume(alice, alice.come_back()).status == 409


def test_what_was_left_or_begun_anew_does_not_come_back(alice: Person, rows: Rows) -> None:
    alice.to_verify()
    proof, page = alice.page.proof, alice.page
    alice.post("/setup/leave", page.hidden())
    alice.visit("/setup")
    assert resume(alice, proof).status == 409

    alice.next()
    key, proof = alice.page.key, alice.come_back()
    told = alice.page
    alice.next()
    assert alice.page.key != key
    live = rows(STATE)
    alice.page = told
    assert resume(alice, proof).status == 409
    assert rows(STATE) == live
    assert live[-2][3] is None  # what was kept is wiped by the new start


def test_a_live_set_up_is_not_shown_for_its_proof(alice: Person, rows: Rows) -> None:
    """Only what a load has voided can come back: a duplicated tab gets nothing."""
    alice.to_verify()
    proof, state = alice.page.proof, rows(STATE)

    page = resume(alice, proof)

    assert (page.status, page.heading) == (409, OUT_OF_DATE)
    assert rows(STATE) == state


@pytest.mark.parametrize("forged", ["", "x", "ticket", "foreign"])
def test_nothing_else_is_a_proof(app: Flask, alice: Person, rows: Rows, forged: str) -> None:
    bob = Person(app, "bob@example.com", htmx=True)
    bob.sign_in()
    bob.start()
    alice.to_verify()
    ticket = str(alice.page.value("ticket"))
    alice.come_back()
    before = rows(STATE)

    page = resume(alice, {"ticket": ticket, "foreign": bob.page.proof}.get(forged, forged))

    assert (page.status, page.heading) == (409, OUT_OF_DATE)
    assert rows(STATE) == before


def test_another_sign_in_can_not_bring_it_back(app: Flask, alice: Person, rows: Rows) -> None:
    other = Person(app, alice.email, htmx=True)
    other.sign_in()
    other.visit("/setup")
    alice.to_verify()
    proof = alice.come_back()
    before = rows(STATE)

    assert resume(other, proof).status == 409
    assert rows(STATE) == before


def test_without_script_nothing_is_kept(app: Flask, noon: Traveller, rows: Rows) -> None:
    """It voids, and tells of the way that needs no other page."""
    alice = Person(app, "alice@example.com")
    alice.sign_in()
    alice.to_verify()
    assert "data-proof" not in alice.page.text

    page = alice.visit("/setup")

    assert rows("SELECT sealed_secret, sealed_kept FROM wizards") == [(None, None)]
    assert "Did your phone close the page" in page.words
    answer = alice.post("/setup/resume", page.hidden() | {"proof": "x"})
    assert answer.status_code == 409


def test_a_document_holds_no_proof_at_all(alice: Person) -> None:
    """It lives in a fragment and in its tab, never in a page that a load gives."""
    alice.to_verify()
    assert alice.page.proof
    assert "data-proof" not in alice.visit("/setup").text
