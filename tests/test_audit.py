"""The audit log: every event of the organisation, filtered, page by page, and as a file."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text

from db import db
from tests.administration import add, administrator, lines, press, table
from tests.person import Person
from tests.test_budgets import counted

Rows = Callable[[str], list[tuple[object, ...]]]
EVERYBODY = {"Alice", "Carol", "Dora", "nobody in particular"}
"""Whom the whole log tells of: who was added, and the organisation itself."""


@pytest.fixture
def dora(app: Flask) -> Person:
    return administrator(app)


def shown(person: Person) -> list[str]:
    """Return what happened, as the page tells it, with whom."""
    return [f"{row[1]}: {row[2]}" for row in table(person.page)]


def many_events(app: Flask, count: int) -> None:
    with app.app_context():
        if count:
            db.session.execute(
                text(
                    "INSERT INTO events (at, account_id, kind, result, address, browser, system)"
                    " VALUES ('2031-01-01', 1, 'sign-in', 'done', '', '', '')"
                ),
                [{}] * count,
            )
        db.session.commit()


def test_it_tells_what_happened_to_the_people_of_the_organisation_and_to_nobody_else(
    app: Flask, carol: Person, bob: Person, dora: Person
) -> None:
    dora.visit("/admin/audit")

    assert dora.page.heading == "Audit log"
    told = shown(dora)
    assert told[0] == "Dora: Two-factor set up · backup codes"
    assert "Carol: Two-factor set up · backup codes" in told
    assert "Bob" not in dora.page.text


def test_what_concerns_one_organisation_stands_in_its_log_alone(app: Flask, dora: Person) -> None:
    """Also what an operator does; and nothing comes back when an organisation is gone."""
    run = app.test_cli_runner().invoke
    here = ["Hartley & Sons"]
    join = ["account", "join", "dora@example.com", "--organisation", "Reading Room"]
    assert run(args=[*join, "--role", "admin"]).exit_code == 0
    assert run(args=["organisation", "set", *here, "--enforcement", "soft"]).exit_code == 0
    dora.visit("/setup/required")
    dora.press("/admin/people.csv?organisation=1")
    theirs = ["Dora: List of people downloaded", "nobody in particular: Enforcement changed"]

    dora.visit("/admin/audit?organisation=1")
    assert [one.partition(" · ")[0] for one in shown(dora)[:2]] == theirs
    assert "the command line" in dora.page.words
    assert "Added to an organisation" not in [one.split(": ")[1] for one in shown(dora)]
    for _ in range(2):
        dora.visit("/admin/audit?organisation=2")
        told = " ".join(shown(dora))
        assert "downloaded" not in told
        assert "Hartley" not in told
        assert "Added to an organisation · to Reading Room" in told
        run(args=["organisation", "remove", *here, "--yes"])


def test_an_act_is_told_with_who_did_it_and_why(
    app: Flask, carol: Person, dora: Person, rows: Rows
) -> None:
    dora.visit("/admin/people/3")
    press(dora, "Reset two-factor authentication")
    press(dora, "Reset two-factor authentication", reason="Lost phone,\n=1+1")

    dora.visit("/admin/audit")
    first = table(dora.page)[0]
    assert first[1:4] == ["Carol", "Two-factor reset Lost phone, =1+1", "Dora"]

    press(dora, "Download CSV")
    header, newest, *_ = lines(dora.page)
    line = dict(zip(header, newest, strict=True))
    assert (line["event"], line["by"]) == ("audit log exported", "")
    line = dict(zip(header, lines(dora.page)[2], strict=True))
    assert (line["event"], line["email"]) == ("two-factor reset", "carol@example.com")
    assert (line["reason"], line["by"]) == ("Lost phone, =1+1", "dora@example.com")


@pytest.mark.parametrize(
    ("fields", "people"),
    [
        ({"search": "carol"}, {"Carol"}),
        ({"search": "DORA@example"}, {"Dora"}),
        ({"search": "%"}, set()),
        ({"kind": "finished: set-up"}, {"Carol", "Dora"}),
        ({"kind": "finished: set-up", "search": "carol"}, {"Carol"}),
        ({"kind": "no such kind"}, set()),
        ({"since": "2999-01-01"}, set()),
        ({"until": "2001-01-01"}, set()),
        ({"since": "nonsense", "until": "9999-12-31"}, EVERYBODY),
    ],
)
def test_a_filter_picks_and_leaves_no_trace_in_an_address(
    app: Flask, carol: Person, dora: Person, fields: dict[str, str], people: set[str]
) -> None:
    dora.visit("/admin/audit")

    press(dora, "Filter", **fields)

    assert {row[1] for row in table(dora.page)} == people
    assert dora.page.response.request.path == "/admin/audit/search"
    assert dora.page.response.request.query_string == b"organisation=1"
    # The file holds what the page shows, and that it was taken.
    press(dora, "Download CSV")
    assert {line[2] for line in lines(dora.page)[1:]} <= people | {"Dora", ""}


def test_who_did_it_is_found_as_well(app: Flask, carol: Person, dora: Person) -> None:
    dora.visit("/admin/people/3")
    press(dora, "Disable")
    dora.visit("/admin/audit")

    press(dora, "Filter", search="dora", kind="disabled")

    assert shown(dora) == ["Carol: Disabled"]


def test_a_search_in_an_address_is_not_read(app: Flask, carol: Person, dora: Person) -> None:
    dora.visit("/admin/audit?search=carol")

    assert {row[1] for row in table(dora.page)} == EVERYBODY


def test_one_person_is_reached_from_their_page(app: Flask, carol: Person, dora: Person) -> None:
    dora.visit("/admin/audit?person=3")

    assert "Only what concerns Carol." in dora.page.words
    assert {row[1] for row in table(dora.page)} == {"Carol"}
    assert dora.visit("/admin/audit?person=2").status == 404
    assert dora.visit("/admin/audit?person=99").status == 404


def test_pages_follow_one_another_without_gap_or_repetition(app: Flask, dora: Person) -> None:
    many_events(app, 130)
    dora.visit("/admin/audit")
    press(dora, "Filter", kind="sign-in")
    sizes = [len(table(dora.page))]
    while "Older" in dora.page.text:
        press(dora, "Older")
        sizes.append(len(table(dora.page)))

    assert sizes == [50, 50, 31]
    press(dora, "Newest")
    assert len(table(dora.page)) == 50
    assert "Older" in dora.page.text


def test_the_page_needs_the_same_statements_for_any_log_and_the_file_reads_it_in_parts(
    app: Flask, dora: Person
) -> None:
    costs = []
    for count in (0, 2500):
        many_events(app, count)
        with counted(app) as page:
            dora.visit("/admin/audit")
        fields = dora.page.hidden()
        with counted(app) as file:
            answer = dora.client.post("/admin/audit.csv", data=fields, buffered=False)
            assert answer.is_streamed
            before_reading = file.statements
            assert len(answer.text.splitlines()) > count
        costs.append((page.statements, before_reading, file.statements))

    (few_page, few_begun, few_all), (many_page, many_begun, many_all) = costs
    assert few_page == many_page <= 5
    # The first part is read before anything is sent, the others while it is sent.
    assert many_begun <= few_begun + 1
    assert many_all == few_all + 2


def test_an_export_is_told_in_the_log(dora: Person) -> None:
    dora.visit("/admin/audit")
    press(dora, "Download CSV")

    dora.visit("/admin/audit")

    assert shown(dora)[0] == "Dora: Audit log downloaded"


def test_a_role_that_is_given_with_an_invitation_is_told(app: Flask, dora: Person) -> None:
    """F8: by a pasted line an owner was made, and the log said "invited" only."""
    dora.visit("/admin/people/add")
    press(dora, "Add people", people="Eve, eve@evil.test, owner\nErin, erin@example.com")
    dora.visit("/admin/people/5")
    press(dora, "Send the invitation again")

    dora.visit("/admin/audit")
    press(dora, "Filter", kind="invited")

    assert shown(dora) == [
        "Erin: Invited · to Hartley & Sons as member",
        "Eve: Invited · to Hartley & Sons as owner",
    ]


def test_what_is_made_by_command_is_told(app: Flask, dora: Person) -> None:
    """F8: accounts with their role, memberships and organisations."""
    add(app, "olga", "Hartley & Sons", "owner")
    run = app.test_cli_runner().invoke
    join = ["account", "join", "bob@example.com", "--organisation", "Hartley & Sons"]
    assert run(args=[*join, "--role", "admin"]).exit_code == 0

    dora.visit("/admin/audit")

    told = [tuple(row[1:4]) for row in table(dora.page)]
    assert told[:2] == [
        ("Bob", "Added to an organisation · to Hartley & Sons as admin", "the command line"),
        ("Olga", "Account made · in Hartley & Sons as owner", "the command line"),
    ]
    made = ("nobody in particular", "Organisation made · Hartley & Sons: hard", "the command line")
    assert told[-1] == made
