"""Administrators choose what is asked, see whom it concerns, remind and invite."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, text

from accounts.models import Account, Enforcement
from accounts.policy import Policy, demand
from admin import standing
from db import db
from factors.authenticator import Authenticator
from tests.administration import add, administrator, press, prove, table
from tests.conftest import NOON
from tests.person import Page, Person, app_code, letters, text_of

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]
DAY = timedelta(days=1)


@pytest.fixture
def dora(app: Flask, noon: time_machine.Traveller) -> Person:
    """The owner of the Reading Room, who has two-factor on and has just proved it."""
    return administrator(app, organisation="Reading Room")


def choose(person: Person, level: str, hard_from: str = "", grace_days: str = "0") -> Page:
    person.visit("/admin/enforcement")
    return press(person, "Continue", level=level, hard_from=hard_from, grace_days=grace_days)


def test_the_numbers_come_before_the_choice_counts(
    app: Flask, dora: Person, noon: time_machine.Traveller, snapshot: Snapshot, rows: Rows
) -> None:
    before = snapshot()["organisations"]
    page = choose(dora, "hard")
    assert page.heading == "Who is concerned"
    assert "2 people in Reading Room." in page.words
    assert "1 has two-factor on." in page.words
    assert "1 has to set it up at the next page." in page.words
    assert snapshot()["organisations"] == before
    bob = Person(app, "bob@example.com")
    assert bob.sign_in().heading == "Two-factor authentication"

    page = press(dora, "Confirm")

    assert page.heading == "Enforcement"
    assert re.search(r'value="hard"[^>]* checked', page.text)
    assert bob.visit("/security").heading == "Set up two-factor authentication"
    told = "SELECT account_id, result FROM events WHERE kind = 'enforcement changed'"
    assert rows(told) == [(4, "Reading Room: hard")]


def test_a_second_click_is_no_second_event(app: Flask, dora: Person, rows: Rows) -> None:
    choose(dora, "soft", "2031-06-01", "14")
    data = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', dora.page.text))
    for _ in range(2):
        assert dora.post("/admin/enforcement/confirm", data).status_code == 303
    assert rows("SELECT result FROM events WHERE kind = 'enforcement changed'") == [
        ("Reading Room: soft, hard from 2031-06-01 00:00 UTC, 14 days for new people",)
    ]


@pytest.mark.parametrize(
    ("level", "hard_from", "days", "sentence"),
    [
        ("", "", "0", "Choose “Off”"),
        ("queen", "", "0", "Choose “Off”"),
        ("soft", "soon", "0", "That is not a date"),
        ("soft", "2031-05-06", "0", "still to come"),
        ("hard", "2031-06-01", "0", "“Soft” only"),
        ("soft", "", "-1", "from 0 to 365"),
        ("soft", "", "366", "from 0 to 365"),
        ("soft", "", "9" * 5000, "from 0 to 365"),
        ("soft", "", "00000000099999999", "from 0 to 365"),
        ("soft", "", "１２", "from 0 to 365"),
        ("soft", "2200-01-01", "0", "up to the year 2199"),
        ("soft", "9999-12-31", "0", "up to the year 2199"),
    ],
)
def test_what_can_not_be_is_told_and_changes_nothing(
    dora: Person, snapshot: Snapshot, level: str, hard_from: str, days: str, sentence: str
) -> None:
    before = snapshot()
    page = choose(dora, level, hard_from, days)
    assert (page.status, sentence in page.error) == (422, True), page.error
    fields = {"level": level, "hard_from": hard_from, "grace_days": days}
    assert dora.post("/admin/enforcement/confirm", page.hidden() | fields).status_code == 422
    assert snapshot() == before


def test_it_needs_a_fresh_proof(
    dora: Person, noon: time_machine.Traveller, snapshot: Snapshot
) -> None:
    choose(dora, "soft")
    noon.shift(timedelta(minutes=6))
    before = snapshot()["organisations"]
    assert press(dora, "Confirm").heading == "Confirm it is you"
    assert snapshot()["organisations"] == before
    assert prove(dora, steps=0).heading == "Enforcement"


def test_a_reminder_by_hand_shows_who_gets_it_and_reaches_each_once_a_day(
    app: Flask, dora: Person, noon: time_machine.Traveller
) -> None:
    add(app, "erin", "Reading Room")
    dora.visit("/admin/people")
    assert press(dora, "Send reminder").words.count("Nobody needs a reminder") == 1
    press(choosing(dora), "Confirm")
    dora.visit("/admin/people")
    page = press(dora, "Send reminder")
    assert "2 people will get it" in page.words
    assert "bob@example.com" in page.words
    already = len(letters(app))

    page = press(dora, "Send reminder")

    assert "2 reminders are on their way." in page.words
    assert {str(m["To"]) for m in letters(app)[already:]} == {
        "bob@example.com",
        "erin@example.com",
    }
    assert "Nobody needs a reminder" in page.words
    done = app.test_cli_runner().invoke(args=["remind"])
    assert "account 2 " not in done.output
    noon.shift(DAY)
    prove_again(dora)
    assert "2 people will get it" in dora.visit("/admin/people/remind").words


def choosing(person: Person) -> Person:
    choose(person, "soft")
    return person


def prove_again(person: Person) -> None:
    """Sign in again a day later."""
    person.sign_in()
    person.press("/signin/code", code=app_code(person.key))


def test_an_invitation_is_mailed_with_the_account_and_again_on_demand(
    app: Flask, dora: Person, noon: time_machine.Traveller, rows: Rows
) -> None:
    dora.visit("/admin/people/add")
    press(dora, "Add people", people="Erin Ellis, erin@example.com")
    first = link_for(app, "erin@example.com")
    erin = Person(app, "erin@example.com")
    assert erin.visit(first).heading == "Choose a password"

    noon.shift(timedelta(minutes=2))
    dora.visit("/admin/people/5")
    path = "/admin/people/5/invite?organisation=2"
    for _ in range(2):
        assert dora.post(path, dora.page.hidden()).status_code == 303
    second = link_for(app, "erin@example.com")
    assert second != first
    assert erin.visit(first).status == 410
    assert rows("SELECT count(*) FROM events WHERE kind = 'invited'") == [(2,)]
    assert sum("erin" in str(m["To"]) for m in letters(app)) == 2

    erin.visit(second)
    erin.press(second)
    erin.press("/signin/new-password", new="a quite different sentence")
    assert dora.post(path, dora.page.hidden()).status_code == 409


def test_an_invitation_is_sent_three_times_an_hour_and_ten_times_a_day(
    app: Flask, dora: Person, noon: time_machine.Traveller, snapshot: Snapshot
) -> None:
    """F12: the limits of reset links; the administrator is told when it can be sent again."""
    dora.visit("/admin/people/add")
    press(dora, "Add people", people="Erin Ellis, erin@example.com")
    sent, told = 1, []
    for hour in range(5):
        noon.move_to(NOON + timedelta(hours=hour))
        for _ in range(4):
            noon.shift(timedelta(minutes=2))
            before = snapshot()["password_links"]
            page = invite_again(dora)
            if page.status == 429:
                told.append(page.error)
                assert snapshot()["password_links"] == before
            sent += page.status == 200
        assert sum("erin" in str(m["To"]) for m in letters(app)) == sent == min(10, 3 * hour + 3)

    assert told[0] == (
        "Erin Ellis was sent several invitations. "
        "Wait until 6 May 2031, 13:00 UTC , then send another one."
    )
    assert "Wait until 7 May 2031, 12:00 UTC" in told[-1]
    erin = Person(app, "erin@example.com")
    assert erin.visit(link_for(app, erin.email)).heading == "Choose a password"
    noon.move_to(NOON + timedelta(days=1))
    assert invite_again(dora).status == 200


def test_what_another_organisation_sends_uses_up_no_invitation(
    app: Flask, dora: Person, noon: time_machine.Traveller
) -> None:
    """Nor does anybody learn of it: each counts its own, and each is told of its own limit."""
    owners = [(dora, 6), (administrator(app, "olga"), 7)]
    for owner, _ in owners:
        owner.visit("/admin/people/add")
        press(owner, "Add people", people="Erin Ellis, erin@example.com")
    answers: dict[str, list[int]] = {"dora": [], "olga": []}
    for _ in range(3):
        noon.shift(timedelta(minutes=2))
        for owner, account_id in reversed(owners):
            page = invite_again(owner, account_id)
            answers[owner.email.partition("@")[0]].append(page.status)
    assert answers == {"dora": [200, 200, 429], "olga": [200, 200, 429]}


def invite_again(dora: Person, account_id: int = 5) -> Page:
    """Press the button on Erin's page, with a proof that is fresh, signed in again if need be."""
    path = f"/admin/people/{account_id}"
    if dora.visit(path).heading == "Sign in":
        dora.sign_in()
        dora.press("/signin/code", code=app_code(dora.key))
    dora.visit(path)
    page = press(dora, "Send the invitation again")
    if page.heading != "Confirm it is you":
        return page
    dora.press("/signin/confirm", code=app_code(dora.key))
    return press(dora, "Send the invitation again")


