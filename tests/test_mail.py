"""Mail: written with the change it tells of, sealed until it leaves, delivered by SMTP or file."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import time_machine
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask
from sqlalchemy import text

import addresses
import settings
from db import db
from tests.conftest import NOON, install
from tests.live import free_port
from tests.person import PASSWORD, Person, app_code, letters, mailed_code, text_of

Rows = Callable[[str], list[tuple[object, ...]]]
HOME = "alice@home.example"


class Postbox:
    """What a real mail server receives, or why it refuses."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], EmailMessage]] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            letter = message_from_bytes(envelope.content, policy=default)
            self.mails.append((envelope.mail_from or "", envelope.rcpt_tos, letter))
        return self.answer


@contextmanager
def mail_server(box: Postbox, port: int) -> Iterator[None]:
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


@contextmanager
def installed(folder: Path, **config: object) -> Iterator[Flask]:
    app = install(folder / "instance", **config)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def person(app: Flask) -> Person:
    """Alice before the step that asks for her backup address."""
    return before_the_address(app)


def before_the_address(app: Flask) -> Person:
    alice = Person(app, "alice@example.com", htmx=True)
    alice.sign_in()
    alice.to_backup()
    alice.next(way="email")
    assert alice.page.heading == "Add a backup email"
    return alice


def text_in_database(app: Flask) -> str:
    """Return every value that the database holds, as an operator's dump would."""
    with sqlite3.connect(f"{app.instance_path}/onward.sqlite") as connection:
        return "\n".join(connection.iterdump())


# The outbox


def test_a_mail_is_sealed_until_it_leaves_and_wiped_then(tmp_path: Path) -> None:
    """S-114: no code lies in the database, neither while it waits nor when it could not be sent."""
    box, port = Postbox(), free_port()
    with installed(tmp_path, MAIL_SERVER="127.0.0.1", MAIL_PORT=port) as app:
        alice = before_the_address(app)
        alice.next(address=HOME)
        waiting = text_in_database(app)
        with mail_server(box, port):
            alice.next(act="resend")
        [(_, _, letter)] = box.mails
        code = re.findall(r"^(\d{6})$", text_of(letter), re.M)[0]
        rows = _outbox(app)

    assert 'INSERT INTO "outbox"' in waiting
    assert code not in waiting
    assert "Enter this code" not in waiting
    assert [row["sealed_message"] is None for row in rows] == [True, True]
    assert rows[0]["failed_at"] is not None
    assert [row["sent_at"] is None for row in rows] == [True, False]


def _outbox(app: Flask) -> list[dict[str, Any]]:
    with sqlite3.connect(f"{app.instance_path}/onward.sqlite") as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM outbox ORDER BY id")]


