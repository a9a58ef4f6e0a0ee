"""Organisations ask: softly, firmly, from a date on; and how the answer is given."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text

from accounts import enforcement
from accounts.models import Account, Enforcement, Organisation
from accounts.policy import Policy, demand
from accounts.sign_in import SignIn
from accounts.visitor import Visitor
from db import db
from tests.conftest import NOON
from tests.person import Person

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]
DAY = timedelta(days=1)
PROMPT = "Set up two-factor authentication"


def run(app: Flask, *arguments: str) -> str:
    done = app.test_cli_runner().invoke(args=["organisation", "set", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_not_now_lets_one_page_through_and_the_next_one_asks_again(app: Flask, bob: Person) -> None:
    run(app, "Reading Room", "--enforcement", "soft")

    asked = bob.visit("/security?from=mail")
    assert (asked.heading, "Reading Room asks" in asked.words) == (PROMPT, True)
    through = bob.press("/setup/not-now")
    assert through.heading == "Two-factor authentication"
    assert through.response.request.full_path == "/security?from=mail"

    assert bob.visit("/security").heading == PROMPT


def test_not_now_twice_opens_the_page_once_each(app: Flask, bob: Person) -> None:
    run(app, "Reading Room", "--enforcement", "soft")
    bob.visit("/security")
    hidden = bob.page.hidden()
    for _ in range(2):
        answer = bob.post("/setup/not-now", hidden)
        assert answer.headers["Location"] == "/security"
    assert bob.client.get("/security").status_code == 200
    assert bob.client.get("/security").status_code == 303


def test_not_now_is_no_way_round_a_must(app: Flask, bob: Person, snapshot: Snapshot) -> None:
    run(app, "Reading Room", "--enforcement", "soft")
    bob.visit("/security")
    hidden = bob.page.hidden()
    run(app, "Reading Room", "--enforcement", "hard")
    before = snapshot()

    answer = bob.post("/setup/not-now", hidden)

    assert answer.headers["Location"] == "/setup/required"
    assert "Not now" not in bob.visit("/security").text
    assert snapshot() == before


def test_a_leave_given_before_the_must_opens_nothing_after_it(app: Flask, bob: Person) -> None:
    run(app, "Reading Room", "--enforcement", "soft")
    bob.visit("/security")
    bob.post("/setup/not-now", bob.page.hidden())
    run(app, "Reading Room", "--enforcement", "hard")
    assert bob.client.get("/security").headers["Location"] == "/setup/required"


def test_a_prefetch_does_not_use_the_leave_up(app: Flask, bob: Person) -> None:
    run(app, "Reading Room", "--enforcement", "soft")
    bob.visit("/security")
    bob.post("/setup/not-now", bob.page.hidden())
    bob.client.get("/security", headers={"Sec-Purpose": "prefetch"})
    assert bob.client.get("/security").status_code == 200


@pytest.mark.parametrize(
    "page", ["//evil.example", "/\\\\evil.example", "https://evil.example", ""]
)
def test_the_prompt_never_leads_elsewhere(app: Flask, bob: Person, page: str) -> None:
    """S-150: what is kept in the row is checked again when it is used."""
    run(app, "Reading Room", "--enforcement", "soft")
    bob.visit("/security")
    with app.app_context():
        db.session.execute(text("UPDATE sign_ins SET next_path = :page"), {"page": page})
        db.session.commit()
    answer = bob.post("/setup/not-now", bob.page.hidden())
    assert answer.headers["Location"] == "/security"


def test_a_date_turns_soft_into_a_must_by_itself(app: Flask, noon: time_machine.Traveller) -> None:
    bob = Person(app, "bob@example.com")
    run(app, "Reading Room", "--enforcement", "soft", "--hard-from", "2031-05-06T13:00")
    bob.sign_in()
    assert "6 May 2031, 13:00 UTC" in bob.page.words
    assert "Not now" in bob.page.text

    noon.move_to(NOON + timedelta(minutes=59, seconds=59))
    assert "Not now" in bob.visit("/security").text
    noon.move_to(NOON + timedelta(hours=1))
    assert "Not now" not in bob.visit("/security").text


def test_signing_in_again_renews_no_deadline(
    app: Flask, noon: time_machine.Traveller, rows: Rows
) -> None:
    """The person's own days run from joining, whatever they do."""
    run(app, "Reading Room", "--enforcement", "hard", "--grace-days", "2")
    began = rows("SELECT since FROM memberships ORDER BY account_id")
    with app.app_context():
        since = db.session.scalars(text("SELECT since FROM memberships WHERE account_id = 2"))
        joined = datetime.fromisoformat(str(since.one())).replace(tzinfo=UTC)

    bob = Person(app, "bob@example.com")
    for at, is_must in ((0.5, False), (1, False), (1.9, False), (2, True), (3, True)):
        noon.move_to(joined + at * DAY)
        bob.sign_in()
        assert ("Not now" in bob.page.text) is not is_must
        bob.sign_out()
    assert rows("SELECT since FROM memberships ORDER BY account_id") == began


