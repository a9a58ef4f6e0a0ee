"""Secrets stay where they belong: in no address, header, log, error page or database row."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
import time_machine
from flask import Flask, request_finished
from flask.wrappers import Response
from sqlalchemy import text

import keys
from accounts.models import Account
from accounts.sign_in import SignIn
from accounts.visitor import Visitor
from db import Model, db
from factors.authenticator import Authenticator
from mail.message import Message
from tests.person import PASSWORD, Person, app_code, letters, mailed_code, text_of
from wizard.wizard import Wizard

Rows = Callable[[str], list[tuple[object, ...]]]

ADDRESS = "alice.private@home.example"
START = datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC)
OWN_PAGES = {400, 403, 404, 405, 410, 413, 500}
"""Statuses whose page says nothing of what was asked."""


class Witness:
    """Sees what a proxy, an access log and a browser's developer tools see."""

    def __init__(self, app: Flask) -> None:
        self.app, self.next = app, app.wsgi_app
        self.addresses: list[str] = []
        self.headers: list[str] = []
        self.cookies: list[str] = []
        self.access_log: list[str] = []
        self.pages: list[tuple[int, str]] = []
        app.wsgi_app = self  # type: ignore[method-assign,assignment]  # Flask's own way
        request_finished.connect(self.note_page, app)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        address = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        self.addresses.append(address)

        def noted(status: str, headers: list[tuple[str, str]], *rest: object) -> object:
            for name, value in headers:
                (self.cookies if name == "Set-Cookie" else self.headers).append(f"{name}: {value}")
            referer = environ.get("HTTP_REFERER", "-")
            line = f'"{environ["REQUEST_METHOD"]} {address}" {status} "{referer}"'
            self.access_log.append(line)
            return start(status, headers, *rest)  # type: ignore[arg-type]  # passed on as it came

        return self.next(environ, noted)  # type: ignore[arg-type]  # a start_response of our own

    def note_page(self, sender: Flask, response: Response) -> None:
        if not response.is_streamed:
            self.pages.append((response.status_code, response.get_data(as_text=True)))


