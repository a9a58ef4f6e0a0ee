"""Mails leave on a thread of their own: a mail server that is slow or silent stops nobody."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from db import db
from mail.carrier import EXTENSION
from mail.postman import STUCK
from tests.conftest import NOON, install
from tests.live import Browser, free_port, serve
from tests.person import Person, text_of
from tests.test_mail_delivery import (
    HOME,
    NOT_NOW,
    ON,
    Box,
    ask_for_a_code,
    deliver,
    listed,
    put_notice,
    rows,
    server,
    set_up,
)

NOT_YET = "The email has not left yet."


class Gate:
    """A mail server that takes the line and says nothing until it is opened; then it speaks."""

    def __init__(self, port: int, box: Box) -> None:
        self.opened, self.lines = threading.Event(), 0
        self._talks: list[threading.Thread] = []
        self._real, self._port, self._box = free_port(), port, box

    @contextmanager
    def stand(self) -> Iterator["Gate"]:
        with (
            server(self._box, self._real),
            socket.create_server(("127.0.0.1", self._port)) as listening,
        ):
            threading.Thread(target=self._serve, args=(listening,), daemon=True).start()
            try:
                yield self
            finally:
                self.opened.set()
                for talk in self._talks:
                    talk.join(20)
                listening.shutdown(socket.SHUT_RDWR)  # else its thread would hold the port

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            self.lines += 1
            self._talks.append(threading.Thread(target=self._pass_on, args=(line,), daemon=True))
            self._talks[-1].start()

    def _pass_on(self, line: socket.socket) -> None:
        self.opened.wait(60)
        with line, socket.create_connection(("127.0.0.1", self._real)) as real, suppress(OSError):
            back = threading.Thread(target=_copy, args=(real, line), daemon=True)
            back.start()
            _copy(line, real)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(4096):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def make(tmp_path: Path, port: int) -> Iterator[Callable[..., Flask]]:
    """Make the application that sends to `port`; its clock stands at noon."""
    made: list[Flask] = []

    def install_it(**config: int) -> Flask:
        usual = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": port, "MAIL_TIMEOUT": 30}
        made.append(install(tmp_path / "instance", **(usual | config)))
        return made[0]

    with time_machine.travel(NOON, tick=False):
        yield install_it
    for app in made:
        app.extensions[EXTENSION].settle()
        with app.app_context():
            db.engine.dispose()


def stranger(app: Flask) -> FlaskClient:
    """Return a browser that does not wait for mails as the other tests' does."""
    return FlaskClient(app, app.response_class, use_cookies=True)


def forget_password(app: Flask, email: str) -> int:
    browser = stranger(app)
    page = browser.get("/signin/forgot").text
    found = re.search(r'name="csrf_token" value="([^"]*)"', page)
    assert found
    form = {"csrf_token": found.group(1), "email": email}
    return browser.post("/signin/forgot", data=form, buffered=True).status_code


def test_no_request_talks_to_a_silent_server(make: Callable[..., Flask], port: int) -> None:
    """Everybody is answered while the first mail still waits for the server's greeting."""
    app, box = make(), Box()
    with Gate(port, box).stand() as gate:
        people = ["alice", "bob", "carol"] * 5
        answers = {forget_password(app, f"{name}@example.com") for name in people}
        assert answers == {200}
        assert stranger(app).get("/signin").status_code == 200
        assert (gate.lines, box.mails) == (1, [])
        gate.opened.set()
        app.extensions[EXTENSION].settle()
    assert {mail["To"] for mail in box.mails} == {f"{n}@example.com" for n in people}


def test_after_a_time_out_nobody_tries_for_a_minute(make: Callable[..., Flask], port: int) -> None:
    app, box = make(MAIL_TIMEOUT=1), Box()
    for _ in range(3):
        put_notice(app)
    with Gate(port, box).stand() as gate:
        told = deliver(app)
        assert gate.lines == 1
    assert "0 of 1 due mails sent." in told
    assert "The mail server is silent. Next try after 12:01:00 UTC." in told
    assert [row["tries"] for row in rows(app)] == [1, 0, 0]
    looked = app.test_cli_runner().invoke(args=["doctor"]).output
    assert "FAULT  mails leave: the server is silent; next try 12:01:00 UTC" in looked

    with server(box, port), time_machine.travel(NOON + timedelta(seconds=59), tick=False) as now:
        assert "0 of 0" in deliver(app)
        now.shift(timedelta(seconds=2))
        assert "3 of 3 due mails sent." in deliver(app)
    assert len(box.mails) == 3


