"""Forgotten, changed and first passwords (S-174, S-190, S-191)."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text

from db import db
from tests.administration import administrator, press
from tests.conftest import NOON, set_up_before_noon
from tests.person import PASSWORD, Person, app_code, letters, never_shown, text_of

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]
NEW = "a quite different sentence"


def links(app: Flask, purpose: str = "reset") -> list[str]:
    """Return the links that were mailed, the newest last."""
    found = [re.search(rf"/signin/{purpose}/\S+", text_of(letter)) for letter in letters(app)]
    return [match[0] for match in found if match]


def forget(app: Flask, email: str) -> Person:
    person = Person(app, email)
    person.visit("/signin")
    assert "Forgot your password?" in person.page.text
    person.visit("/signin/forgot")
    person.press("/signin/forgot", email=email)
    assert person.page.heading == "Check your email"
    return person


def choose(person: Person, link: str, new: str = NEW) -> None:
    person.visit(link)
    person.press(link)
    person.press("/signin/new-password", new=new)


def test_a_link_leads_to_a_new_password_and_signs_nobody_in(
    app: Flask, noon: time_machine.Traveller, rows: Rows
) -> None:
    """S-174: the second factor is asked for as before, and every old sign-in is over."""
    carol = set_up_before_noon(app, noon, "carol")
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key), trust="1")
    person = forget(app, carol.email)

    choose(person, links(app)[-1])

    assert person.page.heading == "Your password is saved"
    assert person.visit("/security").heading == "Sign in"
    assert carol.visit("/security").heading == "Sign in"
    assert "do not match" in carol.sign_in(PASSWORD).text
    assert carol.sign_in(NEW).heading == "Enter your code"  # trust is gone too (S-117)
    assert rows("SELECT count(*) FROM events WHERE kind = 'password changed'") == [(1,)]
    told = [m for m in letters(app) if str(m["Subject"]).startswith("Your password was changed")]
    assert [str(m["To"]) for m in told] == [carol.email]


def test_a_half_sign_in_ends_with_the_password(app: Flask, noon: time_machine.Traveller) -> None:
    """S-005."""
    carol = set_up_before_noon(app, noon, "carol")
    carol.sign_in()
    choose(forget(app, carol.email), links(app)[-1])
    carol.press("/signin/code", code=app_code(carol.key))
    assert carol.page.heading == "Sign in"


@pytest.mark.parametrize("email", ["nobody@example.com", "disabled"])
def test_the_answer_is_the_same_for_an_address_that_nobody_has(
    app: Flask, email: str, rows: Rows
) -> None:
    """S-152: neither the page nor its length tells; no mail leaves."""
    if email == "disabled":
        with app.app_context():
            db.session.execute(text("UPDATE accounts SET disabled_at = created_at WHERE id = 2"))
            db.session.commit()
        email = "bob@example.com"
    known = forget(app, "alice@example.com").page.text
    unknown = forget(app, email).page.text

    assert re.sub(r'value="[^"]*"', "", known) == re.sub(r'value="[^"]*"', "", unknown)
    assert [str(m["To"]) for m in letters(app)] == ["alice@example.com"]
    assert rows("SELECT count(*) FROM password_links") == [(1,)]


def test_opening_the_page_again_and_again_opens_nothing(app: Flask, snapshot: Snapshot) -> None:
    """S-079: mail scanners load every link."""
    person = forget(app, "bob@example.com")
    link = links(app)[-1]
    before = snapshot()
    for _ in range(3):
        assert person.visit(link).heading == "Choose a new password"
    assert snapshot() == before
    choose(person, link)
    assert person.page.heading == "Your password is saved"


def test_a_link_works_once_and_for_one_browser(app: Flask, snapshot: Snapshot) -> None:
    """S-121: whoever sees the address later has nothing."""
    person = forget(app, "bob@example.com")
    link = links(app)[-1]
    person.visit(link)
    hidden = person.page.hidden()
    person.press(link)
    thief = Person(app, "eve@example.com")
    own = thief.visit("/signin").hidden()
    before = snapshot()

    again = thief.show(thief.post(link, own))
    assert (again.status, again.heading) == (410, "This link does not work any more")
    assert thief.post("/signin/new-password", own | {"new": NEW}).status_code == 410
    assert person.post(link, hidden).status_code == 410
    assert snapshot() == before

    own = person.visit("/signin/new-password").hidden()
    person.press("/signin/new-password", new=NEW)
    assert person.post("/signin/new-password", own | {"new": "and more"}).status_code == 410
    assert person.sign_in(NEW).heading == "Two-factor authentication"


@pytest.mark.parametrize(
    ("opened_after", "chosen_after", "works"),
    [(29, 58, True), (29, 60, False), (30, 31, False)],
)
def test_a_link_lives_half_an_hour_and_so_does_its_page(
    app: Flask,
    noon: time_machine.Traveller,
    snapshot: Snapshot,
    opened_after: int,
    chosen_after: int,
    works: bool,
) -> None:
    person = forget(app, "bob@example.com")
    link = links(app)[-1]
    person.visit("/signin")
    noon.move_to(NOON + timedelta(minutes=opened_after))
    person.press(link)
    noon.move_to(NOON + timedelta(minutes=chosen_after))
    before = snapshot()["accounts"]
    person.press("/signin/new-password", new=NEW)
    assert (snapshot()["accounts"] != before) is works


def test_a_newer_link_or_another_change_ends_the_older_one(app: Flask) -> None:
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    for _ in range(2):
        bob.visit("/signin/forgot")
        bob.press("/signin/forgot", email=bob.email)
    old, new = links(app)
    person = Person(app, bob.email)
    assert person.visit(old).status == 410
    assert person.visit(new).status == 200
    bob.visit("/security/password")
    bob.press("/security/password", old=PASSWORD, new=NEW)
    assert person.visit(new).status == 410


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("short", "at least 8"),
        ("", "at least 8"),
        ("password123", "Too many people"),
        ("x" * 1001, "at most 1000"),
    ],
)
def test_a_weak_password_is_refused_and_the_link_stays_good(
    app: Flask, snapshot: Snapshot, new: str, why: str
) -> None:
    person = forget(app, "bob@example.com")
    link = links(app)[-1]
    person.visit(link)
    person.press(link)
    before = snapshot()
    page = person.press("/signin/new-password", new=new)
    assert (page.status, why in page.error) == (422, True)
    assert snapshot() == before
    assert person.press("/signin/new-password", new=NEW).heading == "Your password is saved"


def test_a_backup_code_resets_no_password(app: Flask, carol: Person, snapshot: Snapshot) -> None:
    """S-064."""
    person = Person(app, carol.email)
    own = person.visit("/signin").hidden()
    before = snapshot()
    for name in ("code", "link", "password"):
        fields = own | {"new": NEW, name: carol.codes[0]}
        assert person.post("/signin/new-password", fields).status_code == 410
    assert snapshot() == before


def change(person: Person, old: str, new: str) -> None:
    person.visit("/security/password")
    person.press("/security/password", old=old, new=new)


def test_a_change_ends_other_sign_ins_and_all_trust(
    app: Flask, noon: time_machine.Traveller, rows: Rows
) -> None:
    carol = set_up_before_noon(app, noon, "carol")
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key), trust="1")
    other = Person(app, carol.email)
    other.sign_in()
    other.press("/signin/backup-code", code=carol.codes[0])
    noon.shift(timedelta(seconds=1))

    change(carol, PASSWORD, NEW)

    assert carol.page.heading == "Two-factor authentication"
    assert other.visit("/security").heading == "Sign in"
    carol.sign_out()
    assert carol.sign_in(NEW).heading == "Enter your code"
    assert rows("SELECT count(*) FROM events WHERE kind = 'password changed'") == [(1,)]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("wrong", NEW, "does not match"),
        ("", NEW, "does not match"),
        (PASSWORD, "short", "at least 8"),
        (PASSWORD, PASSWORD, "old password"),
    ],
)
def test_a_change_needs_the_old_password_and_a_good_new_one(
    bob: Person, snapshot: Snapshot, old: str, new: str, why: str
) -> None:
    before = snapshot()
    change(bob, old, new)
    assert (bob.page.status, why in bob.page.error) == (422, True)
    after = snapshot()
    assert (after["accounts"], after["sign_ins"]) == (before["accounts"], before["sign_ins"])
    assert after["outbox"] == before["outbox"]


def test_whoever_left_a_browser_open_can_not_be_guessed_out(bob: Person) -> None:
    """Old passwords are counted like those of the sign-in page (S-098)."""
    statuses = []
    for n in range(22):
        change(bob, f"wrong {n}", NEW)
        statuses.append(bob.page.status)
    assert statuses[-1] == 429
    change(bob, PASSWORD, NEW)
    assert bob.page.status == 429


def lock_for_the_year(app: Flask, noon: time_machine.Traveller) -> Person:
    """Carol, whom somebody with her password has guessed at thirty times."""
    carol = set_up_before_noon(app, noon, "carol")
    wrong = never_shown(carol.key)
    for step in range(6):
        noon.move_to(NOON + timedelta(days=2 * step))
        thief = Person(app, carol.email)
        thief.sign_in()
        for _ in range(5):
            thief.press("/signin/code", code=wrong)
    noon.shift(timedelta(days=2))
    assert "not read any more" in carol.sign_in().words or carol.page.status == 429
    return carol


def test_a_forgotten_password_lifts_the_stop_of_the_year(
    app: Flask, noon: time_machine.Traveller
) -> None:
    carol = lock_for_the_year(app, noon)
    choose(forget(app, carol.email), links(app)[-1])
    assert carol.sign_in(NEW).heading == "Enter your code"


def test_a_mailed_link_ends_no_pause(app: Flask, noon: time_machine.Traveller) -> None:
    carol = set_up_before_noon(app, noon, "carol")
    carol.sign_in()
    for _ in range(5):
        carol.press("/signin/code", code=never_shown(carol.key))
    choose(forget(app, carol.email), links(app)[-1])
    assert carol.sign_in(NEW).status == 429


def invited(app: Flask) -> str:
    """An administrator adds Fay; return the link that she is mailed."""
    dora = administrator(app)
    dora.visit("/admin/people/add")
    press(dora, "Add people", people="Fay, fay@example.com")
    (link,) = links(app, "invitation")
    return link


def test_somebody_invited_chooses_a_first_password(
    app: Flask, noon: time_machine.Traveller, rows: Rows
) -> None:
    link = invited(app)
    fay = Person(app, "fay@example.com")
    assert "do not match" in fay.sign_in("").text

    noon.move_to(NOON + timedelta(days=2, hours=23))
    fay.visit(link)
    assert fay.page.heading == "Choose a password"
    choose(fay, link)

    assert fay.sign_in(NEW).heading == "Set up two-factor authentication"
    assert fay.visit(link).status == 410
    assert rows("SELECT count(*) FROM events WHERE kind = 'invited'") == [(1,)]


def test_an_invitation_opens_no_reset_and_runs_out(
    app: Flask, noon: time_machine.Traveller
) -> None:
    """S-121: a token of one purpose is worth nothing at another."""
    link = invited(app)
    fay = Person(app, "fay@example.com")
    assert fay.visit(link.replace("invitation", "reset")).status == 410
    noon.move_to(NOON + timedelta(days=3))
    assert fay.visit(link).status == 410
