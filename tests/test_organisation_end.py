"""An organisation ends: what it has begun ends with it, and its people stay."""

from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask

from providers import Provider
from tests.administration import administrator, press
from tests.person import Person
from tests.test_passwords import links

Rows = Callable[[str], list[tuple[object, ...]]]
HERE, THERE = "Hartley & Sons", "Reading Room"


def run(app: Flask, *arguments: str, typed: str = "") -> Result:
    return app.test_cli_runner().invoke(args=list(arguments), input=typed)


@pytest.fixture
def silent(app: Flask) -> Flask:
    """An application whose mails never leave."""
    app.config.update(MAIL_SERVER="127.0.0.1", MAIL_PORT=9)
    return app


def test_nothing_of_an_organisation_is_left_but_its_people(silent: Flask, rows: Rows) -> None:
    dora = administrator(silent)
    dora.visit("/admin/people/add")
    press(dora, "Add people", people="Nora, nora@example.com\nBob, bob@example.com")
    assert run(silent, "remind").exit_code == 0
    waiting = "SELECT kind FROM outbox WHERE sent_at IS NULL ORDER BY kind"
    begun = {"invitation", "join_request", "reminder_hard"}
    assert begun <= {str(kind) for (kind,) in rows(waiting)}

    ended = run(silent, "organisation", "end", HERE, typed="y\n")

    assert f"Ended {HERE}; 4 people stay." in ended.output
    assert "1 of them never answered their invitation, which is void now." in ended.output
    assert not begun & {str(kind) for (kind,) in rows(waiting)}
    assert rows("SELECT name FROM organisations") == [(THERE,)]
    assert rows("SELECT account_id, organisation_id FROM memberships") == [(2, 2)]
    assert rows("SELECT count(*) FROM join_requests") == [(0,)]
    assert rows("SELECT count(*) FROM accounts WHERE asked_email IS NOT NULL") == [(0,)]
    assert rows("SELECT count(*) FROM password_links WHERE used_at IS NULL") == [(0,)]
    assert rows("SELECT email FROM accounts ORDER BY id")[:4] == [
        (f"{name}@example.com",) for name in ("alice", "bob", "carol", "dora")
    ]
    assert rows("SELECT result FROM events WHERE kind = 'organisation removed'") == [(HERE,)]
    assert dora.visit("/admin/people").status == 403


def test_an_invitation_opens_nothing_any_more(app: Flask) -> None:
    dora = administrator(app)
    dora.visit("/admin/people/add")
    press(dora, "Add people", people="Nora, nora@example.com")
    (link,) = links(app, "invitation")
    nora = Person(app, "nora@example.com")
    assert nora.visit(link).status == 200

    assert run(app, "organisation", "end", HERE, "--yes").exit_code == 0

    assert nora.visit(link).status == 410


def test_who_had_to_is_not_asked_any_more(app: Flask, alice: Person) -> None:
    assert alice.visit("/").heading == "Set up two-factor authentication"
    run(app, "organisation", "end", HERE, "--yes")
    assert alice.visit("/").heading == "Two-factor authentication"


def test_whoever_is_asked_by_another_one_too_is_reminded_of_that(silent: Flask, rows: Rows) -> None:
    assert run(silent, "organisation", "set", THERE, "--enforcement", "hard").exit_code == 0
    joined = run(silent, "account", "join", "alice@example.com", "--organisation", THERE)
    assert joined.exit_code == 0
    run(silent, "remind")
    run(silent, "organisation", "end", HERE, "--yes")

    assert "account 1  daily  asked by Reading Room" in run(silent, "remind").output


def test_the_older_name_of_the_command_still_works(app: Flask, rows: Rows) -> None:
    assert run(app, "organisation", "remove", THERE, "--yes").exit_code == 0
    assert rows("SELECT name FROM organisations") == [(HERE,)]


def test_a_no_changes_nothing(app: Flask, snapshot: Callable[[], dict[str, list[str]]]) -> None:
    before = snapshot()
    assert run(app, "organisation", "end", HERE, typed="n\n").exit_code == 1
    assert run(app, "organisation", "end", "Nowhere").exit_code == 1
    assert snapshot() == before


def test_the_settings_of_a_provider_that_name_it_are_told(app: Flask) -> None:
    names = ("corp", "Corp", "https://id.example", "onward", "a secret of the client")
    app.config["PROVIDERS"] = {"corp": Provider(*names, organisations=(HERE, THERE))}

    ended = run(app, "organisation", "end", HERE, "--yes")

    assert ended.output.endswith("The settings of Corp (SSO) still name it: take it out there.\n")