def link_for(app: Flask, email: str) -> str:
    mail = [m for m in letters(app) if str(m["To"]) == email][-1]
    found = re.search(r"/signin/invitation/\S+", text_of(mail))
    assert found
    return found[0]


def test_the_list_says_of_everybody_what_the_policy_says(
    app: Flask, dora: Person, noon: time_machine.Traveller
) -> None:
    """Two ways to one answer: the SQL of the list, and `policy.demand` of each person."""
    add(app, "erin", "Hartley & Sons")
    add(app, "finn", "Reading Room")
    moments = (None, NOON - DAY, NOON + DAY)
    for level, hard_from, grace, joined in product(Enforcement, moments, (0, 1, 3), (0.5, 2, 4)):
        arrange(app, level, hard_from, grace, NOON - joined * DAY)
        policy = Policy("x", level, hard_from, grace, NOON - joined * DAY)
        asked = demand([policy], NOON)
        expected = {None: "off", True: "must", False: "soft"}[asked.is_must if asked else None]
        cell = (level, hard_from, grace, joined)
        with app.app_context():
            assert (cell, standing_of(2)) == (cell, expected)


def arrange(
    app: Flask, level: Enforcement, hard_from: datetime | None, grace: int, since: datetime
) -> None:
    plain = {"level": str(level), "grace": grace, "since": since.replace(tzinfo=None)}
    moment = hard_from.replace(tzinfo=None) if hard_from else None
    with app.app_context():
        db.session.execute(
            text(
                "UPDATE organisations SET enforcement=:level, hard_from=:moment, grace_days=:grace"
            ),
            plain | {"moment": moment},
        )
        db.session.execute(text("UPDATE memberships SET since=:since"), plain)
        db.session.commit()


