"""What each step of the wizard shows, takes and refuses, and each kind of set-up.

Mail is read where the postman leaves it; codes of an app come from oathtool.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pyotp
import pytest
import time_machine

from tests.person import (
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
Snapshot = Callable[[], dict[str, list[str]]]

LABEL = "alice@example.com"
VERIFY = "Enter the code from your app"
CHECK = "Check your email"
CONFIRM = "Confirm it is you"
STATE = "Two-factor authentication"
ON = "Two-factor authentication is on"


def now() -> datetime:
    return datetime.now(UTC)


def refused(person: Person, text: str) -> None:
    """Make sure that the page shows the step again with this reason."""
    assert person.page.status == (422 if person.htmx else 202)
    assert text in person.page.error


def counts(rows: Rows) -> list[tuple[object, ...]]:
    """Return how much counts already: authenticators, backup codes, backup emails."""
    return rows(
        "SELECT (SELECT count(*) FROM authenticators), (SELECT count(*) FROM backup_codes),"
        " (SELECT count(*) FROM backup_emails)"
    )


# Scan


def test_it_shows_qr_code_record_key_and_link(alice: Person) -> None:
    page = alice.start()

    assert page.heading == "Scan the QR code"
    assert "Step 2 of 5" in page.words
    assert re.search(r'role="img" aria-label="QR code for your authenticator app"><svg ', page.text)
    assert page.label == LABEL
    shown = re.search(r'id="key">([^<]+)<', page.text)
    assert shown is not None
    assert re.fullmatch("([A-Z2-7]{4} ){7}[A-Z2-7]{4}", shown[1])
    assert ">Open in an app on this phone</a>" in page.text


def test_its_link_says_what_pyotp_reads_out_of_it(alice: Person) -> None:
    """S-020, S-021, S-022."""
    page = alice.start()
    link = re.search(r'href="(otpauth:[^"]+)"', page.text)
    assert link is not None

    read = pyotp.parse_uri(link[1])

    assert isinstance(read, pyotp.TOTP)
    assert (read.secret, read.issuer, read.name) == (page.key, "Onward", LABEL)
    assert (read.digits, read.interval, read.digest().name) == (6, 30, "sha1")
    assert dict(parse_qsl(urlsplit(link[1]).query)) == {"secret": page.key, "issuer": "Onward"}


def test_it_never_shows_the_secret_after_the_scan_step(alice: Person) -> None:
    alice.start()
    pages = [alice.next(), alice.next(code=app_code(alice.key)), alice.next(way="codes")]
    pages.append(alice.next(saved="1"))

    assert pages[-1].heading == ON
    assert not any(alice.key in page.text.replace(" ", "") for page in pages)


# Verify


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("", "Enter the 6 numbers from your app."),
        (" - ", "Enter the 6 numbers from your app."),
        ("12345", "The code has 6 numbers. You typed 5."),
        ("1234567", "The code has 6 numbers. You typed 7."),
        ("1234 5678", "That looks like a backup code."),
        ("abcdef", "The code has 6 numbers and nothing else."),
        ("12345a", "The code has 6 numbers and nothing else."),
        ("9" * 10_000, "The code has 6 numbers."),
        ("x" * 10_000, "The code has 6 numbers and nothing else."),
    ],
    ids=[
        "empty",
        "dash",
        "short",
        "long",
        "backup",
        "letters",
        "a letter",
        "10 kB",
        "10 kB of letters",
    ],
)
def test_it_refuses_what_is_no_code_without_counting_it(
    alice: Person, rows: Rows, typed: str, text: str
) -> None:
    alice.to_verify()

    alice.next(code=typed)

    refused(alice, text)
    assert rows("SELECT step, wrong_codes FROM wizards") == [("verify", 0)]
    assert alice.next(code=app_code(alice.key)).heading != VERIFY


def test_it_takes_no_digits_of_another_script(alice: Person, rows: Rows) -> None:
    """S-027: the right code in full-width digits is no code."""
    alice.to_verify()
    code = app_code(alice.key)

    alice.next(code=code.translate({48 + n: 0xFF10 + n for n in range(10)}))

    refused(alice, "The code has 6 numbers and nothing else.")
    assert rows("SELECT step, wrong_codes FROM wizards") == [("verify", 0)]


def test_it_takes_no_code_that_is_sent_twice(alice: Person, rows: Rows) -> None:
    """S-007, S-141."""
    alice.to_verify()
    code = app_code(alice.key)

    alice.next(code=[code, code])

    refused(alice, "Enter the 6 numbers from your app.")
    assert rows("SELECT step, wrong_codes FROM wizards") == [("verify", 0)]


@pytest.mark.parametrize("form", ["{} {}", " {}-{} ", "{}\u2009{}"])
def test_it_takes_a_code_with_spaces_and_dashes(alice: Person, form: str) -> None:
    alice.to_verify()
    code = app_code(alice.key)

    alice.next(code=form.format(code[:3], code[3:]))

    assert alice.page.heading == "Add a backup way to sign in"


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_it_takes_the_codes_of_three_time_steps(alice: Person, steps: int) -> None:
    """S-023."""
    with time_machine.travel(now(), tick=False):
        alice.to_verify()
        alice.next(code=app_code(alice.key, steps=steps))

    assert alice.page.heading == "Add a backup way to sign in"


@pytest.mark.parametrize("steps", [-2, 2])
def test_it_takes_no_code_of_a_time_step_beyond(alice: Person, rows: Rows, steps: int) -> None:
    with time_machine.travel(now(), tick=False):
        alice.to_verify()
        alice.next(code=app_code(alice.key, steps=steps))

    assert alice.page.heading == VERIFY
    assert rows("SELECT step, wrong_codes FROM wizards") == [("verify", 1)]


def test_it_voids_at_the_tenth_wrong_code_and_shows_help(alice: Person, rows: Rows) -> None:
    """S-048, S-100: the wizard counts by itself; the account's own budget is untouched."""
    alice.to_verify()
    code = never_shown(alice.key)
    budget = rows("SELECT * FROM throttles")
    for _ in range(9):
        alice.next(code=code)
        refused(alice, "That code does not match.")

    page = alice.next(code=code)

    assert page.status == 409
    assert page.heading == "Set-up has started again"
    assert "There were too many wrong codes." in page.words
    assert "set your phone’s clock to automatic" in page.words
    assert 'href="/help"' in page.text
    assert f"delete the record “{LABEL}”" in page.words
    assert rows("SELECT void_reason, sealed_secret FROM wizards") == [("wrong codes", None)]
    assert rows("SELECT * FROM throttles") == budget