def test_a_mail_is_of_the_transaction_that_it_tells_of(app: Flask) -> None:
    """If the finishing POST can't be committed, there is neither the one nor the other."""
    alice = Person(app, "alice@example.com", htmx=True)
    alice.sign_in()
    alice.to_codes()
    form = alice.page.hidden() | {"saved": "1"}
    with sqlite3.connect(f"{app.instance_path}/onward.sqlite") as connection:
        connection.execute(
            "CREATE TRIGGER no_app BEFORE INSERT ON authenticators"
            " BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    assert alice.post("/setup", form).status_code == 500
    assert _outbox(app) == []
    assert letters(app) == []

    with sqlite3.connect(f"{app.instance_path}/onward.sqlite") as connection:
        connection.execute("DROP TRIGGER no_app")
    assert alice.post("/setup", form).status_code == 200
    assert [row["kind"] for row in _outbox(app)] == ["two_factor_on"]
    assert [letter["To"] for letter in letters(app)] == ["alice@example.com"]


def test_a_refused_step_writes_no_mail(person: Person, app: Flask) -> None:
    person.next(address="no address")
    person.next(address="alice+home@example.com")
    assert _outbox(app) == []
    assert letters(app) == []


# The letters


def test_files_sort_by_the_time_at_which_they_left(person: Person, app: Flask) -> None:
    with time_machine.travel(NOON, tick=False) as now:
        alice = before_the_address(app)
        alice.next(address="one@home.example")
        for name in ("two", "three"):
            now.shift(timedelta(seconds=1))
            alice.next(act="address")
            alice.next(address=f"{name}@home.example")
    assert [letter["To"] for letter in letters(app)] == [
        "one@home.example",
        "two@home.example",
        "three@home.example",
    ]
    names = [file.name for file in (Path(app.instance_path) / "outbox").iterdir()]
    assert all(re.fullmatch(r"20310506T12000\d-000000-\d{6}\.eml", name) for name in names)


def test_a_code_stands_once_in_each_part_and_not_in_the_subject(person: Person, app: Flask) -> None:
    """S-082."""
    person.next(address=HOME)
    [letter], code = letters(app), mailed_code(app)

    assert letter.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
    assert text_of(letter).count(code) == 2
    assert text_of(letter).endswith(f"\n@127.0.0.1 #{code}\n")  # for phones that fill it in
    assert text_of(letter, "html").count(code) == 1
    assert all(code not in str(value) for value in letter.values())
    assert letter["To"] == HOME
    assert re.fullmatch(r"Your code for Onward \(\d+ \w+, \d\d:\d\d UTC\)", letter["Subject"])


def test_a_mail_tells_when_and_from_where_and_leads_nowhere(person: Person, app: Flask) -> None:
    """S-079, S-082, S-138: codes, not links; nothing is loaded."""
    person.client.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0"
    person.next(address=HOME)
    [letter] = letters(app)
    for kind in ("plain", "html"):
        text = text_of(letter, kind)
        assert re.search(r"\d+ \w+ \d{4}, \d\d:\d\d UTC, with Firefox on Windows", text)
        assert "Not you?" in text
        assert not re.search(r"https?:|src=|href=|url\(", text)
    assert "Dear" not in text_of(letter)


def test_a_mail_is_known_to_be_automatic(person: Person, app: Flask) -> None:
    """No holiday notice comes back."""
    person.next(address=HOME)
    [letter] = letters(app)
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["X-Auto-Response-Suppress"] == "All"
    assert letter["From"] == "Onward <onward@localhost>"
    assert letter["Message-ID"].endswith("@127.0.0.1>")
    assert letter["Date"].datetime.utcoffset() == timedelta(0)


def test_the_end_of_a_set_up_is_mailed_to_the_primary_address(app: Flask) -> None:
    """S-175."""
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.set_up_by_email("bob@home.example")
    letter = letters(app)[-1]
    assert letter["To"] == "bob@example.com"
    assert letter["Subject"].startswith("Two-factor authentication is on for Onward (")
    for kind in ("plain", "html"):
        assert "bob@home.example" not in text_of(letter, kind)
        assert bob.key not in text_of(letter, kind)


def test_a_name_is_text_and_no_markup(app: Flask) -> None:
    """Whatever an operator calls a record or issuer, the HTML part shows it as it is."""
    app.config["ISSUER"] = "A & B <b>Co</b>"
    person = before_the_address(app)
    person.next(address=HOME)
    [letter] = letters(app)
    assert letter["Subject"].startswith("Your code for A & B <b>Co</b> (")
    assert "<b>Co</b>" not in text_of(letter, "html")
    assert "A & B <b>Co</b>" in text_of(letter)


# By SMTP


def test_a_real_mail_server_receives_it(tmp_path: Path) -> None:
    box, port = Postbox(), free_port()
    sender = "Onward <no-reply@example.org>"
    config = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": port, "MAIL_DEFAULT_SENDER": sender}
    with installed(tmp_path, **config) as app, mail_server(box, port):
        alice = before_the_address(app)
        alice.next(address=HOME)
        code = re.findall(r"^(\d{6})$", text_of(box.mails[0][2]), re.M)[0]
        alice.next(code=code)
        assert alice.page.heading == "Two-factor authentication is on"

    assert [(sent_by, to) for sent_by, to, _ in box.mails] == [
        ("no-reply@example.org", [HOME]),
        ("no-reply@example.org", ["alice@example.com"]),
    ]
    assert not (tmp_path / "instance" / "outbox").exists()


@pytest.mark.parametrize("answer", ["451 try again later", "554 no", None])
def test_a_mail_that_is_refused_is_told_and_sent_again_at_once(
    tmp_path: Path, answer: str | None
) -> None:
    """S-077: a mail that could not be sent starts no wait. None: nobody listens."""
    box, port = Postbox(), free_port()
    with installed(tmp_path, MAIL_SERVER="127.0.0.1", MAIL_PORT=port) as app:
        alice = before_the_address(app)
        if answer is None:
            alice.next(address=HOME)
        else:
            box.answer = answer
            with mail_server(box, port):
                alice.next(address=HOME)
        assert alice.page.heading == "Check your email"
        assert alice.page.error.startswith("We could not send the email.")
        assert box.mails == []

        box.answer = "250 OK"
        with mail_server(box, port):
            alice.next(act="resend")
            assert alice.page.error == ""
            code = re.findall(r"^(\d{6})$", text_of(box.mails[0][2]), re.M)[0]
            assert alice.next(code=code).heading == "Two-factor authentication is on"


def test_at_sign_in_a_mail_that_is_refused_is_told_and_sent_again_at_once(tmp_path: Path) -> None:
    """S-077: and failures don't use up the three of a sign-in."""
    box, port = Postbox(), free_port()
    with installed(tmp_path, MAIL_SERVER="127.0.0.1", MAIL_PORT=port) as app:
        bob = Person(app, "bob@example.com")
        with mail_server(box, port):
            bob.sign_in()
            bob.to_backup()
            bob.next(way="email")
            bob.next(address="bob@home.example")
            bob.next(code=re.findall(r"^(\d{6})$", text_of(box.mails[0][2]), re.M)[0])
        bob.sign_out()
        bob.sign_in()
        for _ in range(4):
            page = bob.press("/signin/backup-email")
            assert (page.status, page.heading) == (503, "Check your email")
            assert page.error.startswith("We could not send the email.")
        with mail_server(box, port):
            assert bob.press("/signin/backup-email").status == 200
        code = re.findall(r"^(\d{6})$", text_of(box.mails[-1][2]), re.M)[0]
        page = bob.press("/signin/backup-email/code", code=code)
        assert page.heading == "Two-factor authentication"


def test_a_set_up_counts_although_its_mail_could_not_leave(tmp_path: Path) -> None:
    """The mail waits in the outbox; nobody loses their set-up for it."""
    with installed(tmp_path, MAIL_SERVER="127.0.0.1", MAIL_PORT=free_port()) as app:
        alice = Person(app, "alice@example.com")
        alice.sign_in()
        alice.set_up()
        assert alice.visit("/security").heading == "Two-factor authentication"
        [row] = _outbox(app)
    assert row["kind"] == "two_factor_on"
    assert (row["sent_at"], row["claimed_at"], row["error"]) == (
        None,
        None,
        "ConnectionRefusedError",
    )
    assert row["next_try_at"] is not None
    assert row["sealed_message"]


# What never gets into a mail


GOOD = {setting.name: setting.default for setting in settings.SETTINGS} | {
    "BASE_URL": "http://127.0.0.1:5000",
    "ISSUER": "Onward",
    "MAIL_DEFAULT_SENDER": "Onward <onward@localhost>",
}


@pytest.mark.parametrize("trick", ["\r\nBcc: eve@evil.test", "\nX: y", "\r", "\x00", "\u2028x"])
def test_no_setting_with_a_line_break_is_taken(trick: str) -> None:
    """S-080: refused when Onward starts, not when the first mail is due."""
    settings.check(GOOD)
    for name in ("ISSUER", "MAIL_DEFAULT_SENDER"):
        with pytest.raises(settings.SettingError):
            settings.check(GOOD | {name: f"{GOOD[name]}{trick}"})


def test_no_name_with_a_line_break_is_taken(app: Flask, rows: Rows) -> None:
    """S-080."""
    for trick in ("Eve\r\nBcc: eve@evil.test", "Eve\nX", "Eve\r"):
        arguments = ["account", "add", "eve@example.com", "--name", trick]
        added = app.test_cli_runner().invoke(args=arguments, input=PASSWORD + "\n")
        assert added.exit_code == 1
    assert rows("SELECT count(*) FROM accounts") == [(3,)]


@pytest.mark.parametrize(
    "typed",
    [
        "alice@home.example\r\nBcc: eve@evil.test",
        "alice@home.example\nX: y",
        "alice@home.example, eve@evil.test",
        "<alice@home.example>",
        "Alice <alice@home.example>",
    ],
)
def test_no_address_brings_a_header_or_a_second_one(person: Person, app: Flask, typed: str) -> None:
    """S-080."""
    assert person.next(address=typed).heading == "Add a backup email"
    assert person.page.error == "Enter an email address, like name@example.com."
    assert letters(app) == []


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host"])
def test_no_header_of_a_request_gets_into_a_mail(app: Flask, header: str) -> None:
    """S-081: an untrusted Host is refused and causes no mail; a forwarded one is not read."""
    bob = Person(app, "bob@example.com")
    with time_machine.travel(datetime.now(UTC) - timedelta(minutes=5), tick=False):
        bob.sign_in()
        bob.set_up_by_email("bob@home.example")
        bob.sign_out()
    bob.sign_in()
    before = len(letters(app))
    answer = bob.client.post(
        "/signin/backup-email", data=bob.page.hidden(), headers={header: "evil.test"}
    )
    assert answer.status_code == (400 if header == "Host" else 303)
    sent = letters(app)[before:]
    assert len(sent) == (0 if header == "Host" else 1)
    assert all("evil.test" not in letter.as_string() for letter in sent)
    assert "evil.test" not in answer.text
    assert bob.press("/signin/code", code=app_code(bob.key)).status == 200


# Addresses


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("ab@ex.com", "ab@ex.com"),
        (" AB+x@Ex.com. ", "ab+x@ex.com"),
        ("\uff41b@ex.com", "ab@ex.com"),
        ("ab@ex\uff0ecom", "ab@ex.com"),
        ("\u212aate@ex.com", "kate@ex.com"),
        ("a@b\u00fccher.example", "a@xn--bcher-kva.example"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("a@B\u00dcCHER.example", "a@xn--bcher-kva.example"),
        ("a@\u0435x.com", "a@xn--x-itb.com"),
        ("a@e\u0301x.com", "a@xn--x-9fa.com"),
    ],
)
def test_an_address_has_one_form(typed: str, form: str) -> None:
    """S-073: look-alike domains read as what they are, however they are typed."""
    assert addresses.canonical(typed) == form
    assert addresses.canonical(form) == form


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ab",
        "ab@",
        "@ex.com",
        "a b@ex.com",
        "ab@ex",
        "ab@ex..com",
        "a\u0131b@ex.com",
        "\u0430b@ex.com",
        "e\u0301@ex.com",
        "ab@[127.0.0.1]",
        '"a b"@ex.com',
        "ab@ex.com\u0000",
        "ab@ex.com\r\nBcc: x@y.com",
        "a" * 65 + "@ex.com",
        "a@" + "x." * 130 + "com",
    ],
)
def test_what_is_no_address_of_ours_is_refused(typed: str) -> None:
    """S-073: dotless i, Cyrillic a and combining marks before the @ have no ASCII form."""
    with pytest.raises(addresses.AddressRefused):
        addresses.canonical(typed)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ab@ex.com", "ab+x@ex.com", True),
        ("ab+x@ex.com", "ab+y@ex.com", True),
        ("ab@ex.com", "abc@ex.com", False),
        ("ab@ex.com", "ab@ex.org", False),
        ("ab@ex.com", "ab@x.ex.com", False),
    ],
)
def test_a_tag_makes_no_other_mailbox(one: str, other: str, same: bool) -> None:
    """S-072."""
    assert addresses.same_mailbox(one, other) is same
    assert addresses.same_mailbox(other, one) is same