class Story:
    """Everything that people do, with every secret that they meet, by its name."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.long: dict[str, str] = {"password": PASSWORD}
        self.codes: dict[str, str] = {"wrong code": "000000", "wrong backup code": "00000000"}
        self.witness = Witness(app)
        self.log = ""

    def tell(self) -> None:
        with time_machine.travel(START, tick=True) as moment:
            for chapter in (self.with_codes, self.with_email, self.with_faults):
                chapter(moment)
                moment.shift(60)

    def code(self, name: str, key: str) -> str:
        self.codes[name] = app_code(key)
        return self.codes[name]

    def note_tokens(self, name: str, person: Person) -> None:
        """Note the tokens that a browser holds after a step."""
        with person.client.session_transaction() as session:
            self.long[f"{name}: sign-in"] = session["_user_id"]
            assert set(session) <= {"_user_id", "csrf_token", "next"}
        device = person.client.get_cookie("device")
        if device is not None:
            self.long[f"{name}: device"] = device.value

    def with_codes(self, moment: time_machine.Traveller) -> None:
        alice = Person(self.app, "alice@example.com")
        alice.sign_in("a wrong password")
        alice.sign_in()
        self.note_tokens("before set-up", alice)
        alice.to_verify()
        self.long["key"] = alice.key
        alice.next(code="000000")
        alice.next(code=self.code("confirming code", alice.key))
        alice.next(way="codes")
        for number, code in enumerate(alice.page.codes):
            self.codes[f"backup code {number}"] = code.replace(" ", "")
            self.codes[f"backup code {number} as shown"] = code
        backup = alice.page.codes[0]
        alice.next()
        alice.next(saved="1")
        self.note_tokens("after set-up", alice)
        alice.sign_out()
        moment.shift(60)
        alice.sign_in()
        alice.press("/signin/code", code="000000")
        alice.press("/signin/code", code=self.code("signing-in code", alice.key), trust="1")
        self.note_tokens("after the code", alice)
        moment.shift(400)
        self.proof(alice)
        other = Person(self.app, "alice@example.com")
        other.sign_in()
        self.note_tokens("half", other)
        other.visit("/signin/backup-code")
        other.press("/signin/backup-code", code="00000000")
        other.press("/signin/backup-code", code=backup)
        self.note_tokens("after the backup code", other)
        assert other.visit("/security").heading == "Two-factor authentication"

    def proof(self, alice: Person) -> None:
        alice.visit("/setup/codes")
        alice.next()
        assert alice.page.heading == "Confirm it is you"
        alice.press("/signin/confirm", code="000000")
        alice.press("/signin/confirm", code=self.code("proving code", alice.key))
        self.note_tokens("after the proof", alice)
        alice.visit("/setup/email")
        alice.next()
        alice.next(address="not an address")
        alice.next(address=ADDRESS)
        self.codes["mailed code"] = mailed_code(self.app)
        alice.next(code="000000")
        alice.next(code=self.codes["mailed code"])
        assert alice.page.heading == "Your backup email is confirmed"

    def with_email(self, moment: time_machine.Traveller) -> None:
        alice = Person(self.app, "alice@example.com")
        alice.sign_in()
        alice.visit("/signin/another-way")
        alice.visit("/signin/backup-email")
        alice.press("/signin/backup-email")
        self.codes["mailed code for signing in"] = mailed_code(self.app)
        alice.press("/signin/backup-email/code", code="000000")
        alice.press("/signin/backup-email/code", code=mailed_code(self.app))
        self.note_tokens("after the mailed code", alice)
        alice.visit("/security")
        assert "a•••@home.example" in alice.page.text

    def with_faults(self, moment: time_machine.Traveller) -> None:
        """Every error page, in the middle of things, the last of them a real fault."""
        bob = Person(self.app, "bob@example.com")
        bob.sign_in()
        bob.to_verify()
        self.long["pending key"] = bob.key
        fields = bob.page.hidden() | {"code": self.code("pending code", bob.key)}
        for method, path in (("GET", "/nowhere"), ("PUT", "/security"), ("GET", "/static/x")):
            bob.client.open(path, method=method)
        bob.client.post("/setup", data={"code": fields["code"]})
        bob.client.post("/setup", data=fields, headers={"Sec-Fetch-Site": "cross-site"})
        bob.client.post("/setup/backup-codes", data=fields)
        bob.client.post("/setup", data=fields | {"address": "x" * 70_000})
        bob.next(code=fields["code"])
        bob.next(way="email")
        with self.app.app_context():
            db.session.execute(text("ALTER TABLE outbox RENAME TO lost"))
            db.session.commit()
        bob.next(address=ADDRESS.replace("alice", "bob"))
        assert bob.page.status == 500
        with self.app.app_context():
            db.session.execute(text("ALTER TABLE lost RENAME TO outbox"))
            db.session.commit()

    @property
    def addresses(self) -> dict[str, str]:
        return {"backup address": ADDRESS, "bob's": ADDRESS.replace("alice", "bob")}

    def found_in(self, *texts: str, addresses: bool = True) -> list[str]:
        """Return the names of the secrets that occur in one of the texts.

        A short code counts where it stands alone: the digits of a hash or of
        a fraction of a second are none.
        """
        long = self.long | (self.addresses if addresses else {})
        shown = {n: rf"(?<![\w.]){re.escape(c)}(?!\w)" for n, c in self.codes.items()}
        pattern = {name: re.escape(value) for name, value in long.items()} | shown
        whole = "\n".join(texts)
        return [name for name, sought in pattern.items() if re.search(sought, whole)]


@pytest.fixture
def story(app: Flask, caplog: pytest.LogCaptureFixture) -> Iterator[Story]:
    caplog.set_level(logging.DEBUG, logger=app.logger.name)
    story = Story(app)
    story.tell()
    story.log = caplog.text
    yield story
    request_finished.disconnect(story.witness.note_page, app)


def test_no_secret_stands_in_an_address_a_header_a_log_or_an_error_page(
    story: Story,
) -> None:
    """S-137, S-114: all flows with known secrets."""
    seen = story.witness

    assert len(story.long) >= 10
    assert len(story.codes) >= 25
    assert len(seen.addresses) > 60
    assert story.found_in(*seen.addresses) == []
    assert story.found_in(*seen.headers) == []
    assert story.found_in(*seen.access_log) == []
    assert "unforeseen OperationalError" in story.log
    assert story.found_in(story.log) == []
    errors = [page for status, page in seen.pages if status in OWN_PAGES]
    assert {status for status, _ in seen.pages} >= OWN_PAGES - {413} | {422}
    assert len(errors) >= 6
    assert story.found_in(*errors) == []


def test_no_cookie_holds_more_than_its_own_token(story: Story) -> None:
    """S-114: a device cookie is its token; the session's cookie holds nothing of the rest."""
    texts = [re.sub(r"(?<=device=)[\w-]{43}", "", c) for c in story.witness.cookies]
    assert len(texts) > 20
    assert story.found_in(*texts) == []