# Backup


@pytest.mark.parametrize("way", [None, "", "sms", ["codes", "codes"]])
def test_it_goes_on_with_one_of_the_two_backup_ways_only(
    alice: Person, rows: Rows, way: object
) -> None:
    alice.to_backup()

    alice.next(**({} if way is None else {"way": way}))

    refused(alice, "Choose one of the two ways.")
    assert rows("SELECT step FROM wizards") == [("backup",)]
    assert alice.next(way="codes").heading == "Save your backup codes"


# Codes


def test_it_shows_ten_codes_and_stores_none_before_done(alice: Person, rows: Rows) -> None:
    codes = alice.to_codes().codes

    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"\d{4} \d{4}", code) for code in codes)
    assert counts(rows) == [(0, 0, 0)]


def test_it_stores_nothing_when_done_comes_without_the_tick(alice: Person, rows: Rows) -> None:
    codes = alice.to_codes().codes

    alice.next()

    refused(alice, "Save the codes first, then tick the box.")
    assert alice.page.codes == codes
    assert counts(rows) == [(0, 0, 0)]
    assert alice.next(saved="1").heading == ON
    assert counts(rows) == [(1, 10, 0)]


def test_it_gives_the_codes_as_a_file_and_spends_no_ticket(
    alice: Person, snapshot: Snapshot
) -> None:
    with time_machine.travel(now(), tick=False):
        codes = alice.to_codes().codes
        before, today = snapshot(), f"{now():%Y-%m-%d}"

        answers = [download(alice, alice.page.hidden()) for _ in range(2)]

        assert snapshot() == before
    for answer in answers:
        assert answer.status == 200
        headers = answer.response.headers
        name = f"onward-backup-codes-{today}.txt"
        assert headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert headers["Content-Type"].startswith("text/plain")
        assert headers["Cache-Control"] == "no-store"
        lines = answer.text.splitlines()
        assert lines[:3] == ["Backup codes for Onward", LABEL, today]
        assert [line for line in lines if re.fullmatch(r"\d{4} \d{4}", line)] == codes
    assert alice.next(saved="1").heading == ON


