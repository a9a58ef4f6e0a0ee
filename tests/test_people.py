"""The list of people: who sees it, what it shows, how it is searched and exported."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text
from time_machine import Traveller

from admin import sheet
from db import db
from tests.administration import administrator, lines, press, table
from tests.person import Person, app_code
from tests.test_budgets import counted

Rows = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def dora(app: Flask) -> Person:
    return administrator(app)


def test_it_shows_everybody_of_the_organisation_and_nobody_else(
    app: Flask, carol: Person, dora: Person
) -> None:
    page = dora.visit("/admin/people")

    assert page.heading == "People"
    shown = table(page)
    assert [row[:5] for row in shown] == [
        ["Alice", "alice@example.com", "Member", "Must set up", "none"],
        ["Carol", "carol@example.com", "Member", "On", "10 codes"],
        ["Dora", "dora@example.com", "Owner", "On", "10 codes"],
    ]
    assert shown[0][5] == "never"
    assert "UTC" in shown[1][5]
    assert [row[6] for row in shown] == ["", "Reset two-factor authentication", ""]
    assert "3 All" in page.words
    assert "2 On" in page.words
    assert "1 Must set up" in page.words


def test_it_knows_who_is_locked_and_who_has_a_backup_email(
    app: Flask, dora: Person, noon: Traveller
) -> None:
    carol = Person(app, "carol@example.com")
    carol.sign_in()
    carol.set_up_by_email("carol@home.example")
    carol.sign_out()
    carol.client = app.test_client()
    carol.sign_in()
    for _ in range(5):
        carol.press("/signin/code", code="000000")
    dora.sign_in()
    noon.shift(60)
    dora.press("/signin/code", code=app_code(dora.key))

    dora.visit("/admin/people?state=locked")

    assert [row[1:5] for row in table(dora.page)] == [
        ["carol@example.com", "Member", "Locked On", "email"]
    ]


def test_a_member_sees_no_page_of_administration(app: Flask, bob: Person) -> None:
    for path in ("/admin/people", "/admin/audit", "/admin/people/1"):
        page = bob.visit(path)
        assert (page.status, "Only administrators" in page.text) == (403, True)
    assert "Administration" not in bob.visit("/security").text


def test_the_way_there_leads_over_the_security_page(dora: Person) -> None:
    assert '<a href="/admin/people">Administration</a>' in dora.visit("/security").text


def test_a_trusted_device_opens_no_page_of_administration(app: Flask, dora: Person) -> None:
    """S-118: the code is asked for, then the page comes."""
    dora.sign_out()
    dora.sign_in()
    dora.press("/signin/code", code=app_code(dora.key, steps=1), trust="1")
    dora.sign_out()
    assert dora.sign_in().heading == "Two-factor authentication"

    assert dora.visit("/admin/people").heading == "Confirm it is you"
    assert dora.visit("/admin/audit").heading == "Confirm it is you"
    codes = app_code(dora.key, steps=1)
    assert dora.press("/signin/confirm", code=codes).status == 422


def test_an_organisation_of_others_does_not_exist(app: Flask, dora: Person, bob: Person) -> None:
    assert dora.visit("/admin/people?organisation=2").status == 404
    assert dora.visit("/admin/people?organisation=x").status == 404
    assert dora.visit("/admin/people/2").status == 404
    assert dora.visit("/admin/audit?person=2").status == 404


def test_somebody_who_looks_after_two_organisations_chooses(app: Flask, dora: Person) -> None:
    join = ["account", "join", "dora@example.com", "--organisation", "Reading Room"]
    run = app.test_cli_runner().invoke
    assert "is in Reading Room now." in run(args=[*join, "--role", "admin"]).output
    assert "is in Reading Room already." in run(args=join).output

    dora.visit("/admin/people")
    assert "Carol" in dora.page.text
    press(dora, "Open", organisation="2")

    assert [row[0] for row in table(dora.page)] == ["Bob", "Dora"]
    assert dora.visit("/admin/people/2?organisation=2").heading == "Bob"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("carol", ["Carol"]),
        ("CAR", ["Carol"]),
        ("alice@example.com", ["Alice"]),
        ("%", []),
        ("_", []),
        ("bob", []),
    ],
)
def test_a_search_finds_by_name_or_address_and_leaves_no_trace(
    dora: Person, words: str, found: list[str]
) -> None:
    dora.visit("/admin/people")

    press(dora, "Search", search=words)

    assert [row[0] for row in table(dora.page)] == found
    assert words not in dora.page.response.request.url
    assert "Location" not in dora.page.response.headers


def test_a_file_holds_what_the_page_shows_and_no_formula(
    app: Flask, dora: Person, rows: Rows
) -> None:
    with app.app_context():
        db.session.execute(text("UPDATE accounts SET name = '=HYPERLINK(1)' WHERE id = 1"))
        db.session.commit()
    dora.visit("/admin/people")

    press(dora, "Download CSV")

    header, *people = lines(dora.page)
    assert header[:4] == ["name", "email", "role", "two-factor"]
    assert [line[0] for line in people] == ["'=HYPERLINK(1)", "Carol", "Dora"]
    assert people[2][1:6] == ["dora@example.com", "owner", "on", "no", "10"]
    assert rows("SELECT account_id, count(*) FROM events WHERE kind = 'people exported'") == [
        (4, 1)
    ]


def test_a_filter_and_a_search_hold_for_the_file_too(carol: Person, dora: Person) -> None:
    dora.visit("/admin/people?state=must")
    assert [row[0] for row in table(dora.page)] == ["Alice"]

    press(dora, "Download CSV")

    assert [line[0] for line in lines(dora.page)[1:]] == ["Alice"]


@pytest.mark.parametrize(
    "begins", ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1"]
)
def test_no_cell_is_a_formula(begins: str) -> None:
    assert sheet.cell(begins) == f"'{begins}"
    assert sheet.cell(f"x{begins}") == f"x{begins}"


def many(app: Flask, count: int) -> None:
    """Add people of the first organisation beside the application."""
    with app.app_context():
        for number in range(count):
            values = {"id": 1000 + number, "email": f"p{number}@example.com", "name": "Same Name"}
            for statement in (
                "INSERT INTO accounts (id, email, name, password_at, records_issued, created_at)"
                " VALUES (:id, :email, :name, '2026-01-01', 0, '2026-01-01')",
                "INSERT INTO throttles (account_id, failures, wrong_at, locks)"
                " VALUES (:id, 0, '[]', 0)",
                "INSERT INTO memberships VALUES (:id, 1, 'member', '2031-01-01')",
            ):
                bound = {k: v for k, v in values.items() if f":{k}" in statement}
                db.session.execute(text(statement), bound)
        db.session.commit()


def test_pages_follow_one_another_without_gap_or_repetition(app: Flask, dora: Person) -> None:
    many(app, 120)
    seen: list[str] = []
    path: str | None = "/admin/people"
    pages = 0
    while path:
        page = dora.visit(path)
        seen += [row[1] for row in table(page)]
        pages += 1
        nexts = [part for part in page.text.split('"') if "after=" in part]
        path = nexts[0] if nexts else None

    assert pages == 3
    assert len(seen) == len(set(seen)) == 123


def test_a_search_has_pages_too(app: Flask, dora: Person) -> None:
    many(app, 60)
    dora.visit("/admin/people")
    press(dora, "Search", search="same name")
    first = [row[1] for row in table(dora.page)]
    press(dora, "Next page")

    rest = [row[1] for row in table(dora.page)]

    assert (len(first), len(rest)) == (50, 10)
    assert not set(first) & set(rest)


def test_the_number_of_statements_does_not_grow_with_the_people(app: Flask, dora: Person) -> None:
    """Gate, door, page, numbers, who asks (twice); a file one more for each thousand."""
    few = []
    for count in (0, 1500):
        many(app, count)
        with counted(app) as cost:
            dora.visit("/admin/people")
        few.append(cost.statements)
        with counted(app) as export:
            press(dora, "Download CSV")
        few.append(export.statements)
        assert len(lines(dora.page)) == 4 + count

    assert few[0] == few[2] <= 6
    assert few[3] == few[1] + 2


def test_a_name_from_outside_is_shown_as_text(app: Flask, dora: Person) -> None:
    with app.app_context():
        db.session.execute(text("UPDATE accounts SET name = '<script>x' WHERE id = 1"))
        db.session.commit()

    assert "<script>x" not in dora.visit("/admin/people").response.text


def test_a_broken_database_is_answered_with_our_own_page(app: Flask, dora: Person) -> None:
    with app.app_context():
        db.session.execute(text("DROP TABLE backup_emails"))
        db.session.commit()

    page = dora.visit("/admin/people")

    assert page.status == 500
    assert "<h1" in page.response.text
    assert "backup_emails" not in page.text
