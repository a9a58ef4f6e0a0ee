"""A mail as the gallery shows it, whether a sample or one that was caught."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from pathlib import Path
from urllib.parse import urlsplit

from flask import current_app

from mail.letter import letter
from mail.lint import ADDRESS, Finding, lint
from mail.message import Message
from mail.samples import AT, RECIPIENT, Sample

FILLER = "\u034f"
"""Invisible, after a mail's hidden first line: keeps what follows out of the list of mails."""
SCHEMES = ("light", "dark", "forced")
_DARK = "@media (prefers-color-scheme: dark)"
_FORCED = (
    "<style>html{background:#fff;filter:invert(1) hue-rotate(180deg)}img{filter:invert(1)}</style>"
)


@dataclass(frozen=True)
class Shown:
    """One mail with both parts, and what the lint says of it."""

    made: EmailMessage
    findings: list[Finding]

    @property
    def subject(self) -> str:
        return str(self.made["Subject"])

    @property
    def sender(self) -> str:
        return str(self.made["From"]).partition("<")[0].strip(' "') or str(self.made["From"])

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in self.made.items()]

    @property
    def source(self) -> str:
        return self.raw.decode("utf-8", "replace")

    @property
    def raw(self) -> bytes:
        return self.made.as_bytes(policy=SMTP)

    @property
    def preview_line(self) -> str:
        """What a list of mails shows beside the subject."""
        body = self.html.partition("<body")[2].partition(">")[2]
        words = " ".join(re.sub(r"<[^>]+>", " ", body).split())
        return words[:140].partition(FILLER)[0].strip()

    def body(self, scheme: str) -> str:
        """Return the HTML part as a mail program of that scheme shows it.

        `forced` is what programs do that darken a mail by themselves.
        """
        if scheme == "dark":
            return self.html.replace(_DARK, "@media all")
        light = self.html.replace(_DARK, "@media not all")
        return light.replace("</head>", _FORCED + "</head>") if scheme == "forced" else light

    def _part(self, kind: str) -> str:
        part = self.made.get_body((kind,))
        return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


def of_sample(sample: Sample, recipient: str = RECIPIENT) -> Shown:
    """Return a sample as it would arrive."""
    message = sample.message()
    return Shown(letter(message, recipient, f"{sample.kind}-{sample.path}", AT), lint(message))


def caught() -> Iterator[tuple[str, Shown]]:
    """Yield the mails caught in the instance's outbox, the newest first."""
    for file in sorted(_outbox().glob("*.eml"), reverse=True):
        yield file.stem, _read(file)


def of_caught(name: str) -> Shown | None:
    """Return a caught mail by its file's name."""
    file = next((file for file in _outbox().glob("*.eml") if file.stem == name), None)
    return _read(file) if file is not None else None


def _outbox() -> Path:
    return Path(current_app.instance_path) / "outbox"


def _read(file: Path) -> Shown:
    made = message_from_bytes(file.read_bytes(), policy=default)
    shown = Shown(made, [])
    kind = "verification_code" if re.search(r"^@\S+ #\d{6}$", shown.text, re.M) else "caught"
    message = Message(kind, shown.subject, shown.text, shown.html)
    return Shown(made, lint(message, _written_for(shown)))


def _written_for(mail: Shown) -> str:
    """Return the address that a caught mail was written for: another port may have caught it."""
    ours = str(mail.made["Message-ID"]).rpartition("@")[2].rstrip(">")
    parts = (urlsplit(link) for link in ADDRESS.findall(mail.text))
    return next((f"{p.scheme}://{p.netloc}" for p in parts if p.hostname == ours), "")