def test_a_code_is_told_at_once_during_the_pause(make: Callable[..., Flask], port: int) -> None:
    """No page waits for a server that was silent a moment ago, and no code stays behind."""
    app, box = make(MAIL_TIMEOUT=1), Box()
    put_notice(app)
    with Gate(port, box).stand() as gate:
        deliver(app)
        alice = ask_for_a_code(app)
        assert gate.lines == 1
    assert alice.page.error.startswith(NOT_NOW)
    given_up = rows(app)[-1]
    assert given_up["failed_at"] is not None
    assert (given_up["sealed_message"], given_up["tries"]) == (None, 0)
    with server(box, port), time_machine.travel(NOON + timedelta(minutes=2), tick=False):
        alice.next(act="resend")
        [mail] = [mail for mail in box.mails if mail["To"] == HOME]
        code = re.findall(r"^(\d{6})$", text_of(mail), re.M)[0]
        assert alice.next(code=code).heading == ON


def test_a_page_waits_a_moment_and_then_says_what_is_true(
    make: Callable[..., Flask], port: int
) -> None:
    app, box = make(MAIL_WAIT=1), Box()
    alice = Person(app, "alice@example.com")
    alice.client = stranger(app)
    with Gate(port, box).stand() as gate:
        alice.sign_in()
        alice.to_backup()
        alice.next(way="email")
        alice.next(address=HOME)
        assert alice.page.heading == "Check your email"
        assert alice.page.error.startswith(NOT_YET)
        gate.opened.set()
        app.extensions[EXTENSION].settle()
    code = re.findall(r"^(\d{6})$", text_of(box.mails[0]), re.M)[0]
    assert alice.next(code=code).heading == ON


def test_only_some_pages_wait(make: Callable[..., Flask], port: int) -> None:
    """Whoever finds no place is answered at once, while the first one still waits."""
    app, box = make(MAIL_WAIT=30, MAIL_WAITERS=1), Box()
    people = [Person(app, f"{name}@example.com") for name in ("alice", "bob")]
    for person in people:
        person.client = stranger(app)
        person.sign_in()
        person.to_backup()
        person.next(way="email")
    first, second = people
    with Gate(port, box).stand() as gate:
        waits = threading.Thread(target=first.next, kwargs={"address": HOME})
        waits.start()
        while gate.lines == 0:
            pass
        second.next(address="bob@home.example")
        assert second.page.error.startswith(NOT_YET)
        assert waits.is_alive()
        gate.opened.set()
        waits.join()
    assert (first.page.heading, first.page.error) == ("Check your email", "")


def test_codes_leave_before_everything_else(make: Callable[..., Flask], port: int) -> None:
    app, box = make(), Box()
    alice = Person(app, "alice@example.com")
    alice.client = stranger(app)
    alice.sign_in()
    alice.to_backup()
    alice.next(way="email")
    with Gate(port, box).stand() as gate:
        for name in ("alice", "bob", "carol"):
            forget_password(app, f"{name}@example.com")
        while gate.lines == 0:
            pass
        waits = threading.Thread(target=alice.next, kwargs={"address": HOME})
        waits.start()
        while HOME not in {row["recipient"] for row in rows(app)}:
            pass
        gate.opened.set()
        waits.join()
        app.extensions[EXTENSION].settle()
    assert [mail["To"] for mail in box.mails[:2]] == ["alice@example.com", HOME]
    assert len(box.mails) == 4


