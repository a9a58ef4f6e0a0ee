"""Organisations are kept apart: nothing of one is seen in another (docs/security-model.md)."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from time_machine import Traveller

from db import db
from tests.administration import add, administrator, lines, press, table
from tests.conftest import NOON
from tests.person import Person, app_code

Rows = Callable[[str], list[tuple[object, ...]]]
HERE, THERE = "Hartley & Sons", "Reading Room"


def run(app: Flask, *arguments: str) -> str:
    done = app.test_cli_runner().invoke(args=list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def happened(person: Person) -> list[list[str]]:
    """Return what happened, who did it and from where, as a page of administration tells it."""
    return [row[-3:] for row in table(person.page)]


@pytest.fixture
def dora(app: Flask, noon: Traveller) -> Person:
    """Dora owns Hartley & Sons; it is an hour later."""
    noon.move_to(NOON - timedelta(hours=1))
    dora = administrator(app)
    noon.move_to(NOON)
    dora.sign_in()
    prove(dora, noon)
    return dora


@pytest.fixture
def otto(app: Flask, dora: Person, noon: Traveller) -> Person:
    """Otto owns the Reading Room; Sam is in both organisations."""
    add(app, "sam", HERE)
    run(app, "account", "join", "sam@example.com", "--organisation", THERE)
    return administrator(app, "otto", THERE)


def prove(person: Person, noon: Traveller) -> None:
    """Give a code that was not used yet."""
    noon.shift(60)
    person.press("/signin/code", code=app_code(person.key))


def sam_id(rows: Rows) -> object:
    return rows("SELECT id FROM accounts WHERE email = 'sam@example.com'")[0][0]


def test_a_person_s_page_shows_no_event_of_another_organisation(
    dora: Person, otto: Person, rows: Rows
) -> None:
    """F6: roles given elsewhere, with the name, address and browser of who gave them."""
    otto.visit(f"/admin/people/{sam_id(rows)}")
    press(otto, "Change role", role="admin")
    press(otto, "Change role", role="member")
    assert happened(otto)[0][:2] == ["Role changed · admin to member", "Otto"]

    dora.visit(f"/admin/people/{sam_id(rows)}")

    assert dora.page.heading == "Sam"
    assert "Role changed" not in dora.page.words
    assert "Otto" not in dora.page.words


def test_an_administrator_of_elsewhere_has_no_name_here(
    dora: Person, otto: Person, rows: Rows
) -> None:
    """What is done to an account concerns all its organisations; who did it, only theirs."""
    otto.visit(f"/admin/people/{sam_id(rows)}")
    press(otto, "Disable")

    for path in (f"/admin/people/{sam_id(rows)}", "/admin/audit"):
        dora.visit(path)
        newest = happened(dora)[0]
        assert (path, newest) == (
            path,
            ["Disabled", "an administrator of another organisation", ""],
        )
        assert "Otto" not in dora.page.words
    press(dora, "Filter", search="otto")
    assert "Nothing fits." in dora.page.words
    press(dora, "Filter", kind="disabled", search="")
    press(dora, "Download CSV")
    line = dict(zip(*lines(dora.page)[:1], lines(dora.page)[1], strict=True))
    assert (line["event"], line["email"], line["by"]) == (
        "disabled",
        "sam@example.com",
        "another organisation",
    )
    assert (line["address"], line["browser"]) == ("", "")
    otto.visit("/admin/audit")
    assert happened(otto)[0][:2] == ["Disabled", "Otto"]


def test_what_was_before_somebody_joined_is_not_shown_to_whom_they_joined(
    app: Flask, dora: Person, noon: Traveller
) -> None:
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    run(app, "account", "disable", "bob@example.com")
    run(app, "account", "enable", "bob@example.com")
    noon.shift(60)
    run(app, "account", "join", "bob@example.com", "--organisation", HERE)
    noon.shift(60)
    bob.sign_in()

    dora.visit("/admin/audit?person=2")
    told = [row[0] for row in happened(dora)]
    assert told == ["Sign-in · password", "Added to an organisation · to Hartley & Sons as member"]
    dora.visit("/admin/people/2")
    assert [row[0] for row in happened(dora)] == told
    dora.visit("/admin/audit")
    press(dora, "Download CSV")
    assert [line[3] for line in lines(dora.page)[1:] if line[2] == "Bob"] == ["sign-in", "added"]


def test_what_happened_while_somebody_was_there_stays_when_they_leave(
    app: Flask, dora: Person, noon: Traveller
) -> None:
    alice = Person(app, "alice@example.com")
    alice.sign_in()
    noon.shift(60)
    told = run(app, "account", "leave", "alice@example.com", "--organisation", HERE)
    assert told == "alice@example.com is in Hartley & Sons no more.\n"
    noon.shift(60)
    alice.sign_in()

    dora.visit("/admin/audit")
    press(dora, "Filter", search="alice")

    assert [row[0] for row in happened(dora)] == [
        "Left an organisation · Hartley & Sons",
        "Sign-in · password",
        "Account made · in Hartley & Sons as member",
    ]
    # She does not exist here any more: nothing leads to a page of hers.
    assert "/admin/people/1" not in dora.page.response.text
    assert dora.visit("/admin/people/1").status == 404


def test_progress_counts_nothing_from_before_somebody_joined(
    app: Flask, dora: Person, noon: Traveller
) -> None:
    noon.move_to(NOON - timedelta(days=40))
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.set_up()
    noon.move_to(NOON + timedelta(minutes=5))
    dora.sign_in()
    prove(dora, noon)
    before = dora.visit("/admin/progress")
    numbers, words = table(before), before.words
    run(app, "account", "join", "bob@example.com", "--organisation", HERE)
    noon.shift(1)

    after = dora.visit("/admin/progress")

    assert table(after)[1:13] == numbers[1:13]
    assert table(after)[0][1:] == [str(int(number) + 1) for number in numbers[0][1:]]
    ends = "set-ups that were begun"
    assert after.words.partition(ends)[2] == words.partition(ends)[2]


def test_a_list_tells_only_what_this_organisation_asks(
    app: Flask, dora: Person, otto: Person
) -> None:
    """Sam must set up for Hartley & Sons; the Reading Room asks nobody, and learns of no other."""
    for person, state, number in ((dora, "Must set up", "3 Must"), (otto, "Off", "0 Must")):
        person.visit("/admin/people")
        assert number in person.page.words
        assert next(row[3] for row in table(person.page) if row[0] == "Sam") == state
        press(person, "Download CSV")
        word = {"Must set up": "must", "Off": "off"}[state]
        assert next(line[3] for line in lines(person.page) if line[0] == "Sam") == word
    assert "Sam" not in otto.visit("/admin/people?state=must").words
    assert "Off" in otto.visit("/admin/people?state=off").words

    assert "Nobody needs a reminder" in otto.visit("/admin/people/remind").words
    assert "Sam" in dora.visit("/admin/people/remind").words


def test_a_page_begins_after_nobody_of_another_organisation(app: Flask, dora: Person) -> None:
    """F11: own people, sorted against a stranger, would tell the stranger's name."""
    with app.app_context():
        db.session.execute(text("UPDATE accounts SET name = 'Bella' WHERE id = 2"))
        db.session.commit()

    foreign = dora.visit("/admin/people?after=2").response.text
    nobody = dora.visit("/admin/people?after=999").response.text

    assert foreign.replace("after=2", "") == nobody.replace("after=999", "")
    assert "Carol" not in foreign
    csrf = dora.page.hidden()
    for after in ("2", "999"):
        fields = csrf | {"search": "a", "after": after}
        dora.show(dora.client.post("/admin/people/search", data=fields))
        assert "Nobody fits." in dora.page.words
