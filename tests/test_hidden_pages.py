"""A load is undone only for a page that was hidden, and the server knows it (S-041, S-043).

What the page says of itself comes by beacon, late, twice or in another order; what a
browser really sends and when is tried in tests/browser/test_discard.py.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from time_machine import Traveller

from tests.person import Page, Person, app_code

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]
AGAIN, VERIFY = "Set-up has started again", "Enter the code from your app"
KEPT = "SELECT sealed_secret, sealed_codes, sealed_kept FROM wizards"
WIPED = [(None, None, None)]


@pytest.fixture
def alice(app: Flask, noon: Traveller) -> Person:
    """At the step where people leave for their app, with htmx."""
    person = Person(app, "alice@example.com", htmx=True)
    person.sign_in()
    person.to_verify()
    return person


def resume(person: Person, proof: str) -> Page:
    return person.press("/setup/resume", proof=proof)


def is_void_and_told(page: Page, rows: Rows) -> None:
    assert (page.status, page.heading) == (409, AGAIN)
    assert "delete the record “alice@example.com”" in page.words
    assert rows("SELECT count(*) FROM wizards WHERE voided_at IS NULL") == [(0,)]
    assert rows(KEPT) == WIPED


def test_going_to_the_app_and_back_changes_nothing_of_turn_and_life(
    alice: Person, noon: Traveller, rows: Rows, snapshot: Snapshot
) -> None:
    """DESIGN.md, section 4: two beacons; neither the set-up nor the sign-in lives longer."""
    life = "SELECT turn, step, turned_at, started_at, sealed_secret, voided_at FROM wizards"
    before, all_before = rows(life), snapshot()
    noon.shift(timedelta(minutes=5))

    assert [alice.say(word).status_code for word in ("hidden", "shown")] == [204, 204]

    assert rows(life) == before
    after = snapshot()
    assert {name for name in after if after[name] != all_before[name]} == {"wizards"}
    noon.shift(timedelta(minutes=9, seconds=59))
    assert alice.next(code=app_code(alice.key)).heading == "Add a backup way to sign in"


def test_a_beacon_lengthens_no_set_up(alice: Person, noon: Traveller) -> None:
    for _ in range(2):
        noon.shift(timedelta(minutes=7, seconds=30))
        alice.say("hidden")
    assert alice.next(code=app_code(alice.key)).heading == AGAIN


def test_a_beacon_lengthens_no_sign_in(alice: Person, noon: Traveller) -> None:
    noon.shift(timedelta(minutes=40))
    alice.say("hidden")
    alice.post("/setup/leave", alice.page.hidden())
    noon.shift(timedelta(minutes=20))
    assert alice.visit("/setup").heading == "Sign in"


def test_a_copy_of_the_tab_lets_nothing_come_back(alice: Person, rows: Rows) -> None:
    """A duplicated tab has the proof; that it is a copy its script learns and says."""
    proof = alice.come_back()
    sent = alice.page.hidden() | {"proof": proof}

    assert alice.post("/setup/leave", sent).status_code == 204

    is_void_and_told(resume(alice, proof), rows)


def test_a_proof_voids_nothing_that_is_live(alice: Person, snapshot: Snapshot) -> None:
    fields = alice.page.hidden() | {"proof": alice.page.proof}
    del fields["ticket"]
    before = snapshot()
    assert alice.post("/setup/leave", fields).status_code == 204
    assert snapshot() == before


BAD: list[dict[str, str]] = [
    {"word": ""},
    {"word": "HIDDEN"},
    {"word": "asleep"},
    {"page": ""},
    {"page": "a" * 17},
    {"page": "ab-12"},
    {"page": "ab12\n"},
    {"number": ""},
    {"number": "-1"},
    {"number": "1.5"},
    {"number": "٣"},
    {"number": "2147483648"},
    {"number": "9" * 5000},
    {"ticket": ""},
    {"ticket": "rubbish"},
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_what_no_page_says_is_ignored(
    alice: Person, snapshot: Snapshot, bad: dict[str, str]
) -> None:
    before = snapshot()
    assert alice.say("hidden", **bad).status_code == 204
    assert snapshot() == before


def test_another_sign_in_can_say_nothing_of_it(
    app: Flask, alice: Person, snapshot: Snapshot
) -> None:
    bob, other = Person(app, "bob@example.com", htmx=True), Person(app, alice.email, htmx=True)
    for person in (bob, other):
        person.sign_in()
        person.visit("/setup")
    before = snapshot()
    ticket = alice.page.hidden()["ticket"]

    for person in (bob, other):
        assert person.say("hidden", ticket=ticket).status_code == 204

    assert snapshot() == before


def test_a_finished_set_up_hears_nothing(alice: Person, snapshot: Snapshot) -> None:
    alice.next(code=app_code(alice.key))
    alice.next(way="codes")
    old = alice.page.hidden()
    alice.next(saved="1")
    before = snapshot()

    for word in ("hidden", "shown", "gone"):
        assert alice.say(word, **old).status_code in {204, 400}

    assert snapshot() == before