def test_no_page_puts_a_secret_into_a_form_or_repeats_what_was_typed(story: Story) -> None:
    """S-114: hidden fields hold tickets, and no answer gives a code or password back."""
    pages = story.witness.pages
    inputs = [tag for _, page in pages for tag in re.findall(r"<input[^>]*>", page)]
    refused = [page for status, page in pages if status in {422, 429}]

    assert len(inputs) > 50
    assert story.found_in(*inputs, addresses=False) == []
    assert len(refused) > 3
    assert story.found_in(*refused, addresses=False) == []


def test_the_full_backup_address_is_never_shown_at_sign_in(story: Story) -> None:
    pages = [page for _, page in story.witness.pages if 'action="/signin/' in page]
    assert any("a•••@home.example" in page for page in pages)
    assert not any(ADDRESS in page for page in pages)


def cells(app: Flask) -> list[str]:
    """Every value of the database, as it is."""
    with app.app_context():
        rows = [
            row
            for table in Model.metadata.sorted_tables
            for row in db.session.execute(text(f"SELECT * FROM {table}"))
        ]
    return [v.decode("latin-1") if isinstance(v, bytes) else str(v) for row in rows for v in row]


def test_the_database_holds_nothing_that_opens_an_account(story: Story) -> None:
    """S-061, S-110, S-116, S-160: neither in its rows nor in what it has deleted."""
    dump = cells(story.app)
    files = Path(story.app.instance_path).glob("onward.sqlite*")
    raw = "".join(file.read_bytes().decode("latin-1") for file in files)

    assert len(dump) > 500
    assert story.found_in(*dump, addresses=False) == []
    assert "@example.com" in raw
    assert [name for name, value in story.long.items() if value in raw] == []


def test_mails_hold_no_secret_but_the_code_they_bring(story: Story) -> None:
    for letter in letters(story.app):
        found = story.found_in(text_of(letter), text_of(letter, "html"), addresses=False)
        assert [name for name in found if not name.startswith("mailed code")] == []
        assert story.found_in(str(letter["Subject"])) == []


def sealed(rows: Rows, table: str, column: str = "sealed_secret") -> list[str]:
    return [str(value) for (value,) in rows(f"SELECT {column} FROM {table} ORDER BY account_id")]


def change(app: Flask, statement: str, **values: object) -> None:
    """Change the database as somebody would who can write to it."""
    with app.app_context():
        db.session.execute(text(statement), values)
        db.session.commit()