AT = datetime(2031, 1, 1, tzinfo=UTC)


def policy(name: str, level: str, hard_from: int | None = None, grace: int = 0) -> Policy:
    moment = AT + hard_from * DAY if hard_from is not None else None
    return Policy(name, Enforcement(level), moment, grace, AT - 5 * DAY)


@pytest.mark.parametrize(
    ("policies", "level", "asked_by"),
    [
        ([], None, None),
        ([policy("A", "off")], None, None),
        ([policy("A", "off"), policy("B", "soft")], "soft", "B"),
        ([policy("A", "soft"), policy("B", "hard")], "hard", "B"),
        ([policy("B", "hard"), policy("A", "hard")], "hard", "A"),
        ([policy("A", "soft"), policy("B", "soft", 3)], "soft", "B"),
        ([policy("A", "soft", 9), policy("B", "soft", 3)], "soft", "B"),
        ([policy("A", "soft", -1), policy("B", "soft", 3)], "hard", "A"),
        ([policy("A", "hard", grace=9), policy("B", "soft")], "soft", "A"),
        ([policy("A", "hard", grace=9), policy("B", "soft", -1)], "hard", "B"),
        ([policy("A", "hard", grace=5)], "hard", "A"),
    ],
)
def test_of_several_the_strictest_counts(
    policies: list[Policy], level: str | None, asked_by: str | None
) -> None:
    found = demand(policies, AT)
    assert (found.level if found else None, found.asked_by if found else None) == (level, asked_by)


def test_of_several_organisations_the_page_names_the_strictest(app: Flask, bob: Person) -> None:
    with app.app_context():
        db.session.execute(
            text(
                "INSERT INTO memberships (account_id, organisation_id, role, since)"
                " VALUES (2, 1, 'member', '2030-01-01 00:00:00')"
            )
        )
        db.session.commit()
    run(app, "Reading Room", "--enforcement", "soft")
    page = bob.visit("/security")
    assert "Hartley & Sons asks" in page.words
    assert "Not now" not in page.text


def test_nobody_makes_it_a_must_without_having_it(
    app: Flask, bob: Person, snapshot: Snapshot
) -> None:
    """The command line may; in the web pages one's own two-factor comes first."""
    before = snapshot()
    with app.test_request_context():
        visitor = _visitor_of(2)
        room = db.session.get_one(Organisation, 2)
        for level, moment in ((Enforcement.HARD, None), (Enforcement.SOFT, NOON)):
            refusal = enforcement.set_policy(room, level, moment, visitor, datetime.now(UTC))
            assert refusal is not None
            assert refusal.reason == "hard_without_own"
        db.session.commit()
    assert snapshot() == before


def _visitor_of(account_id: int) -> Visitor:
    """Return the visitor behind the only sign-in of somebody."""
    sign_in = db.session.query(SignIn).filter_by(account_id=account_id).one()
    return Visitor(sign_in, db.session.get_one(Account, account_id), None, None, (), "x")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["No Such", "--enforcement", "hard"], "no organisation"),
        (["Reading Room", "--hard-from", "soon"], "is not a date"),
        (["Reading Room", "--enforcement", "hard", "--hard-from", "2099-01-01"], "“Soft” only"),
        (["Reading Room", "--enforcement", "soft", "--hard-from", "2001-01-01"], "still to come"),
        (["Reading Room", "--grace-days", "-1"], "0<=x<=365"),
        (["Reading Room", "--grace-days", "00000000099999999"], "0<=x<=365"),
        (["Reading Room", "--hard-from", "9999-12-31T23:59-14:00"], "within the years"),
        (["Reading Room", "--hard-from", "0001-01-01T00:00+14:00"], "within the years"),
    ],
)
def test_a_policy_that_can_not_be_is_refused(
    app: Flask, snapshot: Snapshot, arguments: list[str], sentence: str
) -> None:
    before = snapshot()
    done = app.test_cli_runner().invoke(args=["organisation", "set", *arguments])
    assert done.exit_code != 0
    assert sentence in done.output
    assert snapshot() == before


def test_a_change_is_an_event(app: Flask, rows: Rows) -> None:
    run(app, "Reading Room", "--enforcement", "soft", "--hard-from", "2099-01-01")
    assert rows("SELECT result FROM events WHERE kind = 'enforcement changed'") == [
        ("Reading Room: soft, hard from 2099-01-01 00:00 UTC",)
    ]


def test_the_consequences_are_counted_before_it_is_confirmed(app: Flask, carol: Person) -> None:
    with app.app_context():
        found = enforcement.consequences(1, datetime.now(UTC))
    assert (found.members, found.protected, found.to_set_up) == (2, 1, 1)
