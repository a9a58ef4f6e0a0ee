"""The second factor at sign-in: app code, backup code, emailed code, and one budget for all."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from time_machine import Traveller

from tests.conftest import NOON, add_person, set_up_before_noon
from tests.person import (
    PASSWORD,
    Page,
    Person,
    app_code,
    beside,
    letters,
    mailed_code,
    never_shown,
    text_of,
)

Rows = Callable[[str], list[tuple[object, ...]]]
APP, BACKUP, MAILED = "/signin/code", "/signin/backup-code", "/signin/backup-email/code"
SEND = "/signin/backup-email"
IN = "Two-factor authentication"
PAUSED = "Sign-in is paused"
PASSED = "SELECT count(*) FROM sign_ins WHERE second_at >= '2031-05-06 12:00:00'"
FAILURES = "SELECT failures FROM throttles WHERE account_id = 3"
PAUSES = "SELECT locks, failures FROM throttles WHERE account_id = 3"


@pytest.fixture
def carol(app: Flask, noon: Traveller) -> Person:
    """Set up with backup codes ten minutes before noon; owes her code now."""
    person = set_up_before_noon(app, noon, "carol")
    person.sign_in()
    assert person.page.heading == "Enter your code"
    return person


@pytest.fixture
def bob(app: Flask, noon: Traveller) -> Person:
    """Set up with a backup email two hours before noon; owes his code now."""
    person = set_up_before_noon(app, noon, "bob", "bob@home.example", timedelta(hours=2))
    person.sign_in()
    assert person.page.heading == "Enter your code"
    return person


# App code


def test_a_right_code_lets_in(carol: Person, rows: Rows) -> None:
    assert carol.press(APP, code=app_code(carol.key)).heading == IN
    assert rows("SELECT second_factor FROM sign_ins WHERE ended_at IS NULL") == [("app",)]


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_the_steps_around_now_pass(carol: Person, steps: int) -> None:
    """S-023."""
    assert carol.press(APP, code=app_code(carol.key, steps=steps)).heading == IN


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_step_further_away_is_refused(carol: Person, rows: Rows, steps: int) -> None:
    """S-023, S-028: whatever the browser says about the time."""
    code = app_code(carol.key, steps=steps)
    stamp = (NOON + timedelta(seconds=30 * steps)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    form = carol.page.hidden() | {"code": code, "at": stamp, "time": stamp}
    answer = carol.client.post(APP, data=form, headers={"Date": stamp})
    assert answer.status_code == 422
    told = "That code was right, but it is too old" if steps < 0 else "That code does not match"
    assert told in Page(answer).error
    assert rows(PASSED) == [(0,)]


def test_a_code_works_once(carol: Person, noon: Traveller, rows: Rows) -> None:
    """S-024: in no other sign-in, nor one step later."""
    code = app_code(carol.key)
    carol.press(APP, code=code)
    assert carol.page.heading == IN
    for seconds in (0, 30):
        noon.move_to(NOON + timedelta(seconds=seconds))
        other = Person(carol.app, carol.email)
        other.sign_in()
        page = other.press(APP, code=code)
        assert (page.status, page.heading) == (422, "Enter your code")
        assert page.error.startswith("You have used that code already.")
    assert rows(PASSED) == [(1,)]


def test_no_code_older_than_the_last_one_passes(carol: Person, rows: Rows) -> None:
    """S-024: T+1, then T."""
    carol.press(APP, code=app_code(carol.key, steps=1))
    carol.sign_out()
    carol.sign_in()
    assert carol.press(APP, code=app_code(carol.key)).status == 422
    assert rows(PASSED) == [(1,)]


@pytest.mark.parametrize("form", ["{} {}", "{}-{}", " {}{} ", "{}\u2013{}", "{}\u00a0{}"])
def test_a_code_is_read_without_spaces_and_dashes(carol: Person, form: str) -> None:
    """S-027."""
    code = app_code(carol.key)
    assert carol.press(APP, code=form.format(code[:3], code[3:])).heading == IN


MALFORMED: dict[str, Callable[[str], object]] = {
    "empty": lambda code: "",
    "spaces": lambda code: "   ",
    "missing": lambda code: [],
    "twice": lambda code: [code, code],
    "seven digits": lambda code: "0" + code,
    "five digits": lambda code: code[1:],
    "full-width": lambda code: "".join(chr(ord(sign) + 0xFEE0) for sign in code),
    "arabic": lambda code: "".join(chr(0x0660 + int(sign)) for sign in code),
    "number": lambda code: "1e5",
    "sign": lambda code: "+" + code[1:],
    "endless": lambda code: code + "0" * 10_000,
    "late": lambda code: " " * 10_000 + code,
    "null": lambda code: code[:5] + "\x00",
}


@pytest.mark.parametrize("path", [APP, BACKUP, MAILED])
def test_what_is_no_code_is_refused_and_costs_nothing(
    carol: Person, app: Flask, rows: Rows, path: str, bob: Person
) -> None:
    """S-007, S-027: each with an answer of its own, and no try is charged."""
    person = bob if path == MAILED else carol
    if path == MAILED:
        person.press(SEND)
    right = {APP: app_code(carol.key), BACKUP: carol.codes[0].replace(" ", ""), MAILED: ""}
    code = mailed_code(app) if path == MAILED else right[path]
    for name, made in MALFORMED.items():
        person.press(path, code=made(code))
        assert person.page.status == 422, name
        assert re.search("numbers", person.page.error), name
    assert rows(PASSED) == [(0,)]
    assert set(rows("SELECT failures, locked_until FROM throttles")) == {(0, None)}


@pytest.mark.parametrize("body", [True, None, [], {"code": "000000"}])
def test_it_reads_no_json(carol: Person, rows: Rows, body: object) -> None:
    """S-007."""
    headers = {"X-CSRFToken": carol.page.hidden()["csrf_token"]}
    given = body if body != {"code": "000000"} else {"code": app_code(carol.key)}
    assert carol.client.post(APP, json=given, headers=headers).status_code == 422
    assert rows(PASSED) == [(0,)]


def test_it_reads_no_code_in_the_address(carol: Person, rows: Rows) -> None:
    """S-141."""
    assert carol.press(f"{APP}?code={app_code(carol.key)}").status == 422
    assert rows(PASSED) == [(0,)]


# Whose sign-in


def test_no_field_says_whose_code_it_is(carol: Person, bob: Person, rows: Rows) -> None:
    """S-004: Carol's half sign-in with Bob's right code and Bob's names."""
    names = {"email": bob.email, "account_id": "2", "user": "2", "user_id": "2", "id": "2"}
    page = carol.press(APP, code=app_code(bob.key), **names)
    assert (page.status, page.heading) == (422, "Enter your code")
    assert carol.press(BACKUP, code="00000000", **names).status == 422
    assert rows(PASSED) == [(0,)]
    assert bob.visit("/security").heading == "Enter your code"