def test_it_gives_no_file_at_another_step_or_for_a_spent_ticket(
    alice: Person, snapshot: Snapshot
) -> None:
    at_verify = alice.to_verify().hidden()
    assert download(alice, at_verify).status == 410
    alice.next(code=app_code(alice.key))
    spent = alice.next(way="codes").hidden()
    codes = alice.page.codes
    alice.next()  # refused: the ticket is spent
    current = alice.page.hidden()
    before = snapshot()

    for fields in (at_verify, spent, spent | {"ticket": "rubbish"}):
        page = download(alice, fields)
        assert page.status == 410
        assert not any(code in page.text for code in codes)

    assert snapshot() == before
    assert download(alice, current).status == 200
    alice.next(saved="1")
    assert alice.page.heading == ON
    assert download(alice, current).status == 410


def test_it_gives_no_file_of_a_set_up_that_took_too_long(alice: Person) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        codes = alice.to_codes().codes
        clock.shift(timedelta(minutes=15))

        page = download(alice, alice.page.hidden())

    assert page.status == 410
    assert not any(code in page.text for code in codes)


def test_it_gives_no_file_to_another_browser_of_the_person(alice: Person) -> None:
    second = Person(alice.app, alice.email)
    second.sign_in()
    ticket = alice.to_codes().hidden()["ticket"]

    page = download(second, second.page.hidden() | {"ticket": ticket})

    assert page.status == 410
    assert not any(code in page.text for code in alice.page.codes)


def download(person: Person, fields: dict[str, str]) -> Page:
    return Page(person.post("/setup/backup-codes", fields))


# Email


def to_email(person: Person) -> Page:
    person.to_backup()
    return person.next(way="email")


def to_email_code(person: Person, address: str = "alice@home.example") -> Page:
    to_email(person)
    return person.next(address=address)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("", "Enter an email address"),
        ("alice", "Enter an email address"),
        ("alice@", "Enter an email address"),
        ("a@b@home.example", "Enter an email address"),
        ("alice@home.example\r\nBcc: eve@example.net", "Enter an email address"),
        ("alice@home.example, eve@example.net", "Enter an email address"),
        (["alice@home.example"] * 2, "Enter an email address"),
        (LABEL, "Use another address than the one you sign in with."),
        ("ALICE@Example.COM", "Use another address than the one you sign in with."),
        (" alice@example.com. ", "Use another address than the one you sign in with."),
        ("alice+backup@example.com", "Use another address than the one you sign in with."),
        (
            "ａｌｉｃｅ@example.com",
            "Use another address than the one you sign in with.",
        ),
    ],
)
def test_it_takes_no_bad_address_and_not_ones_own(
    alice: Person, rows: Rows, address: object, text: str
) -> None:
    """S-072, S-073, S-080."""
    to_email(alice)

    alice.next(address=address)

    refused(alice, text)
    assert letters(alice.app) == []
    assert rows("SELECT step, address, email_nonce FROM wizards") == [("email", None, None)]