def test_a_secret_copied_to_another_account_opens_nothing(
    app: Flask, carol: Person, bob: Person, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    """S-160: Bob puts his own sealed secret into Carol's row and knows her password."""
    bob.set_up()
    his, hers = sealed(rows, "authenticators")
    assert his != hers
    change(app, "UPDATE authenticators SET sealed_secret = :his WHERE account_id = 3", his=his)
    intruder = Person(app, "carol@example.com")
    intruder.sign_in()

    intruder.press("/signin/code", code=app_code(bob.key, steps=1))

    assert intruder.page.status == 422
    assert "does not match" in intruder.page.error
    assert intruder.visit("/security").heading == "Enter your code"
    assert "authenticators.sealed_secret does not open" in caplog.text
    assert rows("SELECT failures FROM throttles WHERE account_id = 3") == [(1,)]
    assert bob.key not in caplog.text


@pytest.mark.parametrize("place", [0, 2, 10, 30, -3])
def test_a_sealed_secret_with_a_changed_bit_opens_nothing(
    app: Flask, carol: Person, rows: Rows, caplog: pytest.LogCaptureFixture, place: int
) -> None:
    """S-160: key number, nonce, text or tag."""
    (whole,) = sealed(rows, "authenticators")
    signs = list(whole)
    signs[place] = {"1": "2", "A": "B"}.get(signs[place], "A")
    change(app, "UPDATE authenticators SET sealed_secret = :altered", altered="".join(signs))
    carol.sign_in()

    carol.press("/signin/code", code=app_code(carol.key))

    assert carol.page.status == 422
    assert "does not open" in caplog.text
    assert carol.visit("/security").heading == "Enter your code"


def test_a_right_secret_still_lets_in_after_a_try_that_did_not_open(
    app: Flask, carol: Person, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    (whole,) = sealed(rows, "authenticators")
    change(app, "UPDATE authenticators SET sealed_secret = NULL")
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    assert carol.page.status == 422
    change(app, "UPDATE authenticators SET sealed_secret = :whole", whole=whole)

    carol.press("/signin/code", code=app_code(carol.key))

    assert carol.page.heading == "Two-factor authentication"


def test_a_pending_secret_copied_to_another_set_up_binds_nothing(
    app: Flask, bob: Person, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    """S-160."""
    alice = Person(app, "alice@example.com")
    alice.sign_in()
    alice.to_verify()
    bob.to_verify()
    _, his = sealed(rows, "wizards")
    change(app, "UPDATE wizards SET sealed_secret = :his WHERE account_id = 1", his=his)

    alice.next(code=app_code(bob.key))

    assert (alice.page.status, alice.page.heading) == (409, "Set-up has started again")
    assert "could not read the set-up" in alice.page.text
    assert "wizards.sealed_secret does not open" in caplog.text
    assert rows("SELECT count(*) FROM authenticators") == [(0,)]
    state = "SELECT void_reason, sealed_secret FROM wizards WHERE account_id = 1"
    assert rows(state) == [("unreadable", None)]
    assert rows("SELECT voided_at FROM wizards WHERE account_id = 2") == [(None,)]


def test_a_running_set_up_moved_to_another_account_binds_nothing(
    app: Flask, bob: Person, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    """S-160: not even with the browser's own ticket."""
    bob.to_codes()
    change(app, "UPDATE wizards SET account_id = 1")
    change(app, "UPDATE sign_ins SET account_id = 1")

    bob.next(saved="1")

    assert (bob.page.status, bob.page.heading) == (409, "Set-up has started again")
    assert "wizards.sealed_secret does not open" in caplog.text
    assert rows("SELECT count(*) FROM authenticators") == [(0,)]
    assert rows("SELECT count(*) FROM backup_codes") == [(0,)]


def test_a_backup_code_row_moved_to_another_account_opens_nothing(
    app: Flask, carol: Person, bob: Person, rows: Rows
) -> None:
    """S-160: the digest names its owner as well."""
    bob.set_up()
    change(app, "UPDATE backup_codes SET account_id = 2 WHERE account_id = 3")
    bob.sign_out()
    bob.sign_in()
    bob.visit("/signin/backup-code")

    bob.press("/signin/backup-code", code=carol.codes[0])

    assert bob.page.status == 422
    assert rows("SELECT count(*) FROM backup_codes WHERE used_at IS NOT NULL") == [(0,)]


def test_nothing_secret_shows_when_an_object_is_printed(app: Flask, carol: Person) -> None:
    """S-163."""
    carol.sign_in()
    with carol.client.session_transaction() as session:
        token = str(session["_user_id"])
    folder = Path(app.instance_path) / "keys"
    ring = keys.load(folder)
    with app.app_context():
        authenticator = db.session.query(Authenticator).one()
        sign_in = db.session.query(SignIn).order_by(SignIn.id.desc()).first()
        wizard = db.session.query(Wizard).one()
        assert sign_in is not None
        account = db.session.get_one(Account, 3)
        found = Visitor(sign_in, account, authenticator, None, (), token)
        message = Message("verification_code", "Your code", "It is 123456.", "<p>123456</p>")
        printed = " ".join(
            map(repr, (ring, account, authenticator, sign_in, wizard, found, message))
        )

        assert str(authenticator.sealed_secret) not in printed
    assert carol.key not in printed
    assert token not in printed
    assert "123456" not in printed
    for file in folder.iterdir():
        key = file.read_text("ascii").strip()
        assert len(key) == 64
        assert key not in printed
        assert repr(bytes.fromhex(key))[2:-1] not in printed
