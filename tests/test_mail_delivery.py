"""Mail that can't leave now: who gets what, when, and what the person sees. Real servers."""

import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
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

from accounts import code_mail
from accounts.models import Account
from db import db
from mail import messages, outbox, postman, samples
from mail.message import MESSAGES
from mail.postman import Delivery
from tests.conftest import NOON, install
from tests.live import ROOT, free_port
from tests.mta import opensmtpd
from tests.person import Person, text_of

ON = "Two-factor authentication is on"
NOT_NOW = "We could not send the email."
HOME = "alice@home.example"


class Box:
    """A mail server's memory, and what it answers in turn; then always "250 OK"."""

    def __init__(self, *answers: str, at: str = "DATA") -> None:
        self.mails: list[EmailMessage] = []
        self.ids: list[str] = []
        self.answers, self.at, self.asked = list(answers), at, 0
        self.act: Callable[[], None] = lambda: None

    def _next(self) -> str:
        return self.answers.pop(0) if self.answers else "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.asked += 1
        answer = self._next() if self.at == "RCPT" else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self._next() if self.at == "DATA" else "250 OK"
        assert isinstance(envelope.content, bytes)
        letter = message_from_bytes(envelope.content, policy=default)
        self.ids.append(str(letter["Message-ID"]))
        if answer.startswith("250"):
            self.mails.append(letter)
            self.act()
        return answer


@contextmanager
def server(box: Box, port: int, **options: Any) -> Iterator[None]:
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def site(tmp_path: Path, port: int) -> Iterator[Flask]:
    """An application that sends to `port`; its clock stands at noon."""
    with time_machine.travel(NOON, tick=False):
        config = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": port, "MAIL_TIMEOUT": 2}
        app = install(tmp_path / "instance", **config)
        yield app
    with app.app_context():
        db.engine.dispose()


def set_up(app: Flask) -> Person:
    """Finish a set-up, whose notice leaves after the answer."""
    alice = Person(app, "alice@example.com")
    alice.sign_in()
    alice.set_up()
    return alice


def ask_for_a_code(app: Flask) -> Person:
    """Ask for a code by mail, which leaves while the person waits."""
    alice = Person(app, "alice@example.com")
    alice.sign_in()
    alice.to_backup()
    alice.next(way="email")
    alice.next(address=HOME)
    return alice


def rows(app: Flask) -> list[dict[str, Any]]:
    with sqlite3.connect(f"{app.instance_path}/onward.sqlite") as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM outbox ORDER BY id")]


def deliver(app: Flask) -> str:
    return app.test_cli_runner().invoke(args=["mail", "deliver"]).output


def listed(app: Flask) -> str:
    return app.test_cli_runner().invoke(args=["mail", "list"]).output


# Faults that pass


@pytest.mark.parametrize(
    ("at", "answer", "told"),
    [
        ("DATA", "421 4.3.2 going down", "mail refused, 421"),
        ("DATA", "451 4.7.1 greylisted", "mail refused, 451"),
        ("RCPT", "451 4.7.1 greylisted", "recipient refused, 451"),
    ],
)
def test_a_notice_is_tried_again_a_minute_later(
    site: Flask, port: int, at: str, answer: str, told: str
) -> None:
    box = Box(answer, at=at)
    with server(box, port):
        alice = set_up(site)
        assert alice.page.heading == ON
        [row] = rows(site)
        assert (row["error"], row["tries"], row["sent_at"], row["failed_at"]) == (
            told,
            1,
            None,
            None,
        )
        assert "0 of 0" in deliver(site)  # its time has not come
        with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
            assert "1 of 1 due mails sent." in deliver(site)
            assert "0 of 0" in deliver(site)

    [mail] = box.mails
    assert mail["To"] == "alice@example.com"
    [row] = rows(site)
    assert (row["sealed_message"], row["error"], row["tries"]) == (None, None, 2)


def test_later_requests_send_what_is_due(site: Flask, port: int) -> None:
    """Nobody has to run a command for it; any page will do."""
    alice = set_up(site)
    box = Box()
    with server(box, port), time_machine.travel(NOON + timedelta(minutes=2), tick=False):
        alice.client.get("/help", buffered=True)
    assert len(box.mails) == 1


def test_the_waits_grow_and_then_it_has_failed(site: Flask, port: int) -> None:
    set_up(site)
    now, waits = NOON, []
    while (row := rows(site)[0])["failed_at"] is None:
        due = row["next_try_at"]
        with time_machine.travel(now, tick=False) as clock:
            for minutes in (1, 5, 15, 60, 240, 720):
                clock.move_to(now + timedelta(minutes=minutes))
                if "of 1 due" in deliver(site):
                    waits.append(minutes)
                    now += timedelta(minutes=minutes)
                    break
            else:
                raise AssertionError(due)

    assert waits == [1, 5, 15, 60, 240, 720]
    assert "failed  two_factor_on  alice@example.com" in listed(site)
    assert "ConnectionRefusedError" in listed(site)