def test_signing_in_as_somebody_else_ends_nothing_of_theirs(
    carol: Person, bob: Person, rows: Rows
) -> None:
    """S-004: who signs in fully as Bob while Carol's code is owed is Bob and nobody else."""
    carol.email, code = bob.email, app_code(carol.key)
    carol.sign_in()
    assert carol.page.heading == "Enter your code"
    assert carol.press(APP, code=code).status == 422
    assert carol.press(APP, code=app_code(bob.key)).heading == IN
    assert "bob@example.com" in carol.page.words
    assert rows("SELECT DISTINCT account_id FROM sign_ins WHERE second_at >= '2031-05-06 12'") == [
        (2,)
    ]


def test_replacing_the_app_ends_every_half_sign_in(carol: Person, rows: Rows) -> None:
    """S-005: its code is no longer the one that was owed."""
    other = Person(carol.app, carol.email)
    other.sign_in()
    other.press(APP, code=app_code(carol.key))
    other.visit("/setup/authenticator")
    other.next()
    new_key = other.page.key
    other.next()
    assert other.next(code=app_code(new_key)).status == 202
    assert rows("SELECT count(*) FROM authenticators WHERE revoked_at IS NULL") == [(1,)]

    for key in (new_key, carol.key):
        answer = carol.post(APP, carol.page.hidden() | {"code": app_code(key, steps=1)})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/signin")
    assert carol.visit("/security").heading == "Sign in"


