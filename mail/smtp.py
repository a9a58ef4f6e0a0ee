"""One mail by SMTP, within a time that nothing can stretch.

Flask-Mail 0.10 has no timeout and does not verify certificates, and what it says on
leaving hides the server's own answer: its connection is replaced here.
"""

import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from email.message import EmailMessage
from email.utils import parseaddr
from time import monotonic
from types import TracebackType
from typing import Any

import flask_mail
from flask import current_app


class NotSent(Exception):
    """The mail did not leave; the text says why, without any address (S-137)."""

    def __init__(
        self,
        reason: str,
        *,
        for_ever: bool = False,
        is_silent: bool = False,
        may_have_left: bool = False,
    ) -> None:
        super().__init__(reason)
        self.for_ever = for_ever
        self.is_silent = is_silent
        """The time limit ended it: the next mail would wait as long."""
        self.may_have_left = may_have_left
        """The server had the whole text, and its answer was lost."""


class _Watched(smtplib.SMTP):
    """SMTP whose whole conversation has one time limit.

    The socket's own timeout counts each answer anew: a server that sends one byte
    in time for ever would hold a request for ever.
    """

    _watch: threading.Timer | None = None
    is_reading = False
    """The server has begun to read the text and has not answered yet."""

    def data(self, msg: Any) -> tuple[int, bytes]:
        self.is_reading = True
        answer = super().data(msg)
        self.is_reading = False
        return answer

    def connect(  # type: ignore[override]  # as smtplib itself types and calls it
        self, host: str = "localhost", port: int = 0, source_address: None = None
    ) -> tuple[int, bytes]:
        assert isinstance(self.timeout, int)
        self._watch = threading.Timer(self.timeout, self._cut)
        self._watch.daemon = True
        self._watch.start()
        return super().connect(host, port)

    def _cut(self) -> None:
        line = self.sock
        if line is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().close()


class _WatchedSSL(_Watched, smtplib.SMTP_SSL):
    """The same, with TLS from the first byte."""


class TimedConnection(flask_mail.Connection):
    """Flask-Mail's connection with a time limit and verified certificates."""

    def configure_host(self) -> smtplib.SMTP:
        state, seconds = self.mail, current_app.config["MAIL_TIMEOUT"]
        context = ssl.create_default_context()
        host: smtplib.SMTP
        if state.use_ssl:
            host = _WatchedSSL(state.server, state.port, timeout=seconds, context=context)
        else:
            host = _Watched(state.server, state.port, timeout=seconds)
        try:
            if state.use_tls:
                host.starttls(context=context)
            if state.username:
                host.login(state.username, state.password or "")
        except BaseException:
            host.close()  # nobody else knows of this line yet
            raise
        return host

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Say goodbye if anybody listens; the mail's own fault is the one that counts."""
        if self.host is not None:
            with suppress(OSError, smtplib.SMTPException):
                self.host.quit()
            self.host.close()


class TimedMail(flask_mail.Mail):
    """Flask-Mail that connects in our way."""

    def connect(self) -> TimedConnection:
        return TimedConnection(current_app.extensions["mail"])


mail = TimedMail()


def greet() -> None:
    """Connect, encrypt and sign in as for a mail, and send none. Raises NotSent."""
    try:
        with mail.connect():
            pass
    except smtplib.SMTPResponseException as error:
        raise NotSent(f"{type(error).__name__}, {error.smtp_code}") from None
    except OSError as error:  # smtplib's own errors are of this kind as well
        raise NotSent(error.strerror or type(error).__name__) from None


def send(letter: EmailMessage) -> None:
    """Hand the mail to the server. Raises NotSent."""
    begun = monotonic()
    host: smtplib.SMTP | None = None
    try:
        with mail.connect() as connection:
            host = connection.host
            assert host is not None
            sender = parseaddr(str(letter["From"]))[1]
            host.send_message(letter, sender, [str(letter["To"])])
    except smtplib.SMTPRecipientsRefused as error:
        code = next(iter(error.recipients.values()))[0]
        raise NotSent(f"recipient refused, {code}", for_ever=500 <= code < 600) from None
    except smtplib.SMTPDataError as error:
        code = error.smtp_code
        raise NotSent(f"mail refused, {code}", for_ever=500 <= code < 600) from None
    except smtplib.SMTPResponseException as error:
        # Greeting, sender or sign-in: the operator's to mend, so it is tried again.
        raise NotSent(f"{type(error).__name__}, {error.smtp_code}") from None
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(
            type(error).__name__,
            is_silent=monotonic() - begun >= current_app.config["MAIL_TIMEOUT"],
            may_have_left=isinstance(host, _Watched) and host.is_reading,
        ) from None
