"""Resetting two-factor for somebody who lost everything, by the command (S-170, S-171)."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text
from time_machine import Traveller

from db import db
from tests.person import Person, app_code, letters, text_of
from wizard.tickets import EntryTicket

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]

LOST = "Lost phone and codes, seen in person"


def command(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["account", *arguments])


def reset(app: Flask, email: str = "carol@example.com") -> str:
    """Reset somebody; return the code that was printed."""
    done = command(app, "reset", email, "--reason", LOST)
    assert done.exit_code == 0, done.output
    found = re.search(r"(?:[A-Z2-9]{4} ){3}[A-Z2-9]{4}", done.output)
    assert found, done.output
    return found[0]


def test_a_reset_ends_every_factor_sign_in_and_trust(app: Flask, carol: Person, rows: Rows) -> None:
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key), trust="1")

    code = reset(app)

    assert carol.visit("/security").heading == "Sign in"
    assert rows("SELECT count(*) FROM authenticators WHERE revoked_at IS NULL") == [(0,)]
    assert rows("SELECT count(*) FROM authenticators WHERE sealed_secret IS NOT NULL") == [(0,)]
    assert rows("SELECT count(*) FROM backup_codes WHERE replaced_at IS NULL") == [(0,)]
    assert rows("SELECT count(*) FROM trusted_devices WHERE account_id = 3") == [(0,)]
    assert rows("SELECT count(*) FROM sign_ins WHERE ended_at IS NULL") == [(0,)]
    told = rows("SELECT kind, reason, by_account_id, browser FROM events ORDER BY id DESC LIMIT 1")
    assert told == [("two-factor reset", LOST, None, "the command line")]
    (digest,) = rows("SELECT reset_digest FROM accounts WHERE id = 3")[0]
    assert code.replace(" ", "").encode() not in bytes(digest)  # type: ignore[call-overload]


def test_every_address_is_told_of_a_reset_and_none_gets_the_code(app: Flask) -> None:
    """S-175."""
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.set_up_by_email("bob@home.example")

    code = reset(app, "bob@example.com")

    mails = [
        m for m in letters(app) if m["Subject"].startswith("Two-factor authentication was reset")
    ]
    assert sorted(str(m["To"]) for m in mails) == ["bob@example.com", "bob@home.example"]
    for mail in mails:
        assert LOST in text_of(mail)
        assert LOST in text_of(mail, "html")
        assert code not in text_of(mail)
        assert code.replace(" ", "") not in text_of(mail)


def test_the_password_alone_does_not_set_up_after_a_reset(
    app: Flask, carol: Person, rows: Rows
) -> None:
    """The help-desk attack, S-171: whoever has the password can't be first."""
    code = reset(app)
    attacker = Person(app, "carol@example.com")
    attacker.sign_in()

    assert attacker.visit("/setup").heading == "Enter your reset code"
    attacker.press("/signin/reset-code", code="AAAA BBBB CCCC DDDD")
    assert (attacker.page.status, attacker.page.heading) == (422, "Enter your reset code")
    assert "does not match" in attacker.page.error
    assert attacker.visit("/setup").heading == "Enter your reset code"
    assert rows("SELECT count(*) FROM wizards WHERE finished_at IS NULL") == [(0,)]

    carol.sign_in()
    carol.visit("/setup")
    carol.press("/signin/reset-code", code=code.lower().replace(" ", "-"))
    assert carol.page.heading == "Get an authenticator app"
    assert attacker.visit("/setup").heading == "Enter your reset code"
    carol.set_up()
    assert rows("SELECT reset_digest, reset_at FROM accounts WHERE id = 3") == [(None, None)]
    assert attacker.visit("/setup").heading == "Sign in"


def test_an_entry_form_from_before_starts_nothing_without_the_code(
    app: Flask, bob: Person, rows: Rows
) -> None:
    """The ticket of an introduction is not enough either."""
    bob.set_up()
    reset(app, "bob@example.com")
    bob.sign_in()
    fields = bob.page.hidden()
    with app.test_request_context():
        sign_in = int(str(rows("SELECT max(id) FROM sign_ins")[0][0]))
        entry = EntryTicket.new(sign_in, "set-up").signed()

    bob.show(bob.post("/setup", fields | {"entry": entry}))

    assert bob.page.heading == "Enter your reset code"
    assert rows("SELECT count(*) FROM wizards WHERE finished_at IS NULL") == [(0,)]


def test_a_set_up_that_starts_again_needs_no_second_code(app: Flask, carol: Person) -> None:
    code = reset(app)
    carol.sign_in()
    carol.visit("/setup")
    carol.press("/signin/reset-code", code=code)
    carol.next()
    assert carol.visit("/setup").heading == "Set-up has started again"

    carol.next()

    assert carol.page.heading == "Scan the QR code"


def test_a_code_is_of_one_person_and_one_reset(app: Flask, carol: Person, bob: Person) -> None:
    bob.set_up()
    of_bob, first = reset(app, "bob@example.com"), reset(app)
    second = reset(app)
    carol.sign_in()
    carol.visit("/setup")
    for wrong in (of_bob, first):
        carol.press("/signin/reset-code", code=wrong)
        assert "does not match" in carol.page.error

    carol.press("/signin/reset-code", code=second)

    assert carol.page.heading == "Get an authenticator app"


