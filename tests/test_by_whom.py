"""What an administrator does to somebody is told as theirs: in the log, on the person's own page
and in mails, never as the person's own act (FAULTS, "What people meet" 4)."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text

from db import db
from tests.administration import administrator, press, table
from tests.person import Person, app_code, letters, text_of

Rows = Callable[[str], list[tuple[object, ...]]]
AGENT = "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_0) AppleWebKit/605.1.15 Version/18.0 Safari/605"
"""The administrator's own browser: Safari on macOS."""


@pytest.fixture
def dora(app: Flask) -> Person:
    dora = administrator(app)
    dora.client.environ_base["HTTP_USER_AGENT"] = AGENT
    return dora


def own_events(person: Person) -> list[str]:
    """Return what the person's own page tells, the newest first."""
    page = person.visit("/security").text
    (section,) = re.findall(
        r'<section class="card" aria-labelledby="events">.*?</section>', page, re.S
    )
    items = re.findall(r'<li class="fact">(.*?)</li>', section, re.S)
    return [" ".join(re.sub(r"<[^>]+>", " ", item).split()) for item in items]


def test_a_reminder_by_hand_is_told_as_the_administrator_s(
    app: Flask, dora: Person, rows: Rows
) -> None:
    dora.visit("/admin/people/remind")
    press(dora, "Send reminder")
    assert "2 reminders are on their way." in dora.page.words

    told = rows("SELECT account_id, by_account_id FROM events WHERE kind = 'reminder'")
    assert told == [(1, 4), (3, 4)]
    dora.visit("/admin/audit")
    assert table(dora.page)[0][1:4] == ["Carol", "Reminder mailed · hard", "Dora"]


def test_a_reminder_by_command_is_nobody_s_act(app: Flask, dora: Person) -> None:
    assert app.test_cli_runner().invoke(args=["remind"]).exit_code == 0

    dora.visit("/admin/audit")
    assert table(dora.page)[0][1:4] == ["Carol", "Reminder mailed · hard", "the command line"]


def change(app: Flask, *statements: str) -> None:
    with app.app_context():
        for statement in statements:
            db.session.execute(text(statement))
        db.session.commit()


STOPPED = ", ".join(["1900000000"] * 30)
BEFORE = {
    "Send reminder": "UPDATE authenticators SET revoked_at = bound_at WHERE account_id = 3",
    "Unlock": f"UPDATE throttles SET wrong_at = '[{STOPPED}]' WHERE account_id = 3",
    "Let back in": "UPDATE accounts SET disabled_at = created_at WHERE id = 3",
    "Send the invitation again": "UPDATE accounts SET password_hash = NULL WHERE id = 3",
}
"""What makes somebody need the act."""


@pytest.mark.parametrize(
    ("button", "fields", "what"),
    [
        ("Send reminder", {}, "Reminder mailed"),
        ("Change role", {"role": "admin"}, "Role changed"),
        ("Unlock", {}, "Unlocked"),
        ("Reset two-factor authentication", {"reason": "Lost the phone"}, "Two-factor reset"),
        ("Disable", {}, "Disabled"),
        ("Let back in", {}, "Let back in"),
        ("Send the invitation again", {}, "Invited"),
    ],
)
def test_the_person_s_own_page_says_that_an_administrator_did_it(
    app: Flask, dora: Person, carol: Person, button: str, fields: dict[str, str], what: str
) -> None:
    with app.app_context():
        kept = db.session.scalar(text("SELECT password_hash FROM accounts WHERE id = 3"))
    change(app, *filter(None, [BEFORE.get(button)]))

    dora.visit("/admin/people/remind" if button == "Send reminder" else "/admin/people/3")
    press(dora, button, **fields)
    if button.startswith("Reset"):
        press(dora, button, **fields)

    change(
        app,
        "UPDATE organisations SET enforcement = 'off'",
        f"UPDATE accounts SET disabled_at = NULL, password_hash = '{kept}' WHERE id = 3",
    )
    carol.sign_in()
    if carol.page.heading == "Enter your code":
        carol.press("/signin/code", code=app_code(carol.key))
    told = [one for one in own_events(carol) if one.startswith(what)]
    assert len(told) == 1
    assert told[0].startswith(f"{what} by an administrator ")
    assert "Safari" not in told[0]


def test_what_the_command_line_did_is_told_so(app: Flask, carol: Person) -> None:
    reset = ["account", "reset", "carol@example.com", "--reason", "Lost the phone"]
    assert app.test_cli_runner().invoke(args=reset).exit_code == 0
    change(app, "UPDATE organisations SET enforcement = 'off'")

    carol.sign_in()

    happened = own_events(carol)
    assert happened[1].startswith("Two-factor reset by the people who run this service ")
    assert happened[0].startswith("Sign-in ")
    assert " by " not in happened[0]


def test_a_mail_tells_an_administrator_s_browser_as_theirs(app: Flask, dora: Person) -> None:
    dora.visit("/admin/people/add")
    press(dora, "Add people", people="Erin, erin@example.com")
    dora.visit("/admin/people/remind")
    press(dora, "Send reminder")

    theirs = [text_of(one) for one in letters(app) if "dora@" not in str(one["To"])]
    assert len(theirs) >= 2
    assert all("UTC, by an administrator with Safari on macOS." in one for one in theirs)
