"""Adding people from a list: who comes in, and what is told of every bad line."""

import io
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text

from db import db
from mail.outbox import AT_ONCE
from tests.administration import add, administrator, lines, press, prove, table
from tests.person import Person
from tests.test_budgets import counted

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]
ADDED = (
    "SELECT a.name, coalesce(a.asked_email, a.email), m.role"
    " FROM memberships m JOIN accounts a ON a.id = m.account_id"
)


@pytest.fixture
def dora(app: Flask) -> Person:
    dora = administrator(app)
    dora.visit("/admin/people/add")
    return dora


def test_good_lines_add_and_every_bad_one_is_told(app: Flask, dora: Person, rows: Rows) -> None:
    lines = [
        "Erin Ellis, erin@example.com",
        "Finn, FINN@Example.com, Admin",
        "nobody",
        ", noname@example.com",
        "Alice again, alice@example.com",
        "Bob of elsewhere, bob@example.com",
        "Erin twice, erin@example.com",
        "Greta, greta@example.com, queen",
        "Bell \x07, bell@example.com",
        "",
    ]

    press(dora, "Add people", people="\r\n".join(lines))

    assert dora.page.status == 422
    assert "3 people were added." in dora.page.words
    assert [(row[0], row[2]) for row in table(dora.page)] == [
        ("3", "Enter an email address, like name@example.com."),
        ("4", "Give a name of at most 120 letters."),
        ("5", "Is here already."),
        ("7", "The same address is in line 1."),
        ("8", "You can give these roles: member, admin, owner."),
        ("9", "Give a name of at most 120 letters."),
    ]
    # What is to be mended stays in the field, and nothing else.
    assert "Greta, greta@example.com, queen" in dora.page.text
    assert "Finn, FINN" not in dora.page.text
    assert set(rows(f"{ADDED} WHERE a.id > 4")) == {
        ("Erin Ellis", "erin@example.com", "member"),
        ("Finn", "finn@example.com", "admin"),
        ("Bob of elsewhere", "bob@example.com", "member"),
    }
    assert rows("SELECT count(*) FROM throttles WHERE account_id > 4") == [(3,)]
    told = rows("SELECT account_id, by_account_id FROM events WHERE kind = 'invited'")
    assert told == [(5, 4), (6, 4), (7, 4)]


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffEmail;Name;Role\r\nerin@example.com;Ellis, Erin;owner\r\n",
        'name,email,role\n"Ellis, Erin",erin@example.com,owner\n',
        "role\temail\tname\nowner\terin@example.com\tEllis, Erin\n",
    ],
)
def test_a_file_of_any_spreadsheet_is_read(dora: Person, rows: Rows, content: str) -> None:
    fields = dora.page.hidden() | {"file": (io.BytesIO(content.encode()), "people.csv")}

    page = dora.show(dora.client.post("/admin/people/add", data=fields))

    assert (page.status, "1 person was added." in page.words) == (200, True)
    assert rows(f"{ADDED} WHERE a.id > 4") == [("Ellis, Erin", "erin@example.com", "owner")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "Type the people, one a line, or choose a file."),
        (b" \n\n", "Type the people, one a line, or choose a file."),
        (b"\xff\xfe\x00\x01", "That file can’t be read."),
        (b"a, a@example.com\n" * 501, "Add at most 500 people at once."),
    ],
)
def test_what_is_no_list_adds_nobody(
    dora: Person, snapshot: Snapshot, content: bytes, sentence: str
) -> None:
    before = snapshot()
    fields = dora.page.hidden() | {"file": (io.BytesIO(content), "people.csv")}

    page = dora.show(dora.client.post("/admin/people/add", data=fields))

    assert page.status == 422
    assert page.error.startswith(sentence)
    assert snapshot() == before


def test_an_administrator_adds_no_owner(app: Flask, rows: Rows) -> None:
    adam = administrator(app, "adam", role="admin")
    adam.visit("/admin/people/add")

    press(adam, "Add people", people="Erin, erin@example.com, owner")

    assert table(adam.page)[0][2] == "You can give these roles: member, admin."
    assert rows("SELECT count(*) FROM accounts WHERE name = 'Erin'") == [(0,)]


def test_who_was_added_can_not_sign_in_without_a_password(app: Flask, dora: Person) -> None:
    press(dora, "Add people", people="Erin, erin@example.com")
    erin = Person(app, "erin@example.com")

    for password in ("", "None", "correct horse battery staple"):
        assert erin.sign_in(password).heading == "Sign in"


def test_the_number_of_statements_does_not_grow_with_the_lines(app: Flask, dora: Person) -> None:
    costs = []
    for first, count in ((0, 30), (100, 100)):
        people = "\n".join(f"P, p{first + n}@example.com" for n in range(count))
        with counted(app) as cost:
            press(dora, "Add people", people=people)
        assert dora.page.status == 200, dora.page.words
        costs.append(cost.statements)

    assert costs[0] == costs[1] <= 12 + 2 + 2 * AT_ONCE


def test_it_needs_a_fresh_proof_before_anything_is_typed(app: Flask) -> None:
    dora = administrator(app)
    with app.app_context():
        db.session.execute(
            text("UPDATE sign_ins SET proved_at = '2020-01-01' WHERE account_id = 4")
        )
        db.session.commit()

    dora.visit("/admin/people/add")
    prove(dora)

    assert dora.page.heading == "Add people"


def test_a_role_is_changed_by_who_may_give_it(app: Flask, rows: Rows) -> None:
    adam, dora = administrator(app, "adam", role="admin"), add(app, "erin", "Hartley & Sons")
    adam.visit("/admin/people/5")
    assert "Owner" not in adam.page.text

    press(adam, "Change role", role="admin")
    assert rows("SELECT role FROM memberships WHERE account_id = 5") == [("admin",)]
    told = rows("SELECT account_id, by_account_id, result FROM events WHERE kind = 'role changed'")
    assert told == [(5, 4, "member to admin")]

    # From now on Erin is no longer his to act on.
    assert "looks after people" in adam.page.words
    assert dora is not None


def test_who_has_not_answered_yet_is_shown_as_invited(app: Flask, dora: Person) -> None:
    """And is not reminded of two-factor: they can't sign in before they choose a password."""
    press(dora, "Add people", people="Erin, erin@example.com")

    assert "1 Invited" in dora.visit("/admin/people").words
    dora.visit("/admin/people?state=invited")
    assert [row[:4] for row in table(dora.page)] == [
        ["Erin", "erin@example.com", "Member", "Invited Must set up"]
    ]
    press(dora, "Download CSV")
    assert [line[-1] for line in lines(dora.page)] == ["invited", "yes"]
    assert "erin@" not in app.test_cli_runner().invoke(args=["remind", "--dry-run"]).output