# Faults that stay


def test_an_address_that_is_refused_for_ever_is_marked(site: Flask, port: int) -> None:
    box = Box("550 5.1.1 nobody here", at="RCPT")
    with server(box, port):
        alice = set_up(site)
        assert alice.page.heading == ON
        with time_machine.travel(NOON + timedelta(days=2), tick=False):
            assert "0 of 0" in deliver(site)
    assert box.asked == 1
    assert "recipient refused, 550" in listed(site)


@pytest.mark.parametrize("answer", ["421 4.3.2 going down", "451 4.7.1 later", "550 5.1.1 no"])
def test_a_code_that_could_not_leave_is_told_and_sent_anew(
    site: Flask, port: int, answer: str
) -> None:
    """The page offers both: send it again, or another way; and the set-up goes on."""
    box = Box(answer)
    with server(box, port):
        alice = ask_for_a_code(site)
        assert alice.page.heading == "Check your email"
        assert alice.page.error.startswith(NOT_NOW)
        assert "Use another address" in alice.page.words
        assert rows(site)[0]["sealed_message"] is None  # no code stays behind
        alice.next(act="resend")
    code = re.findall(r"^(\d{6})$", text_of(box.mails[0]), re.M)[0]
    assert alice.next(code=code).heading == ON


def test_a_code_is_not_sent_after_its_ten_minutes(site: Flask, port: int) -> None:
    """The server died before it could send: what is late is worth nothing."""
    with site.test_request_context():
        alice = db.session.get_one(Account, 1)
        code_mail.put(alice, HOME, "123456", NOON, "n", purpose="confirm", series="s", at=NOON)
        db.session.commit()
    box = Box()
    with server(box, port), time_machine.travel(NOON + timedelta(minutes=9), tick=False) as now:
        assert "0 of 0" in deliver(site)  # its own request may be about to send it
        now.shift(timedelta(minutes=1))
        assert "0 of 1" in deliver(site)
        assert "too late" in listed(site)
    assert box.mails == []
    assert rows(site)[0]["sealed_message"] is None


# Servers that say nothing, or too slowly


