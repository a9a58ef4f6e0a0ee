"""A load is undone only for a page that was hidden, and the server knows it (S-042).

What the page says of itself comes by beacon, late, twice or in another order; what a
browser really sends and when is tried in tests/browser/test_discard.py.
"""

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations

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


def load_and_ask(person: Person) -> Page:
    """Load the page anew, then send by hand what the page of a discarded tab sends."""
    proof = person.page.proof
    assert person.visit("/setup").heading == AGAIN
    return resume(person, proof)


def is_void_and_told(page: Page, rows: Rows) -> None:
    assert (page.status, page.heading) == (409, AGAIN)
    assert "delete the record “alice@example.com”" in page.words
    assert rows("SELECT count(*) FROM wizards WHERE voided_at IS NULL") == [(0,)]
    assert rows(KEPT) == WIPED


def test_a_reload_by_hand_gives_nothing_back(alice: Person, rows: Rows) -> None:
    """F14: nobody reloads a page that is hidden, so the secret is wiped by the load itself."""
    proof = alice.page.proof
    alice.visit("/setup")
    assert rows(KEPT) == WIPED

    is_void_and_told(resume(alice, proof), rows)


def test_nor_does_one_after_it_was_hidden_and_shown_again(alice: Person, rows: Rows) -> None:
    for word in ("hidden", "shown", "hidden", "shown"):
        alice.say(word)

    is_void_and_told(load_and_ask(alice), rows)


def test_a_page_that_was_hidden_and_did_not_come_back_goes_on(alice: Person, rows: Rows) -> None:
    for word in ("hidden", "shown", "hidden"):
        alice.say(word)

    assert load_and_ask(alice).heading == VERIFY
    assert alice.next(code=app_code(alice.key)).heading == "Add a backup way to sign in"


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


@pytest.mark.parametrize("order", list(permutations(("hidden", "shown", "hidden again"))))
def test_beacons_that_overtake_each_other_count_by_their_number(
    alice: Person, order: tuple[str, ...]
) -> None:
    numbers = {"hidden": 1, "shown": 2, "hidden again": 3}
    for word in order:
        alice.say(word.split()[0], number=numbers[word])
    assert load_and_ask(alice).heading == VERIFY


@pytest.mark.parametrize("order", list(permutations((("hidden", 1), ("shown", 2)))))
def test_shown_last_it_does_not_come_back(
    alice: Person, rows: Rows, order: tuple[tuple[str, int], ...]
) -> None:
    for word, number in order:
        alice.say(word, number=number)
    is_void_and_told(load_and_ask(alice), rows)


def test_a_page_hidden_by_its_own_unloading_says_it_too_late(alice: Person, rows: Rows) -> None:
    """On a reload the new page is asked for first, then the old one is hidden."""
    old, proof = alice.page.hidden(), alice.page.proof
    alice.visit("/setup")
    alice.say("hidden", **old)

    is_void_and_told(resume(alice, proof), rows)


def test_left_after_it_was_hidden_it_does_not_come_back(alice: Person, rows: Rows) -> None:
    """Some browsers hide an unloading page before they say pagehide."""
    alice.say("hidden")
    alice.post("/setup/leave", alice.page.hidden())
    assert rows("SELECT void_reason FROM wizards") == [("left",)]

    is_void_and_told(load_and_ask(alice), rows)


@pytest.mark.parametrize("last", ["leave", "shown"])
def test_a_late_word_that_it_was_seen_wipes_what_is_kept(
    alice: Person, rows: Rows, last: str
) -> None:
    """The load overtook it; it can only take something away."""
    old = alice.page.hidden()
    proof = alice.come_back()
    assert rows(KEPT) != WIPED

    if last == "leave":
        alice.post("/setup/leave", old)
    else:
        alice.say("shown", **old)

    is_void_and_told(resume(alice, proof), rows)


def test_a_late_gone_takes_nothing_away(alice: Person) -> None:
    """Chromium may say pagehide of a discarded page after it has asked for it again."""
    old = alice.page.hidden()
    proof = alice.come_back()
    alice.say("gone", **old)
    assert resume(alice, proof).heading == VERIFY


@pytest.mark.parametrize("later", [[], ["hidden"], ["shown", "hidden"]])
def test_a_hidden_page_that_is_closed_does_not_come_back(
    alice: Person, rows: Rows, later: list[str]
) -> None:
    """After its pagehide a page says nothing that counts."""
    for word in ("hidden", "gone", *later):
        alice.say(word)

    is_void_and_told(load_and_ask(alice), rows)


def test_a_page_that_has_gone_but_goes_on_is_still_live(alice: Person) -> None:
    """The next turn is shown by a page that may say something again."""
    alice.say("hidden")
    alice.say("gone")
    alice.next(code="")
    alice.say("hidden")
    assert load_and_ask(alice).heading == VERIFY


def test_the_next_turn_has_not_been_hidden(alice: Person, rows: Rows) -> None:
    alice.say("hidden")
    alice.next(code="")
    is_void_and_told(load_and_ask(alice), rows)


def test_a_word_about_an_earlier_turn_is_ignored(
    alice: Person, rows: Rows, snapshot: Snapshot
) -> None:
    old = alice.page.hidden()
    alice.next(code="")
    before = snapshot()

    assert alice.say("hidden", **old).status_code == 204

    assert snapshot() == before
    is_void_and_told(load_and_ask(alice), rows)


def test_a_second_page_with_the_same_ticket_says_nothing_that_counts(
    alice: Person, rows: Rows, snapshot: Snapshot
) -> None:
    alice.say("shown")
    before = snapshot()
    assert alice.say("hidden", page="cd34").status_code == 204
    assert snapshot() == before
    is_void_and_told(load_and_ask(alice), rows)


def test_what_is_brought_back_was_not_hidden_yet(alice: Person, rows: Rows) -> None:
    assert resume(alice, alice.come_back()).heading == VERIFY
    is_void_and_told(load_and_ask(alice), rows)


@pytest.mark.parametrize(
    ("hidden", "asked", "heading"),
    [(0, 599, VERIFY), (599, 0, VERIFY), (0, 600, AGAIN), (600, 0, AGAIN), (300, 300, AGAIN)],
)
def test_ten_minutes_count_from_when_it_went_hidden(
    alice: Person, noon: Traveller, hidden: int, asked: int, heading: str
) -> None:
    """Seconds hidden before the load, and from there to the question."""
    alice.say("hidden")
    proof = alice.page.proof
    noon.shift(timedelta(seconds=hidden))
    alice.visit("/setup")
    noon.shift(timedelta(seconds=asked))
    assert resume(alice, proof).heading == heading


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


def test_without_script_a_word_brings_nothing_back(app: Flask, noon: Traveller, rows: Rows) -> None:
    """Its page has no proof, whoever sends such a beacon by hand."""
    alice = Person(app, "alice@example.com")
    alice.sign_in()
    alice.to_verify()
    alice.say("hidden")
    alice.visit("/setup")
    assert rows(KEPT) == WIPED