class Slow(Box):
    """Takes a mail only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.has_text, self.go_on = threading.Event(), threading.Event()
        self.act = self._hold

    def _hold(self) -> None:
        self.has_text.set()
        self.go_on.wait(20)


def test_a_process_that_ends_notes_the_mail_that_is_leaving(tmp_path: Path, port: int) -> None:
    """Stopped while the mail server has the text and has not answered yet."""
    box, instance = Slow(), tmp_path / "instance"
    app = install(instance)
    with app.app_context():
        db.engine.dispose()
    mail = {"ONWARD_MAIL_SERVER": "127.0.0.1", "ONWARD_MAIL_PORT": str(port)}
    with server(box, port):
        with serve(instance, **mail) as site:
            browser = Browser(site)
            browser.get("/signin/forgot")
            assert browser.press("/signin/forgot", email="bob@example.com").status == 200
            assert box.has_text.wait(20)
            threading.Timer(1, box.go_on.set).start()
        [row] = rows(app)
    assert (row["sent_at"] is None, row["error"], len(box.mails)) == (False, None, 1)


# A server that goes away


class Vanishing(Box):
    """Takes the whole text, then drops the line instead of answering."""

    async def handle_DATA(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await super().handle_DATA(smtp, session, envelope)
        if len(self.ids) == 1:
            assert smtp.transport is not None
            smtp.transport.close()
        return answer


def test_a_code_whose_answer_was_lost_is_not_sent_again(
    make: Callable[..., Flask], port: int
) -> None:
    app, box = make(), Vanishing()
    with server(box, port):
        alice = ask_for_a_code(app)
        assert alice.page.error.startswith(NOT_YET)
        with time_machine.travel(NOON + timedelta(minutes=9), tick=False):
            assert "0 of 0" in deliver(app)
    assert len(box.mails) == 1
    assert rows(app)[0]["sealed_message"] is None
    code = re.findall(r"^(\d{6})$", text_of(box.mails[0]), re.M)[0]
    assert alice.next(code=code).heading == ON


def test_another_mail_whose_answer_was_lost_comes_with_the_same_id(
    make: Callable[..., Flask], port: int
) -> None:
    app, box = make(), Vanishing()
    put_notice(app)
    with server(box, port):
        assert "0 of 1" in deliver(app)
        with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
            assert "1 of 1" in deliver(app)
    assert len(box.ids) == 2
    assert len(set(box.ids)) == 1


# What an operator does with them


def run(app: Flask, *words: str) -> tuple[int, str]:
    done = app.test_cli_runner().invoke(args=["mail", *words])
    return done.exit_code, done.output


def test_a_failed_mail_is_sent_after_all(make: Callable[..., Flask], port: int) -> None:
    app, box = make(), Box("550 5.1.1 nobody here", at="RCPT")
    with server(box, port):
        set_up(app)
        assert run(app, "list", "--state", "due") == (0, "0 mails.\n")
        assert "1 failed" in deliver(app)
        code, told = run(app, "retry", "1")
        assert (code, told.splitlines()[0][:19]) == (0, "1 mails are due aga")
        assert "1 of 1 due mails sent." in deliver(app)
    assert run(app, "list") == (0, "0 mails.\n")
    assert len(box.mails) == 1


def test_a_stuck_mail_is_sent_when_an_operator_says_so(
    make: Callable[..., Flask], port: int
) -> None:
    app, box = make(), Box()
    put_notice(app)
    with app.app_context():
        db.session.execute(text("UPDATE outbox SET claimed_at = :at"), {"at": str(NOON)[:19]})
        db.session.commit()
    with server(box, port), time_machine.travel(NOON + STUCK, tick=False):
        assert "0 of 0" in deliver(app)
        assert "1  stuck  two_factor_on" in listed(app)
        assert run(app, "retry", "--all")[0] == 0
        assert "1 of 1" in deliver(app)


def test_mails_are_forgotten_on_request_only(make: Callable[..., Flask], port: int) -> None:
    app = make()
    ask_for_a_code(app)  # nobody listens
    put_notice(app)
    before = rows(app)
    for words, told in (
        (("forget",), "Name the mails"),
        (("forget", "2"), "Mail 2 is neither stuck nor failed."),
        (("retry", "99"), "Mail 99 is neither stuck nor failed."),
    ):
        code, output = run(app, *words)
        assert (code != 0, told in output) == (True, True), output
    assert run(app, "retry", "1") == (
        1,
        "Mail 1 can't be sent again: its text is gone.\n"
        "0 mails are due again. Send them: flask --app app mail deliver\n",
    )
    assert rows(app) == before
    assert run(app, "forget", "--all") == (0, "1 mails forgotten.\n")
    assert [row["id"] for row in rows(app)] == [2]
