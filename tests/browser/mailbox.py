"""A real SMTP server that keeps what it is given."""

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from time import monotonic, sleep

from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """The letters of everybody, newest last."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.letters: list[EmailMessage] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a letter; aiosmtpd calls this by its name."""
        assert isinstance(envelope.content, bytes)
        self.letters.append(letter_from(envelope.content))
        return "250 OK"

    def code(self, recipient: str, number: int = 1) -> str:
        """Wait for the mailed code with this number, and read it as its recipient would."""
        end = monotonic() + 5
        while monotonic() < end:
            letters = [letter for letter in self.letters if letter["To"] == recipient]
            codes = [code for letter in letters if (code := code_in(letter)) is not None]
            if len(codes) >= number:
                return codes[number - 1]
            sleep(0.02)
        raise AssertionError(f"no code {number} for {recipient}")


def letter_from(raw: bytes) -> EmailMessage:
    letter = message_from_bytes(raw, policy=default)
    assert isinstance(letter, EmailMessage)
    return letter


def code_in(letter: EmailMessage) -> str | None:
    """Return the code in a letter, if it holds one."""
    body = letter.get_body(("plain",))
    assert body is not None
    found = re.search(r"^\s*(\d{3} ?\d{3})\s*$", body.get_content(), re.M)
    return found.group(1) if found else None