@contextmanager
def listener(talk: Callable[[socket.socket], None], port: int) -> Iterator[None]:
    """A server of one thread that talks as it likes."""
    with socket.create_server(("127.0.0.1", port)) as listening:

        def serve() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(line,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield


def silent(line: socket.socket) -> None:
    with line:
        line.recv(1)


def dripping(line: socket.socket) -> None:
    """One byte in time, for ever: no single wait is long."""
    with line:
        for byte in b"220-" + b"x" * 10_000:
            try:
                line.send(bytes([byte]))
            except OSError:
                return
            time.sleep(0.2)


@pytest.mark.parametrize("talk", [silent, dripping])
def test_a_request_waits_no_longer_than_the_limit(
    site: Flask, port: int, talk: Callable[[socket.socket], None]
) -> None:
    with listener(talk, port):
        begun = time.monotonic()
        alice = ask_for_a_code(site)
        took = time.monotonic() - begun

    assert alice.page.heading == "Check your email"
    assert alice.page.error.startswith(NOT_NOW)
    assert took < 20, "the limit is two seconds"


# TLS


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """One that nobody we trust has signed."""
    key, file = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context


def test_a_certificate_that_nobody_vouches_for_gets_nothing(
    site: Flask, port: int, certificate: ssl.SSLContext
) -> None:
    site.extensions["mail"].use_tls = True
    box = Box()
    with server(box, port, tls_context=certificate):
        alice = ask_for_a_code(site)
    assert alice.page.error.startswith(NOT_NOW)
    assert (box.mails, box.asked) == ([], 0)
    assert rows(site)[0]["error"] == "SSLCertVerificationError"


@pytest.mark.parametrize("how", ["use_tls", "use_ssl"])
@pytest.mark.parametrize("is_vouched_for", [True, False])
def test_a_certificate_decides_with_either_kind_of_tls(
    site: Flask,
    port: int,
    certificate: ssl.SSLContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    is_vouched_for: bool,
) -> None:
    """The one that refuses a stranger's does accept one that the machine trusts."""
    setattr(site.extensions["mail"], how, True)
    if is_vouched_for:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    box = Box()
    options = {"tls_context": certificate, "require_starttls": True}
    with server(box, port, **(options if how == "use_tls" else {"ssl_context": certificate})):
        put_notice(site)
        deliver(site)
    assert len(box.mails) == is_vouched_for
    assert rows(site)[0]["error"] == (None if is_vouched_for else "SSLCertVerificationError")


def test_nothing_is_sent_in_the_clear_when_tls_was_asked_for(site: Flask, port: int) -> None:
    site.extensions["mail"].use_tls = True
    box = Box()
    with server(box, port):
        alice = ask_for_a_code(site)
    assert alice.page.error.startswith(NOT_NOW)
    assert (box.mails, box.asked) == ([], 0)
    assert rows(site)[0]["error"] == "SMTPNotSupportedError"


# Two workers, and one that dies


def put_notice(app: Flask) -> None:
    with app.test_request_context():
        message = messages.two_factor_on("Alice", "alice@example.com", "backup codes", NOON)
        outbox.put(message, 1, "alice@example.com", NOON)
        db.session.commit()


def test_of_several_workers_one_sends(site: Flask, port: int) -> None:
    put_notice(site)
    barrier, box = threading.Barrier(6), Box()
    sent: list[Delivery] = []

    def work() -> None:
        with site.app_context():
            barrier.wait()
            sent.append(postman.deliver(1))

    workers = [threading.Thread(target=work) for _ in range(6)]
    with server(box, port):
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert sorted(sent) == [Delivery.NOT_OURS] * 5 + [Delivery.SENT]
    assert len(box.mails) == 1


def test_whoever_dies_after_sending_never_sends_it_twice(site: Flask, port: int) -> None:
    """Killed after the server took the mail and before that could be noted."""
    put_notice(site)
    settings = {
        "ONWARD_INSTANCE": site.instance_path,
        "ONWARD_MAIL_SERVER": "127.0.0.1",
        "ONWARD_MAIL_PORT": str(port),
    }
    command = [sys.executable, "-m", "flask", "--app", "app", "mail", "deliver"]
    box = Box()
    with server(box, port):
        quiet = subprocess.DEVNULL
        worker = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | settings, stdout=quiet, stderr=quiet
        )
        box.act = lambda: os.kill(worker.pid, signal.SIGKILL)
        assert worker.wait(timeout=60) == -signal.SIGKILL
        box.act = lambda: None
        [row] = rows(site)
        assert (row["sent_at"], row["claimed_at"] is None) == (None, False)
        with time_machine.travel(time.time() + 3600, tick=False):
            told = deliver(site)

    assert "0 of 0 due mails sent." in told
    assert "1 stuck, 0 failed" in told
    assert len(box.mails) == 1


# A real MTA


if sys.platform == "linux":

    def test_a_real_mta_takes_every_message(site: Flask) -> None:
        """Each usual sample, parsed back by the standard library."""
        with opensmtpd() as (smtp_port, box):
            site.extensions["mail"].port = smtp_port
            with site.test_request_context():
                wanted = [samples.samples_of(kind)[0].message() for kind in MESSAGES]
                for message in wanted:
                    outbox.put(message, 1, "alice@example.com", NOON)
                db.session.commit()
            assert f"{len(wanted)} of {len(wanted)} due mails sent." in deliver(site)
            for _ in range(100):
                if box.exists() and len(list(box.iterdir())) == len(wanted):
                    break
                time.sleep(0.1)
            arrived = [message_from_bytes(f.read_bytes(), policy=default) for f in box.iterdir()]

        assert sorted(str(mail["Subject"]) for mail in arrived) == sorted(
            message.subject for message in wanted
        )
        # Two kinds may have one subject: they are told apart by what they say.
        sent = [message.to("alice@example.com") for message in wanted]
        by_words = {(message.subject, message.text.strip()): message for message in sent}
        for mail in arrived:
            message = by_words[str(mail["Subject"]), text_of(mail).strip()]
            assert text_of(mail, "html").strip() == message.html.strip()
            assert mail["To"] == "alice@example.com"
            assert (mail["Auto-Submitted"], mail["MIME-Version"]) == ("auto-generated", "1.0")
            assert re.fullmatch(r"<onward\.[0-9a-f]{32}@127\.0\.0\.1>", mail["Message-ID"])


def test_a_mail_has_the_same_id_at_every_try(site: Flask, port: int) -> None:
    """Whoever gets it twice after all can tell."""
    put_notice(site)
    box = Box("451 4.7.1 later", "451 4.7.1 later")
    with server(box, port), time_machine.travel(NOON, tick=False) as now:
        for minutes in (0, 1, 5):
            now.shift(timedelta(minutes=minutes))
            deliver(site)

    assert len(box.ids) == 3
    assert len(set(box.ids)) == 1
    assert len(box.mails) == 1
