"""Message: a mail as it is written, from its two templates and the facts that all mails tell."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parseaddr
from html import escape
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import current_app, render_template
from flask_babel import gettext

import client
from mail import inline

RECIPIENT = "[[recipient]]"
"""Stands for the address in a message that nobody's address is on yet."""
MESSAGES: dict[str, Callable[..., "Message"]] = {}
"""Every message by its kind."""
SAMPLES: dict[str, dict[str, Any]] = {}
"""What `@sampled` says, by kind."""
Makes = TypeVar("Makes", bound=Callable[..., "Message"])


@dataclass(frozen=True)
class Message:
    """A mail as it is written, before anybody's address is on it."""

    kind: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    unsubscribe: str = ""

    def to(self, recipient: str) -> "Message":
        """Return it with the address of whoever gets it."""
        text = self.text.replace(RECIPIENT, recipient)
        return replace(self, text=text, html=self.html.replace(RECIPIENT, escape(recipient)))


def sampled(**values: Any) -> Callable[[Makes], Makes]:
    """Declare a message: a tuple or dict of values gives a sample each, the first the usual one."""

    def declare(makes: Makes) -> Makes:
        MESSAGES[makes.__name__] = makes
        SAMPLES[makes.__name__] = values
        return makes

    return declare


def our_address(path: str = "") -> str:
    """Return an address of ours as links give it: only the settings say where we are (S-081)."""
    return str(current_app.config["BASE_URL"]).rstrip("/") + path


def domain() -> str:
    """Return the domain that our mails and links belong to."""
    return urlsplit(our_address()).hostname or ""


def written(
    kind: str,
    what: str,
    at: datetime,
    *,
    unsubscribe: str = "",
    by_reader: bool = True,
    **values: object,
) -> Message:
    """Render both parts of a message from its two templates, with the common facts.

    The time in the subject keeps mails of one kind apart in a list of mails. `by_reader` is
    False where an administrator causes it: their browser must not read like the reader's own.
    """
    browser, system = client.browser_and_system() if client.is_known() else ("", "")
    config = current_app.config
    facts = {
        "what": what,
        "at": at,
        "by_reader": by_reader,
        "browser": browser,
        "system": system,
        "issuer": config["ISSUER"],
        "domain": domain(),
        "setup_url": our_address("/setup"),
        "sender": parseaddr(config["MAIL_DEFAULT_SENDER"])[1],
        "recipient": RECIPIENT,
        "unsubscribe": unsubscribe,
    }
    subject = gettext("%(what)s (%(time)s)", what=what, time=f"{at:%-d %b, %H:%M} UTC")
    text, html = (
        render_template(f"mail/{kind}.{end}", **facts, **values) for end in ("txt", "html")
    )
    return Message(kind, subject, inline.tidy(text), inline.styled(html), unsubscribe)