def test_no_way_round_leads_past_the_code(carol: Person, rows: Rows) -> None:
    """S-009: neither another way, nor starting again, nor an empty form."""
    for path in ("/signin/another-way", BACKUP, SEND, MAILED, APP, "/signin", "/", "/help"):
        carol.visit(path)
        assert carol.visit("/security").heading == "Enter your code", path
    carol.press(SEND)
    carol.press(MAILED, code="000000")
    assert carol.visit("/security").heading == "Enter your code"
    assert rows(PASSED) == [(0,)]


# Backup ways


@pytest.mark.parametrize("form", ["{} {}", "{}{}", "{}-{}", "  {}\u2011{} "])
def test_a_backup_code_lets_in(carol: Person, rows: Rows, form: str) -> None:
    first, second = carol.codes[3].split()
    assert carol.press(BACKUP, code=form.format(first, second)).heading == IN
    assert rows("SELECT count(*) FROM backup_codes WHERE used_at IS NOT NULL") == [(1,)]
    assert "9 of 10 left" in carol.page.words


def test_a_backup_code_works_once(carol: Person, rows: Rows) -> None:
    """S-062."""
    carol.press(BACKUP, code=carol.codes[0])
    carol.sign_out()
    carol.sign_in()
    page = carol.press(BACKUP, code=carol.codes[0])
    assert (page.status, page.heading) == (422, "Enter a backup code")
    assert rows(PASSED) == [(1,)]
    assert carol.press(BACKUP, code=carol.codes[1]).heading == IN


def test_a_backup_code_is_neither_password_nor_app_code(carol: Person, rows: Rows) -> None:
    """S-064."""
    code = carol.codes[0].replace(" ", "")
    assert carol.press(APP, code=code).status == 422
    assert carol.press(APP, code=code[:6]).status == 422
    carol.sign_out()
    assert carol.sign_in(code).status == 422
    assert rows("SELECT count(*) FROM backup_codes WHERE used_at IS NOT NULL") == [(0,)]


def test_it_offers_the_ways_that_the_person_has(carol: Person, bob: Person) -> None:
    for person, there, absent in ((carol, BACKUP, SEND), (bob, SEND, BACKUP)):
        page = person.visit("/signin/another-way")
        assert page.heading == "Use another way"
        assert f'href="{there}"' in page.text
        assert f'href="{absent}"' not in page.text
        assert f'href="{APP}"' in page.text


def test_it_says_what_to_do_when_no_way_is_left(carol: Person) -> None:
    for code in carol.codes:
        assert carol.press(BACKUP, code=code).heading == IN
        carol.sign_out()
        carol.sign_in()
    page = carol.visit("/signin/another-way")
    assert "You have no backup way left." in page.words
    assert f'href="{BACKUP}"' not in page.text


# Emailed code


def test_an_emailed_code_lets_in(bob: Person, app: Flask, rows: Rows) -> None:
    """The address is masked; the code is in the mail and in no subject."""
    page = bob.visit(SEND)
    assert page.heading == "Get a code by email"
    page = bob.press(SEND)
    assert page.heading == "Check your email"
    assert "b•••@home.example" in page.words
    assert "bob@home.example" not in page.text
    assert letters(app)[-1]["To"] == "bob@home.example"
    assert bob.press(MAILED, code=mailed_code(app)).heading == IN
    assert rows("SELECT count(*) FROM email_codes WHERE used_at IS NOT NULL") == [(1,)]


def test_a_wrong_emailed_code_is_refused(bob: Person, app: Flask, rows: Rows) -> None:
    bob.press(SEND)
    page = bob.press(MAILED, code=beside(mailed_code(app)))
    assert (page.status, page.heading) == (422, "Check your email")
    assert rows(PASSED) == [(0,)]