def standing_of(account_id: int) -> str:
    query = select(standing.state(NOON)).select_from(Account)
    query = query.outerjoin(Authenticator, Authenticator.is_bound_to(Account.id))
    return str(db.session.scalar(query.where(Account.id == account_id)))


def test_somebody_who_comes_by_sso_alone_is_shown_as_exempt(
    app: Flask, dora: Person, noon: time_machine.Traveller
) -> None:
    press(choosing(dora), "Confirm")
    Person(app, "bob@example.com").sign_in()
    with app.app_context():
        db.session.execute(text("UPDATE sign_ins SET first_factor = 'sso' WHERE account_id = 2"))
        db.session.commit()
    states = {row[0]: row[3] for row in table(dora.visit("/admin/people"))}
    assert states["Bob"] == "Exempt by SSO"
    page = choose(dora, "hard")
    assert "1 signs in by SSO only and is exempt so far." in page.words


def test_a_removed_organisation_asks_nobody_and_has_no_pages(
    app: Flask, dora: Person, noon: time_machine.Traveller
) -> None:
    press(choosing(dora), "Confirm")
    done = app.test_cli_runner().invoke(args=["organisation", "remove", "Reading Room", "--yes"])
    assert done.output == "Ended Reading Room; 2 people stay.\n"
    bob = Person(app, "bob@example.com")
    assert bob.sign_in().heading == "Two-factor authentication"
    page = dora.visit("/admin/people")
    assert (page.status, "Only administrators" in page.words) == (403, True)
    assert dora.visit("/security").heading == "Two-factor authentication"