def test_it_never_tells_that_somebody_else_has_an_address(alice: Person) -> None:
    """S-153: the sign-in and the backup address of others are taken like one that nobody has."""
    carol = Person(alice.app, "carol@example.com")
    carol.sign_in()
    carol.set_up_by_email("carol@home.example")
    said = set()
    for address in ("nobody@home.example", "carol@home.example", "carol@example.com"):
        alice.visit("/setup")
        if alice.page.heading != "Set up two-factor authentication":
            alice.next()
        alice.to_backup()
        alice.next(way="email")
        page = alice.next(address=address)
        said.add((page.status, page.heading, page.words.partition(address)[0]))
        assert str(letters(alice.app)[-1]["To"]) == address
    assert len(said) == 1


def test_it_mails_a_code_and_stores_the_canonical_address_when_it_is_confirmed(
    alice: Person, rows: Rows
) -> None:
    page = to_email_code(alice, " Alice.Smith@HOME.example. ")

    assert page.heading == CHECK
    assert "We sent a code to alice.smith@home.example." in page.words
    [letter] = letters(alice.app)
    assert letter["To"] == "alice.smith@home.example"
    assert "Enter this code to confirm your backup email" in text_of(letter)
    assert mailed_code(alice.app) in text_of(letter, "html")
    assert counts(rows) == [(0, 0, 0)]
    assert alice.next(code=mailed_code(alice.app)).heading == ON
    assert counts(rows) == [(1, 0, 1)]
    assert rows("SELECT address FROM backup_emails") == [("alice.smith@home.example",)]


@pytest.mark.parametrize(
    ("typed", "text", "counted"),
    [
        ("wrong", "That code does not match. Check the newest email from us.", 1),
        ("app", "That code does not match. Check the newest email from us.", 1),
        ("", "Enter the 6 numbers from the email.", 0),
        ("1234", "The code has 6 numbers. You typed 4.", 0),
        ("１２３４５６", "The code has 6 numbers and nothing else.", 0),
    ],
)
def test_it_confirms_no_address_with_another_code(
    alice: Person, rows: Rows, typed: str, text: str, counted: int
) -> None:
    to_email_code(alice)
    named = {"wrong": beside(mailed_code(alice.app)), "app": app_code(alice.key)}

    alice.next(code=named.get(typed, typed))

    refused(alice, text)
    assert rows("SELECT step, wrong_codes FROM wizards") == [("email_code", counted)]
    assert counts(rows) == [(0, 0, 0)]


def test_it_counts_wrong_codes_of_the_app_and_of_the_mail_together(
    alice: Person, rows: Rows
) -> None:
    alice.to_verify()
    for _ in range(5):
        alice.next(code=never_shown(alice.key))
    alice.next(code=app_code(alice.key))
    alice.next(way="email")
    alice.next(address="alice@home.example")
    for _ in range(4):
        alice.next(code=beside(mailed_code(alice.app)))
        assert alice.page.heading == CHECK

    alice.next(code=beside(mailed_code(alice.app)))

    assert "There were too many wrong codes." in alice.page.words
    assert rows("SELECT void_reason FROM wizards") == [("wrong codes",)]
    assert counts(rows) == [(0, 0, 0)]


def test_it_takes_a_mailed_code_for_ten_minutes(alice: Person) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        to_email_code(alice)
        clock.shift(timedelta(minutes=9, seconds=59))

        assert alice.next(code=mailed_code(alice.app)).heading == ON


def test_it_takes_no_mailed_code_after_ten_minutes_and_mails_a_new_one(
    alice: Person, rows: Rows
) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        to_email_code(alice)
        old = mailed_code(alice.app)
        clock.shift(timedelta(minutes=10))

        alice.next(code=old)

        refused(alice, "That code ran out at")
        assert "UTC. Press “Send it again”." in alice.page.words
        assert counts(rows) == [(0, 0, 0)]
        alice.next(act="resend")
        assert mailed_code(alice.app) != old
        alice.next(code=old)
        refused(alice, "That code does not match.")
        assert alice.next(code=mailed_code(alice.app)).heading == ON