def test_an_emailed_code_belongs_to_its_sign_in(bob: Person, app: Flask, rows: Rows) -> None:
    """S-074: neither the code of another half sign-in nor that of the set-up lets in."""
    confirmed = mailed_code(app)
    bob.press(SEND)
    first = mailed_code(app)
    other = Person(app, bob.email)
    other.sign_in()
    assert other.press(MAILED, code=first).status == 422
    other.press(SEND)
    assert mailed_code(app) != first
    for code in (first, confirmed):
        page = other.press(MAILED, code=code)
        assert (page.status, page.heading) == (422, "Check your email")
    assert rows(PASSED) == [(0,)]
    assert bob.press(MAILED, code=first).heading == IN


def test_an_emailed_code_is_over_after_ten_minutes(
    bob: Person, app: Flask, noon: Traveller, rows: Rows
) -> None:
    """S-074: with the sign-in that it belongs to."""
    bob.press(SEND)
    code, form = mailed_code(app), bob.page.hidden()
    noon.shift(timedelta(minutes=10))
    answer = bob.post(MAILED, form | {"code": code})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/signin")
    bob.sign_in()
    bob.press(SEND)
    assert bob.press(MAILED, code=code).status == 422
    assert rows(PASSED) == [(0,)]


def test_sending_it_again_mails_the_same_code_but_not_within_a_minute(
    bob: Person, app: Flask, noon: Traveller
) -> None:
    """S-075, S-077: the first mail stays good."""
    bob.press(SEND)
    code, mails = mailed_code(app), len(letters(app))
    noon.shift(timedelta(seconds=59))
    page = bob.press(SEND)
    assert (page.status, page.heading) == (429, "Check your email")
    assert "6 May 2031, 12:01 UTC" in page.error
    assert len(letters(app)) == mails

    noon.shift(timedelta(seconds=1))
    assert bob.press(SEND).heading == "Check your email"
    assert len(letters(app)) == mails + 1
    assert code in text_of(letters(app)[-1])
    assert bob.press(MAILED, code=code).heading == IN


def test_three_mails_are_the_most_of_one_sign_in(bob: Person, app: Flask, noon: Traveller) -> None:
    """S-077."""
    mails = len(letters(app))
    for _ in range(3):
        assert bob.press(SEND).status == 200
        noon.shift(timedelta(seconds=61))
    page = bob.press(SEND)
    assert page.status == 429
    assert page.error.startswith("That was the last code we can send here.")
    assert len(letters(app)) == mails + 3
    assert bob.press(MAILED, code=mailed_code(app)).heading == IN


def test_five_mails_are_the_most_of_an_hour(bob: Person, app: Flask, noon: Traveller) -> None:
    """S-077: over all sign-ins of the person, each with a code of its own."""
    mails = len(letters(app))
    for _ in range(5):
        bob.sign_in()
        assert bob.press(SEND).status == 200
        noon.shift(timedelta(seconds=1))
    bob.sign_in()
    page = bob.press(SEND)
    assert page.status == 429
    assert "6 May 2031, 13:00 UTC" in page.error
    assert len(letters(app)) == mails + 5
    noon.move_to(NOON + timedelta(hours=1))
    bob.sign_in()
    assert bob.press(SEND).status == 200


def test_ten_mails_are_the_most_of_a_day(bob: Person, app: Flask, noon: Traveller) -> None:
    """S-077: the set-up's own mail was the first of them."""
    assert len([letter for letter in letters(app) if letter["To"] == "bob@home.example"]) == 1
    for _ in range(9):
        noon.shift(timedelta(hours=1))
        bob.sign_in()
        assert bob.press(SEND).status == 200
    noon.shift(timedelta(hours=1))
    bob.sign_in()
    page = bob.press(SEND)
    assert page.status == 429
    assert "7 May 2031, 10:00 UTC" in page.error


def test_one_mailbox_of_two_people_gets_no_more_than_that_of_one(
    bob: Person, app: Flask, noon: Traveller
) -> None:
    """S-077: per address across accounts; Dora's set-up counts for nobody else (S-098)."""
    add_person(app, "dora", "Reading Room")
    dora = Person(app, "dora@example.com")
    dora.sign_in()
    dora.set_up_by_email("bob@home.example")
    dora.sign_out()
    noon.shift(timedelta(seconds=30))
    for person in (bob, dora, bob, dora):
        person.sign_in()
        assert person.press(SEND).status == 200
    dora.sign_in()
    assert dora.press(SEND).status == 429
    bob.sign_in()
    assert bob.press(SEND).status == 200
    bob.sign_in()
    assert bob.press(SEND).status == 429