@pytest.mark.parametrize(
    "typed", ["alice@example.com", "Alice+Home@Example.COM.", "\uff41lice@example.com"]
)
def test_ones_own_address_is_no_backup_address(person: Person, app: Flask, typed: str) -> None:
    """S-072."""
    assert person.next(address=typed).heading == "Add a backup email"
    assert person.page.error == "Use another address than the one you sign in with."
    assert letters(app) == []


def test_mail_goes_to_the_stored_address_never_to_the_typed_one(
    person: Person, app: Flask, rows: Rows
) -> None:
    """S-073."""
    person.next(address=" ALICE@B\u00dcCHER.example. ")
    assert letters(app)[-1]["To"] == "alice@xn--bcher-kva.example"
    assert "alice@xn--bcher-kva.example" in person.page.words
    person.next(code=mailed_code(app))
    assert rows("SELECT address FROM backup_emails") == [("alice@xn--bcher-kva.example",)]


@pytest.mark.parametrize(
    ("address", "shown"),
    [("bob@home.example", "b•••@home.example"), ("b@x.example", "b•••@x.example")],
)
def test_a_masked_address_shows_a_letter_and_the_domain(address: str, shown: str) -> None:
    assert addresses.masked(address) == shown


def test_a_mail_whose_seal_does_not_open_is_noted_and_not_sent(
    app: Flask, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    """S-160: a row moved to another address opens nothing, and does not stay claimed."""
    alice = Person(app, "alice@example.com", htmx=True)
    alice.sign_in()
    alice.to_backup()
    alice.next(way="email")
    with app.app_context():
        db.session.execute(
            text(
                "CREATE TRIGGER moved AFTER INSERT ON outbox BEGIN"
                " UPDATE outbox SET recipient = 'eve@evil.example'; END"
            )
        )
        db.session.commit()

    page = alice.next(address="alice@home.example")

    assert "could not send the email" in page.error
    assert rows("SELECT error, claimed_at, sent_at FROM outbox") == [("SealBroken", None, None)]
    assert "SealBroken" in caplog.text
    assert not (Path(app.instance_path) / "outbox").exists()