def test_it_mails_the_same_code_again_but_not_within_a_minute(alice: Person) -> None:
    """S-077: a resend keeps the first mail good."""
    with time_machine.travel(now(), tick=False) as clock:
        to_email_code(alice)
        first = mailed_code(alice.app)
        clock.shift(timedelta(seconds=59))
        alice.next(act="resend")
        refused(alice, "We have sent you several codes. You can ask for another one at")
        assert len(letters(alice.app)) == 1
        clock.shift(timedelta(seconds=1))

        alice.next(act="resend")

        assert alice.page.heading == CHECK
        assert alice.page.error == ""
        assert len(letters(alice.app)) == 2
        assert mailed_code(alice.app) == first
        assert alice.next(code=first).heading == ON


def test_it_mails_three_codes_in_one_set_up_and_no_more(alice: Person) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        to_email_code(alice)
        for _ in range(2):
            clock.shift(timedelta(seconds=61))
            alice.next(act="resend")
            assert alice.page.error == ""
        clock.shift(timedelta(seconds=61))

        alice.next(act="resend")

        refused(alice, "That was the last code we can send here.")
        alice.next(act="address")
        alice.next(address="other@home.example")
        refused(alice, "That was the last code we can send here.")
        assert len(letters(alice.app)) == 3


def test_it_takes_another_address_and_the_first_code_is_dead(alice: Person, rows: Rows) -> None:
    to_email_code(alice, "typo@home.example")
    first = mailed_code(alice.app)

    page = alice.next(act="address")

    assert page.heading == "Add a backup email"
    assert 'value="typo@home.example"' in page.text
    alice.next(address="alice@home.example")
    assert letters(alice.app)[-1]["To"] == "alice@home.example"
    assert mailed_code(alice.app) != first
    alice.next(code=first)
    refused(alice, "That code does not match.")
    assert alice.next(code=mailed_code(alice.app)).heading == ON
    assert rows("SELECT address FROM backup_emails") == [("alice@home.example",)]


def test_it_mails_one_code_for_a_double_click(alice: Person) -> None:
    to_email(alice)
    fields = alice.page.hidden() | {"address": "alice@home.example"}

    alice.post("/setup", fields)
    alice.show(alice.post("/setup", fields))

    assert alice.page.heading == CHECK
    assert len(letters(alice.app)) == 1


# The end


@pytest.mark.parametrize("way", ["ten backup codes", "a backup email"])
def test_it_mails_to_the_primary_address_that_two_factor_is_on(alice: Person, way: str) -> None:
    if way == "ten backup codes":
        alice.set_up()
    else:
        alice.set_up_by_email("alice@home.example")

    letter = letters(alice.app)[-1]

    assert letter["To"] == LABEL
    assert letter["Subject"].startswith("Two-factor authentication is on for Onward (")
    assert f"The record in your app is called “{LABEL}”." in text_of(letter)
    assert f"Your backup way: {way}." in text_of(letter)
    assert alice.key not in str(letter)


def test_it_mails_nothing_before_the_end(alice: Person) -> None:
    alice.to_codes()
    alice.next()

    assert letters(alice.app) == []


@pytest.mark.parametrize("first", ["codes", "email"])
def test_it_offers_the_other_backup_way_in_one_click(alice: Person, rows: Rows, first: str) -> None:
    if first == "codes":
        alice.set_up()
    else:
        alice.set_up_by_email("alice@home.example")

    alice.next()

    if first == "codes":
        assert alice.page.heading == "Add a backup email"
        alice.next(address="alice@home.example")
        alice.next(code=mailed_code(alice.app))
        assert alice.page.heading == "Your backup email is confirmed"
    else:
        assert alice.page.heading == "Save your backup codes"
        alice.next(saved="1")
        assert alice.page.heading == "Your new backup codes work now"
    assert counts(rows) == [(1, 10, 1)]


# The other kinds of set-up


def signed_in(person: Person, code: str, **fields: str) -> Page:
    """Sign in with the password and a code of the app."""
    person.sign_in()
    return person.press("/signin/code", code=code, **fields)