def test_only_a_post_mails_and_looking_spends_nothing(bob: Person, app: Flask) -> None:
    """S-078, S-079: a mail scanner that opens every address changes nothing."""
    mails = len(letters(app))
    for _ in range(3):
        bob.visit(SEND)
        bob.visit(MAILED)
    assert len(letters(app)) == mails
    bob.press(SEND)
    code = mailed_code(app)
    for _ in range(3):
        bob.visit(MAILED)
    assert bob.press(MAILED, code=code).heading == IN


def test_nobody_gets_mail_who_gave_no_backup_address(carol: Person, app: Flask) -> None:
    mails = len(letters(app))
    assert carol.visit(SEND).heading == "Use another way"
    assert carol.press(SEND).heading == "Use another way"
    assert carol.visit(MAILED).heading == "Use another way"
    assert len(letters(app)) == mails


# The budget


def test_five_wrong_codes_of_all_kinds_pause_for_half_an_hour(carol: Person, rows: Rows) -> None:
    """S-090, S-094: the person is told how many tries are left, and then until when."""
    told = []
    for path, code in [(APP, never_shown(carol.key))] * 3 + [(BACKUP, "00000000")] * 2:
        told.append(carol.press(path, code=code).error)
    assert ["left" in text for text in told] == [False, False, True, True, False]
    assert "You have 2 tries left." in told[2]
    assert "You have 1 try left." in told[3]

    assert (carol.page.status, carol.page.heading) == (429, PAUSED)
    assert told[4].startswith("Too many wrong codes. Wait until 6 May 2031, 12:30 UTC")
    assert carol.visit("/security").heading == "Sign in"
    assert rows("SELECT count(*) FROM sign_ins WHERE ended_at IS NULL") == [(0,)]
    assert rows(PAUSES) == [(1, 0)]


def pause(person: Person) -> None:
    for _ in range(5):
        person.press(APP, code=never_shown(person.key))
    assert person.page.heading == PAUSED


def test_a_right_code_is_not_read_while_paused(carol: Person, noon: Traveller, rows: Rows) -> None:
    """S-093, S-094: refused at +29 minutes and not burnt; at +31 a fresh one lets in."""
    form, kept = carol.page.hidden(), carol.client.get_cookie("onward")
    assert kept is not None
    pause(carol)
    spent = "SELECT last_time_step, last_used_at FROM authenticators"
    before = rows(spent), rows("SELECT failures, locked_until FROM throttles ORDER BY account_id")
    noon.move_to(NOON + timedelta(minutes=29))
    code = app_code(carol.key)
    page = carol.sign_in()
    assert (page.status, page.heading) == (429, "Sign in")
    assert page.error.startswith("Too many wrong codes. Wait until 6 May 2031, 12:30 UTC")
    old = Person(carol.app, carol.email)
    old.client.set_cookie("onward", kept.value)
    for browser in (carol, old):
        answer = browser.post(APP, form | browser.page.hidden() | {"code": code})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/signin")
        assert browser.visit("/security").heading == "Sign in"
    after = rows(spent), rows("SELECT failures, locked_until FROM throttles ORDER BY account_id")
    assert after == before

    noon.move_to(NOON + timedelta(minutes=31))
    assert old.visit("/signin/code").heading == "Sign in"
    assert carol.sign_in().heading == "Enter your code"
    assert carol.press(APP, code=app_code(carol.key)).heading == IN
    assert rows(FAILURES) == [(0,)]


def test_a_pause_ends_every_half_sign_in_and_no_live_one(carol: Person) -> None:
    """S-094, S-099."""
    live = Person(carol.app, carol.email)
    live.sign_in()
    live.press(APP, code=app_code(carol.key))
    half = Person(carol.app, carol.email)
    half.sign_in()
    pause(carol)
    assert live.visit("/security").heading == IN
    assert half.visit("/signin/code").heading == "Sign in"