def test_a_spent_code_opens_no_second_set_up(app: Flask, carol: Person, noon: Traveller) -> None:
    code = reset(app)
    carol.sign_in()
    carol.visit("/setup")
    carol.press("/signin/reset-code", code=code)
    carol.set_up()
    noon.shift(60)
    reset(app)
    carol.sign_in()
    carol.visit("/setup")

    carol.press("/signin/reset-code", code=code)

    assert "does not match" in carol.page.error


def test_a_code_is_good_for_seven_days(app: Flask, carol: Person, noon: Traveller) -> None:
    code = reset(app)
    noon.shift(timedelta(days=7))
    carol.sign_in()
    carol.visit("/setup")

    carol.press("/signin/reset-code", code=code)

    assert carol.page.error == "That reset code is more than 7 days old. Ask for a new one."
    assert carol.visit("/setup").heading == "Enter your reset code"


@pytest.mark.parametrize("typed", ["", "ABCD", "ABCD EFGH JKLM NPQ1", "A" * 90])
def test_what_can_be_no_code_costs_no_try(
    app: Flask, carol: Person, rows: Rows, typed: str
) -> None:
    reset(app)
    carol.sign_in()
    carol.visit("/setup")

    carol.press("/signin/reset-code", code=typed)

    assert carol.page.status == 422
    assert rows("SELECT failures FROM throttles WHERE account_id = 3") == [(0,)]


def test_wrong_reset_codes_are_limited_like_all_others(app: Flask, carol: Person) -> None:
    code = reset(app)
    carol.sign_in()
    carol.visit("/setup")
    for _ in range(4):
        carol.press("/signin/reset-code", code="AAAA BBBB CCCC DDDD")
        assert carol.page.status == 422

    carol.press("/signin/reset-code", code="AAAA BBBB CCCC DDDD")
    assert carol.page.status == 429
    carol.press("/signin/reset-code", code=code)

    assert carol.page.status == 429
    assert "Too many wrong codes. Wait until" in carol.page.error
    assert carol.visit("/setup").heading == "Enter your reset code"


def test_a_secret_that_does_not_open_can_be_reset(app: Flask, carol: Person, rows: Rows) -> None:
    """S-162: a lost key is what a reset is for."""

    with app.app_context():
        db.session.execute(text("UPDATE authenticators SET sealed_secret = '1:AAAA'"))
        db.session.commit()

    reset(app)

    assert rows("SELECT count(*) FROM authenticators WHERE revoked_at IS NULL") == [(0,)]


@pytest.mark.parametrize(
    ("email", "reason", "sentence"),
    [
        ("nobody@example.com", LOST, "There is nobody with 'nobody@example.com'."),
        ("bob@example.com", LOST, "Bob has no two-factor authentication to reset."),
        ("carol@example.com", " \n ", "Say why, in a few words."),
        ("carol@example.com", "x" * 201, "Say why in one line"),
        ("carol@example.com", "bell \x07", "Say why in one line"),
    ],
)
def test_the_command_refuses(
    app: Flask, carol: Person, snapshot: Snapshot, email: str, reason: str, sentence: str
) -> None:
    before = snapshot()

    refused = command(app, "reset", email, "--reason", reason)

    assert refused.exit_code != 0
    assert sentence in refused.output
    assert snapshot() == before


def test_line_breaks_of_a_reason_reach_neither_log_nor_mail(
    app: Flask, carol: Person, rows: Rows
) -> None:
    """S-176."""
    command(app, "reset", "carol@example.com", "--reason", "lost\r\nBcc: x@y.example")

    assert rows("SELECT reason FROM events WHERE reason IS NOT NULL") == [
        ("lost Bcc: x@y.example",)
    ]
    assert letters(app)[-1]["Bcc"] is None


def test_a_disabled_person_is_let_back_in_before_a_reset(
    app: Flask, carol: Person, snapshot: Snapshot
) -> None:
    assert command(app, "disable", "carol@example.com").output == "Disabled carol@example.com.\n"
    before = snapshot()

    refused = command(app, "reset", "carol@example.com", "--reason", LOST)

    assert "Carol is disabled. Let them back in first." in refused.output
    assert snapshot() == before
    assert command(app, "enable", "carol@example.com").output == "Enabled carol@example.com.\n"
    assert carol.sign_in().heading == "Enter your code"


def test_disabling_ends_live_sign_ins_and_counts_once(app: Flask, bob: Person, rows: Rows) -> None:
    command(app, "disable", "bob@example.com")
    command(app, "disable", "bob@example.com")

    assert bob.visit("/security").heading == "Sign in"
    assert rows("SELECT count(*) FROM events WHERE kind = 'disabled'") == [(1,)]
    assert rows("SELECT count(*) FROM sign_ins WHERE ended_at IS NULL") == [(0,)]


def test_the_last_owner_is_not_disabled(app: Flask, snapshot: Snapshot) -> None:
    add = ["account", "add", "--organisation", "Reading Room", "--role", "owner"]
    for name in ("dora", "olga"):
        app.test_cli_runner().invoke(
            args=[*add, f"{name}@example.com", "--name", name.title()], input="a fine password\n"
        )
    assert command(app, "disable", "dora@example.com").exit_code == 0
    before = snapshot()

    refused = command(app, "disable", "olga@example.com")

    assert "Olga is the last owner of an organisation" in refused.output
    assert snapshot() == before
