"""Roles that an operator gives: account add, account role, and what doctor says of owners."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.administration import add, administrator
from tests.person import Person, app_code
from tests.test_commands import run

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]
HERE = "Hartley & Sons"


def roles(rows: Rows) -> dict[object, object]:
    query = "SELECT email, role FROM memberships JOIN accounts ON accounts.id = account_id"
    return dict(rows(f"{query} WHERE organisation_id = 1"))  # type: ignore[arg-type]  # pairs


def give(app: Flask, person: str, organisation: str, role: str, *options: str) -> tuple[int, str]:
    done = run(app, "account", "role", person, organisation, role, *options)
    return done.exit_code, done.output


def test_a_command_gives_a_role_and_tells_of_it(app: Flask, rows: Rows) -> None:
    told = give(app, " Carol@Example.com ", HERE, "owner")

    assert told == (0, "carol@example.com is owner of Hartley & Sons now.\n")
    assert roles(rows) == {"alice@example.com": "member", "carol@example.com": "owner"}
    event = "SELECT kind, account_id, by_account_id, result, organisation_id FROM events"
    newest = f"{event} ORDER BY id DESC LIMIT 1"
    assert rows(newest) == [("role changed", 3, None, "member to owner", 1)]

    before = rows("SELECT count(*) FROM events")
    assert give(app, "carol@example.com", HERE, "owner")[0] == 0
    assert rows("SELECT count(*) FROM events") == before  # nothing changed, nothing to tell


def test_the_owner_it_made_administers_at_once(app: Flask, carol: Person) -> None:
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    assert carol.visit("/admin/people").status == 403

    assert give(app, "carol@example.com", HERE, "owner")[0] == 0

    assert carol.visit("/admin/people").heading == "People"
    carol.visit("/admin/audit")
    assert "member to owner" in carol.page.words
    assert "the command line" in carol.page.words


def test_the_last_owner_stays_unless_told(app: Flask, rows: Rows, snapshot: Snapshot) -> None:
    add(app, "olga", HERE, "owner")
    before = snapshot()

    for role in ("member", "admin"):
        status, told = give(app, "olga@example.com", HERE, role)
        assert status == 1
        assert "Error: Olga is the last owner of an organisation." in told
        assert "--leave-without-owner" in told
        assert snapshot() == before

    assert give(app, "olga@example.com", HERE, "admin", "--leave-without-owner")[0] == 0
    assert roles(rows)["olga@example.com"] == "admin"
    assert rows("SELECT result FROM events ORDER BY id DESC LIMIT 1") == [("owner to admin",)]


def test_an_owner_beside_another_one_goes(app: Flask, rows: Rows) -> None:
    add(app, "olga", HERE, "owner")
    add(app, "otto", HERE, "owner")

    assert give(app, "olga@example.com", HERE, "member")[0] == 0
    assert roles(rows)["olga@example.com"] == "member"
    assert give(app, "otto@example.com", HERE, "member")[0] == 1
    # Somebody who can't sign in is no owner to leave an organisation to.
    assert give(app, "olga@example.com", HERE, "owner")[0] == 0
    assert run(app, "account", "disable", "olga@example.com").exit_code == 0
    assert give(app, "otto@example.com", HERE, "member")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nobody@example.com", HERE, "owner"), "There is nobody with 'nobody@example.com'."),
        (("nobody", HERE, "owner"), "'nobody' is"),
        (("bob@example.com", "Gone", "owner"), "There is no organisation 'Gone'."),
        (("bob@example.com", HERE, "queen"), "'queen' is not one of 'member', 'admin', 'owner'"),
        (
            ("bob@example.com", HERE, "owner"),
            "bob@example.com is not in Hartley & Sons: use account join.",
        ),
    ],
)
def test_it_refuses(
    app: Flask, snapshot: Snapshot, arguments: tuple[str, str, str], sentence: str
) -> None:
    before = snapshot()
    status, told = give(app, *arguments)
    assert status != 0
    assert sentence in told
    assert snapshot() == before


@pytest.mark.parametrize("role", ["admin", "owner"])
def test_account_add_gives_no_role_of_no_organisation(
    app: Flask, snapshot: Snapshot, role: str
) -> None:
    """It was ignored: the operator believed to have made an owner."""
    before = snapshot()
    added = run(app, "account", "add", "ann@example.org", "--name", "Ann", "--role", role)

    assert added.exit_code != 0
    assert "--role needs --organisation." in added.output
    assert snapshot() == before


def owners(app: Flask) -> list[str]:
    """Return what doctor says of owners; nothing of it makes the installation unfit."""
    looked = run(app, "doctor")
    assert "FAULT  owners" not in looked.output
    return [line for line in looked.output.splitlines() if "owner" in line]


def test_doctor_tells_of_an_organisation_without_an_owner(app: Flask) -> None:
    hint = "flask --app app account role EMAIL ORGANISATION owner"
    none = f'note   no owner: "Hartley & Sons", "Reading Room". Make one: {hint}'
    assert owners(app) == [none]

    add(app, "olga", HERE, "owner")
    assert owners(app) == [f'note   no owner: "Reading Room". Make one: {hint}']
    assert give(app, "bob@example.com", "Reading Room", "owner")[0] == 0
    assert owners(app) == []

    # Whoever is disabled owns nothing any more; `account disable` alone refuses the last one.
    add(app, "otto", HERE, "owner")
    assert run(app, "account", "disable", "olga@example.com").exit_code == 0
    assert owners(app) == []
    assert give(app, "otto@example.com", HERE, "admin", "--leave-without-owner")[0] == 0
    assert owners(app) == [f'note   no owner: "Hartley & Sons". Make one: {hint}']


def test_a_locked_out_owner_gets_in_again_by_command(app: Flask) -> None:
    """No phone, no backup way: a reset by command, and a new set-up with its code."""
    olga = administrator(app, "olga")
    assert olga.visit("/admin/people").heading == "People"
    olga.sign_out()

    done = run(app, "account", "reset", "olga@example.com", "--reason", "Lost everything")
    code = done.output.split("shown only now: ")[1].splitlines()[0]

    olga.visit("/admin/people")
    assert olga.sign_in().heading == "Set up two-factor authentication"
    olga.visit("/setup")
    assert olga.page.heading != "People"
    olga.press("/signin/reset-code", code=code)
    olga.set_up()
    assert 'href="/admin/people"' in olga.page.text
    assert olga.visit("/admin/people").heading == "People"


def test_a_reset_of_nothing_says_what_to_do(app: Flask, snapshot: Snapshot) -> None:
    olga = add(app, "olga", "Reading Room", "owner")
    before = snapshot()

    done = run(app, "account", "reset", "olga@example.com", "--reason", "Can't get in")

    assert done.exit_code == 1
    assert "Olga has no two-factor authentication to reset." in done.output
    assert "They set it up at http://127.0.0.1:5000/setup after signing in." in done.output
    assert snapshot() == before
    # And so it is.
    olga.sign_in()
    assert olga.visit("/admin/people").heading == "Set up two-factor authentication"
    olga.set_up()
    assert olga.visit("/admin/people").heading == "People"