def test_after_a_pause_five_tries_begin_anew(carol: Person, noon: Traveller, rows: Rows) -> None:
    pause(carol)
    noon.shift(timedelta(minutes=30))
    carol.sign_in()
    assert carol.press(APP, code=never_shown(carol.key)).status == 422
    assert rows(FAILURES) == [(1,)]
    carol.press(APP, code=app_code(carol.key))
    assert rows(FAILURES) == [(0,)]


def test_neither_new_sign_ins_nor_other_places_begin_the_count_anew(
    carol: Person, rows: Rows
) -> None:
    """S-091, S-096, S-101: AuthQuake."""
    for n, email in enumerate(["carol@example.com", "CAROL@example.com"] * 2 + [carol.email]):
        browser = Person(carol.app, email)
        browser.sign_in()
        headers = {"X-Forwarded-For": f"192.0.2.{n}", "X-Real-IP": f"192.0.2.{n}"}
        form = browser.page.hidden() | {"code": never_shown(carol.key)}
        status = browser.client.post(APP, data=form, headers=headers).status_code
        assert status == (429 if n == 4 else 422)
        Person(carol.app, "alice@example.com").sign_in()
    assert rows(PAUSES) == [(1, 0)]


def test_an_older_cookie_does_not_bring_the_tries_back(carol: Person, rows: Rows) -> None:
    """S-092."""
    saved = carol.client.get_cookie("onward")
    assert saved is not None
    for n in range(1, 5):
        carol.press(APP, code=never_shown(carol.key))
        carol.client.set_cookie("onward", saved.value)
        assert rows(FAILURES) == [(n,)]
    assert carol.press(APP, code=never_shown(carol.key)).heading == PAUSED


def test_sending_it_again_does_not_bring_the_tries_back(
    bob: Person, app: Flask, noon: Traveller
) -> None:
    """S-075."""
    bob.press(SEND)
    bad = beside(mailed_code(app))
    for n in range(5):
        if n == 3:
            noon.shift(timedelta(seconds=61))
            assert bob.press(SEND).status == 200
        assert bob.page.heading == "Check your email"
        bob.press(MAILED, code=bad)
    assert bob.page.heading == PAUSED


def test_a_success_ends_the_run_of_five(carol: Person, rows: Rows) -> None:
    for _ in range(4):
        carol.press(APP, code=never_shown(carol.key))
    assert carol.press(APP, code=app_code(carol.key)).heading == IN
    assert rows(FAILURES) == [(0,)]
    carol.sign_out()
    carol.sign_in()
    assert carol.press(APP, code=never_shown(carol.key)).status == 422


@pytest.mark.parametrize("password", ["wrong password", ""])
def test_without_the_first_factor_nobody_counts_or_causes_mail(
    bob: Person, app: Flask, rows: Rows, password: str
) -> None:
    """S-097, S-078: not a hundred posts with the right password missing."""
    mails = len(letters(app))
    stranger = Person(app, bob.email)
    stranger.visit("/signin")
    for _ in range(10):
        stranger.sign_in(password)
        form = stranger.page.hidden() | {"code": "000000", "email": bob.email}
        for path in (APP, BACKUP, SEND, MAILED):
            answer = stranger.post(path, form)
            assert (answer.status_code, answer.headers["Location"]) == (303, "/signin")
    assert set(rows("SELECT failures, locked_until FROM throttles")) == {(0, None)}
    assert len(letters(app)) == mails
    assert rows("SELECT count(*) FROM email_codes") == [(0,)]
    assert bob.press(APP, code=app_code(bob.key)).heading == IN


def test_a_pause_is_told_after_the_right_password_only(carol: Person) -> None:
    """S-103: before it, somebody paused looks like anybody else."""
    pause(carol)
    answers = []
    for email in (carol.email, "alice@example.com", "nobody@example.com"):
        page = Person(carol.app, email).sign_in("wrong password")
        answers.append((page.status, page.error))
    assert answers == [(422, "That email and password do not match.")] * 3
    assert Person(carol.app, carol.email).sign_in(PASSWORD).status == 429
