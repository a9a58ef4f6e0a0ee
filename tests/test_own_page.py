"""A person's own page: turning two-factor off, removing, ending, and what is kept."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text

from accounts.event_names import NAMES, REFUSED
from db import db
from tests.conftest import NOON, set_up_before_noon
from tests.person import Page, Person, app_code, beside, letters, mailed_code, never_shown, text_of
from wizard.wizard import Kind

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]
HOME = "carol@home.example"


def free(app: Flask) -> None:
    """Nobody demands two-factor of Carol any more."""
    args = ["organisation", "set", "Hartley & Sons", "--enforcement", "off"]
    assert app.test_cli_runner().invoke(args=args).exit_code == 0


def signed_in(app: Flask, noon: time_machine.Traveller, by_email: str = "") -> Person:
    """Carol, with backup codes or a backup email, signed in by her app."""
    carol = set_up_before_noon(app, noon, "carol", by_email)
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    assert carol.page.heading == "Two-factor authentication"
    return carol


def mails_of(app: Flask, subject: str) -> list[str]:
    return [str(m["To"]) for m in letters(app) if str(m["Subject"]).startswith(subject)]


FACTORS = {"authenticators", "backup_codes", "backup_emails"}


def kept(before: dict[str, list[str]], after: dict[str, list[str]]) -> bool:
    """Tell whether no factor has changed."""
    return all(before[name] == after[name] for name in FACTORS)


@pytest.mark.parametrize("by", ["app code", "backup code"])
def test_a_code_turns_two_factor_off(
    app: Flask, noon: time_machine.Traveller, rows: Rows, by: str
) -> None:
    carol, elsewhere = signed_in(app, noon), Person(app, "carol@example.com")
    free(app)
    elsewhere.sign_in()
    elsewhere.press("/signin/backup-code", code=carol.codes[5])
    codes = {"app code": app_code(carol.key, steps=1), "backup code": carol.codes[0]}
    assert "Turn off" in carol.visit("/security").text

    carol.visit("/security/turn-off")
    page = carol.press("/security/turn-off", code=codes[by])

    assert "Off. Anybody who knows your password" in page.words
    assert "delete the record “carol@example.com”" in page.words
    assert rows("SELECT count(*) FROM authenticators WHERE revoked_at IS NULL") == [(0,)]
    assert rows("SELECT count(*) FROM backup_codes WHERE replaced_at IS NULL") == [(0,)]
    assert rows("SELECT count(*) FROM events WHERE kind = 'two-factor off'") == [(1,)]
    assert mails_of(app, "Two-factor authentication is off") == ["carol@example.com"]
    assert elsewhere.visit("/security").heading == "Sign in"
    assert carol.visit("/security").heading == "Two-factor authentication"
    carol.sign_out()
    assert carol.sign_in().heading == "Two-factor authentication"


def test_a_mailed_code_turns_it_off_and_does_nothing_else(
    app: Flask, noon: time_machine.Traveller, rows: Rows, snapshot: Snapshot
) -> None:
    """S-074: a code is good for one purpose and one sign-in."""
    carol = signed_in(app, noon, HOME)
    free(app)
    carol.visit("/security/turn-off/email")
    carol.press("/security/turn-off/email")
    assert carol.page.heading == "Check your email"
    code = mailed_code(app, HOME)
    other = Person(app, "carol@example.com")
    other.sign_in()
    other.visit("/signin/backup-email")
    other.press("/signin/backup-email")
    assert mailed_code(app, HOME) != code
    before = snapshot()

    other.press("/signin/backup-email/code", code=code)
    assert other.page.status == 422
    carol.visit("/security/turn-off")
    assert carol.press("/security/turn-off", code=code).status == 422
    assert kept(before, snapshot())

    carol.visit("/security/turn-off/email/code")
    page = carol.press("/security/turn-off/email/code", code=code)
    assert "Off." in page.words
    assert rows("SELECT count(*) FROM backup_emails") == [(0,)]
    assert sorted(mails_of(app, "Two-factor authentication is off")) == [
        "carol@example.com",
        HOME,
    ]


def test_where_it_is_demanded_it_stays_on(
    app: Flask, noon: time_machine.Traveller, snapshot: Snapshot
) -> None:
    """S-012; also by somebody who knows the addresses, with a right code."""
    carol = signed_in(app, noon)
    assert "Turn off" not in carol.visit("/security").text
    hidden, before = carol.page.hidden(), snapshot()
    ways = ("/security/turn-off", "/security/turn-off/email", "/security/turn-off/email/code")
    for path in ways:
        assert carol.client.get(path).status_code == 409
        answer = carol.post(path, hidden | {"code": app_code(carol.key, steps=1)})
        assert answer.status_code == 409
        assert "Hartley &amp; Sons demands" in answer.text
    assert snapshot() == before


def test_a_wrong_code_turns_nothing_off_and_counts(
    app: Flask, noon: time_machine.Traveller, snapshot: Snapshot, rows: Rows
) -> None:
    """S-100; the fifth pauses, and the sign-in stays (S-099)."""
    carol = signed_in(app, noon)
    free(app)
    before = snapshot()
    carol.visit("/security/turn-off")
    wrong = never_shown(carol.key)
    statuses = [carol.press("/security/turn-off", code=wrong).status for _ in range(6)]
    assert statuses == [422] * 4 + [429] * 2
    assert before["authenticators"] == snapshot()["authenticators"]
    assert carol.press("/security/turn-off", code=app_code(carol.key, steps=1)).status == 429
    assert carol.visit("/security").heading == "Two-factor authentication"
    assert rows("SELECT count(*) FROM authenticators WHERE revoked_at IS NULL") == [(1,)]


def test_a_pause_leaves_sign_ins_alone_whose_code_was_spared(
    app: Flask, noon: time_machine.Traveller, rows: Rows
) -> None:
    """S-099: by a trusted device or by SSO somebody is whole without a code of today."""
    carol = signed_in(app, noon)
    free(app)
    carol.sign_out()
    noon.shift(timedelta(minutes=1))
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key), trust="1")
    carol.sign_out()
    assert carol.sign_in().heading == "Two-factor authentication"
    elsewhere = Person(app, "carol@example.com")
    elsewhere.sign_in()
    with app.app_context():
        db.session.execute(
            text(
                "UPDATE sign_ins SET first_factor = 'sso', exempt_at = first_at,"
                " device_id = NULL WHERE id = (SELECT max(id) FROM sign_ins)"
            )
        )
        db.session.commit()
    assert elsewhere.visit("/security").heading == "Two-factor authentication"

    for person in (carol, elsewhere):
        person.visit("/security/turn-off")
        for _ in range(5):
            person.press("/security/turn-off", code=never_shown(carol.key))
        assert person.page.status == 429
        assert person.visit("/security").heading == "Two-factor authentication"


def test_two_clicks_turn_it_off_once(app: Flask, noon: time_machine.Traveller, rows: Rows) -> None:
    carol = signed_in(app, noon)
    free(app)
    carol.visit("/security/turn-off")
    data = carol.page.hidden() | {"code": app_code(carol.key, steps=1)}
    for _ in range(2):
        assert carol.post("/security/turn-off", data).status_code == 303
    assert rows("SELECT count(*) FROM events WHERE kind = 'two-factor off'") == [(1,)]
    assert len(mails_of(app, "Two-factor authentication is off")) == 1


def test_a_set_up_that_runs_when_it_is_turned_off_binds_nothing(
    app: Flask, noon: time_machine.Traveller, rows: Rows
) -> None:
    carol = signed_in(app, noon)
    free(app)
    carol.visit("/setup/codes")
    carol.next()
    assert carol.page.heading == "Save your backup codes"
    pending = carol.page
    carol.visit("/help")
    carol.press("/security/turn-off", code=app_code(carol.key, steps=1))
    carol.page = pending
    carol.next(saved="1")
    assert rows("SELECT count(*) FROM backup_codes WHERE replaced_at IS NULL") == [(0,)]


def test_removing_the_address_ends_codes_that_were_mailed_to_it(
    app: Flask, noon: time_machine.Traveller, rows: Rows
) -> None:
    carol = signed_in(app, noon, HOME)
    free(app)
    thief = Person(app, "carol@example.com")
    thief.sign_in()
    thief.visit("/signin/backup-email")
    thief.press("/signin/backup-email")
    code = mailed_code(app, HOME)

    carol.visit("/security")
    carol.press("/security/backup-email/remove")

    assert rows("SELECT count(*) FROM backup_emails") == [(0,)]
    thief.press("/signin/backup-email/code", code=code)
    assert thief.visit("/security").heading == "Enter your code"
    assert sorted(mails_of(app, "Your backup email was removed")) == ["carol@example.com", HOME]
    shown = next(m for m in letters(app) if str(m["Subject"]).startswith("Your backup email was"))
    assert HOME not in text_of(shown).partition("Sent to")[0] or str(shown["To"]) == HOME


def test_the_last_backup_way_stays_while_it_is_demanded(
    app: Flask, noon: time_machine.Traveller, snapshot: Snapshot
) -> None:
    carol = signed_in(app, noon, HOME)
    carol.visit("/security")
    before = snapshot()

    page = carol.press("/security/backup-email/remove")

    assert (page.status, "last backup way" in page.error) == (409, True)
    assert snapshot() == before

    carol.visit("/setup/codes")
    carol.next()
    carol.next(saved="1")
    carol.visit("/security")
    assert carol.press("/security/backup-email/remove").status == 200
    assert snapshot()["backup_emails"] == []


ACTS = (
    "/security/backup-email/remove",
    "/security/sign-ins/end-others",
    "/security/sign-ins/1/end",
    "/security/devices/remove-all",
)


@pytest.mark.parametrize("act", ACTS)
def test_an_act_needs_a_fresh_proof(
    app: Flask, noon: time_machine.Traveller, snapshot: Snapshot, act: str
) -> None:
    """S-047: five minutes and a second after the last one it is asked for again."""
    carol = signed_in(app, noon, HOME)
    carol.visit("/security")
    noon.shift(timedelta(minutes=5, seconds=1))
    before = snapshot()

    assert carol.press(act).heading == "Confirm it is you"

    after = snapshot()
    assert kept(before, after)
    ended = [row for row in after["sign_ins"] if "ended" in row]
    assert ended == [row for row in before["sign_ins"] if "ended" in row]


def test_sign_ins_are_listed_and_ended(
    app: Flask, noon: time_machine.Traveller, rows: Rows
) -> None:
    carol = signed_in(app, noon)
    others = []
    for code in carol.codes[:2]:
        other = Person(app, "carol@example.com")
        other.sign_in()
        other.press("/signin/backup-code", code=code)
        others.append(other)
    half = Person(app, "carol@example.com")
    half.sign_in()
    page = carol.visit("/security").text
    assert page.count(">End</button>") == 2
    assert "End all others" in page
    living = "SELECT id FROM sign_ins WHERE ended_at IS NULL AND second_at IS NOT NULL ORDER BY id"
    mine, first, second = (row[0] for row in rows(living))

    carol.press(f"/security/sign-ins/{first}/end")
    assert others[0].visit("/security").heading == "Sign in"
    assert others[1].visit("/security").heading == "Two-factor authentication"
    carol.press(f"/security/sign-ins/{mine}/end")  # its own stays: there is "Sign out"
    assert carol.visit("/security").heading == "Two-factor authentication"

    carol.press("/security/sign-ins/end-others")
    assert others[1].visit("/security").heading == "Sign in"
    assert half.visit("/signin/code").heading == "Sign in"
    assert rows(living) == [(mine,)]
    assert second != mine


def test_nobody_ends_a_foreign_sign_in(
    app: Flask, noon: time_machine.Traveller, snapshot: Snapshot
) -> None:
    """S-172."""
    carol, bob = signed_in(app, noon), Person(app, "bob@example.com")
    bob.sign_in()
    with app.app_context():
        his = db.session.scalar(text("SELECT max(id) FROM sign_ins"))
    before = snapshot()
    carol.visit("/security")
    carol.press(f"/security/sign-ins/{his}/end")
    assert snapshot() == before
    assert bob.visit("/security").heading == "Two-factor authentication"


def with_few_codes(carol: Person, used: int) -> Page:
    """Carol signs in with backup codes until only the rest is left."""
    for code in carol.codes[:used]:
        carol.sign_out()
        carol.visit("/security?from=mail")
        carol.press("/signin", email=carol.email, password="correct horse battery staple")
        carol.visit("/signin/backup-code")
        carol.press("/signin/backup-code", code=code)
    return carol.page


@pytest.mark.parametrize(
    ("used", "notice"),
    [
        (6, ""),
        (7, "You have 3 backup codes left."),
        (9, "You have 1 backup code left."),
        (10, "You have no backup codes left."),
    ],
)
def test_few_codes_are_told_right_after_sign_in(
    app: Flask, noon: time_machine.Traveller, used: int, notice: str
) -> None:
    """S-066; the page that was wanted is one click away."""
    page = with_few_codes(signed_in(app, noon), used)
    assert page.heading == "Two-factor authentication"
    assert ('id="low-codes"' in page.text) is bool(notice)
    assert notice in page.words
    assert ('href="/security?from=mail"' in page.text) is bool(notice)


def test_what_happened_is_told_in_words(app: Flask, noon: time_machine.Traveller) -> None:
    carol = signed_in(app, noon)
    carol.visit("/security/turn-off")
    thief = Person(app, "carol@example.com")
    thief.sign_in()
    thief.press("/signin/code", code=beside(app_code(carol.key)))
    words = carol.visit("/security").words
    for sentence in (
        "Wrong code",
        "Code entered",
        "Sign-in",
        "Two-factor set up",
    ):
        assert sentence in words


def test_every_kind_of_event_has_its_name() -> None:
    """A kind without one would be shown as the code writes it."""
    root = Path(__file__).parent.parent
    sources = [
        p
        for room in ("accounts", "wizard", "admin", "operations")
        for p in (root / room).glob("*.py")
    ]
    kinds = {f"{what}: {kind}" for what in ("finished", "voided", "resumed") for kind in Kind}
    for source in sources:
        kinds |= set(
            re.findall(r'events\.(?:record|columns_of)\(\s*"([^"]+)"', source.read_text("utf-8"))
        )
    assert kinds == set(NAMES)
    assert set(NAMES) > set(REFUSED)


def test_a_sign_in_that_is_over_is_not_listed(app: Flask, noon: time_machine.Traveller) -> None:
    """Left idle for an hour, nobody has to end it."""
    carol = signed_in(app, noon)
    other = Person(app, "carol@example.com")
    other.sign_in()
    other.press("/signin/backup-code", code=carol.codes[0])
    assert carol.visit("/security").text.count(">End</button>") == 1
    for minutes in (40, 80):
        noon.move_to(NOON + timedelta(minutes=minutes))
        carol.visit("/security")
    assert carol.page.text.count(">End</button>") == 0