def with_backup_code(person: Person, code: str) -> Page:
    """Sign in with the password and a backup code."""
    person.sign_in()
    person.visit("/signin/backup-code")
    return person.press("/signin/backup-code", code=code)


def second_browser(person: Person) -> Person:
    return Person(person.app, person.email)


def test_it_replaces_the_app_once_the_new_one_is_confirmed(carol: Person, rows: Rows) -> None:
    signed_in(carol, app_code(carol.key))
    assert "present app goes on working" in carol.visit("/setup/authenticator").words
    carol.next()
    new_key = carol.page.key
    assert carol.page.label == "carol@example.com #2"
    carol.next()
    other = second_browser(carol)
    assert signed_in(other, app_code(new_key)).status == 422  # not yet
    assert signed_in(other, app_code(carol.key, steps=1)).heading == STATE  # still

    carol.next(code=app_code(new_key))

    assert carol.page.heading == "Your new app works now"
    assert "Keep only this one: carol@example.com #2" in carol.page.words
    assert rows("SELECT label FROM authenticators WHERE revoked_at IS NULL") == [
        ("carol@example.com #2",)
    ]
    assert rows("SELECT sealed_secret FROM authenticators WHERE revoked_at IS NOT NULL") == [
        (None,)
    ]
    assert other.visit("/security").heading == "Sign in"  # S-050
    carol.sign_out()
    assert signed_in(carol, app_code(carol.key, steps=1)).status == 422
    assert signed_in(carol, app_code(new_key, steps=1)).heading == STATE


def test_it_keeps_the_old_app_when_replacing_is_not_finished(carol: Person, rows: Rows) -> None:
    signed_in(carol, app_code(carol.key))
    carol.visit("/setup/authenticator")
    carol.next()
    new_key = carol.page.key
    before = rows("SELECT * FROM authenticators")

    carol.visit("/setup/authenticator")

    assert "delete the record “carol@example.com #2”" in carol.page.words
    assert rows("SELECT * FROM authenticators") == before
    carol.sign_out()
    assert signed_in(carol, app_code(new_key)).status == 422
    assert signed_in(carol, app_code(carol.key, steps=1)).heading == STATE


def test_it_takes_the_trust_of_devices_with_the_old_app(carol: Person) -> None:
    """S-117, and S-118: trust is no proof, so the replacing asks for one."""
    signed_in(carol, app_code(carol.key), trust="1")
    carol.sign_out()
    assert carol.sign_in().heading == STATE  # spared the code
    carol.visit("/setup/authenticator")
    assert carol.next().heading == CONFIRM
    carol.press("/signin/confirm", code=app_code(carol.key, steps=1))
    carol.next()
    new_key = carol.page.key
    carol.next()
    carol.next(code=app_code(new_key))
    assert carol.page.heading == "Your new app works now"
    carol.sign_out()

    assert carol.sign_in().heading == "Enter your code"
    assert carol.press("/signin/code", code=app_code(new_key, steps=1)).heading == STATE


def test_old_backup_codes_work_until_done_and_are_dead_afterwards(
    carol: Person, rows: Rows
) -> None:
    """S-063."""
    signed_in(carol, app_code(carol.key))
    carol.visit("/setup/codes")
    new = carol.next().codes
    assert not set(new) & set(carol.codes)
    other = second_browser(carol)
    assert with_backup_code(other, new[0]).status == 422  # not yet
    assert with_backup_code(other, carol.codes[0]).heading == STATE  # still

    carol.next(saved="1")

    assert carol.page.heading == "Your new backup codes work now"
    assert rows("SELECT count(*) FROM backup_codes WHERE replaced_at IS NULL") == [(10,)]
    carol.sign_out()
    assert with_backup_code(carol, carol.codes[1]).status == 422
    assert with_backup_code(carol, new[0]).heading == STATE


