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
        letter = message_from_bytes(envelope.content, policy=default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        return "250 OK"

    def letter(self, recipient: str, number: int = 1) -> EmailMessage:
        """Wait for the letter with this number to somebody."""
        end = monotonic() + 5
        while monotonic() < end:
            found = [letter for letter in self.letters if letter["To"] == recipient]
            if len(found) >= number:
                return found[number - 1]
            sleep(0.02)
        raise AssertionError(f"no letter {number} to {recipient}")

    def code(self, recipient: str, number: int = 1) -> str:
        """Read the code in a letter, as its recipient would."""
        body = self.letter(recipient, number).get_body(("plain",))
        assert body is not None
        found = re.search(r"^\s*(\d{3} ?\d{3})\s*$", body.get_content(), re.M)
        assert found, body.get_content()
        return found.group(1)