def test_it_tells_to_throw_new_codes_away_that_were_not_finished(carol: Person, rows: Rows) -> None:
    signed_in(carol, app_code(carol.key))
    carol.visit("/setup/codes")
    carol.next()
    before = rows("SELECT * FROM backup_codes")

    page = carol.visit("/setup/codes")

    assert "throw them away. Your older ones still work." in page.words
    assert rows("SELECT * FROM backup_codes") == before
    assert carol.next().heading == "Save your backup codes"


def test_it_adds_and_changes_the_backup_email(carol: Person, rows: Rows) -> None:
    signed_in(carol, app_code(carol.key))
    stored = "SELECT address FROM backup_emails"
    for address, before in (("old@home.example", []), ("new@home.example", ["old@home.example"])):
        carol.visit("/setup/email")
        assert carol.next().heading == "Add a backup email"
        carol.next(address=address)
        carol.next(code=beside(mailed_code(carol.app)))
        assert rows(stored) == [(one,) for one in before]

        carol.next(code=mailed_code(carol.app))

        assert carol.page.heading == "Your backup email is confirmed"
        assert rows(stored) == [(address,)]


@pytest.mark.parametrize(
    ("kind", "introduction", "first"),
    [
        ("authenticator", "Get an authenticator app", "Scan the QR code"),
        ("codes", "Get new backup codes", "Save your backup codes"),
        ("email", "A backup email", "Add a backup email"),
    ],
)
def test_each_kind_asks_for_a_fresh_proof_and_leads_back(
    carol: Person, rows: Rows, kind: str, introduction: str, first: str
) -> None:
    """S-047."""
    with time_machine.travel(now(), tick=False) as clock:
        signed_in(carol, app_code(carol.key))
        clock.shift(timedelta(minutes=5))
        assert carol.visit(f"/setup/{kind}").heading == introduction
        before = rows("SELECT * FROM wizards"), counts(rows)

        assert carol.next().heading == CONFIRM

        assert (rows("SELECT * FROM wizards"), counts(rows)) == before
        assert carol.press("/signin/confirm", code=beside(app_code(carol.key))).heading == CONFIRM
        carol.press("/signin/confirm", code=app_code(carol.key))
        assert carol.page.heading == introduction
        assert carol.next().heading == first


def test_the_first_set_up_asks_for_the_password_when_the_sign_in_is_old(
    alice: Person, rows: Rows
) -> None:
    with time_machine.travel(now() + timedelta(minutes=5, seconds=1), tick=False):
        alice.visit("/setup")

        assert alice.next().heading == CONFIRM

        assert rows("SELECT count(*) FROM wizards") == [(0,)]
        alice.press("/signin/confirm", password="correct horse battery staple")
        assert alice.page.heading == "Get an authenticator app"
        assert alice.next().heading == "Scan the QR code"


def test_start_again_inherits_the_proof_for_half_an_hour(alice: Person) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        alice.start()
        clock.shift(timedelta(minutes=14))
        alice.visit("/setup")
        assert alice.next().heading == "Scan the QR code"
        clock.shift(timedelta(minutes=14))
        alice.visit("/setup")
        assert alice.next().heading == "Scan the QR code"
        clock.shift(timedelta(minutes=2, seconds=1))
        alice.visit("/setup")

        assert alice.next().heading == CONFIRM


def test_start_again_inherits_no_proof_in_another_sign_in(alice: Person, rows: Rows) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        second = Person(alice.app, alice.email, alice.htmx)
        second.sign_in()
        clock.shift(timedelta(minutes=4))
        alice.start()
        clock.shift(timedelta(minutes=2))
        second.visit("/setup")

        assert second.next().heading == CONFIRM

    assert rows("SELECT count(*) FROM wizards") == [(1,)]


@pytest.mark.parametrize("kind", ["authenticator", "codes", "email"])
def test_nobody_without_an_app_enters_the_other_kinds(
    bob: Person, snapshot: Snapshot, kind: str
) -> None:
    before = snapshot()

    assert bob.visit(f"/setup/{kind}").heading == STATE

    assert snapshot() == before
