"""Every mail of Onward, one function a message.

The first line of a function's docstring says when the mail is sent; `@sampled` says with
which values the gallery and the lint look at it, beside those that all messages share
(samples.py). Its two templates have the function's name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parseaddr
from html import escape
from typing import Any, TypeVar

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


@sampled(purpose={"usual": "sign in", "to confirm an address": "confirm"})
def verification_code(
    name: str, code: str, ends_at: datetime, at: datetime, purpose: str
) -> Message:
    """The person asked for a code, to confirm a backup address or to sign in."""
    subject = gettext("Your code for %(issuer)s", issuer=current_app.config["ISSUER"])
    return _message(
        "verification_code", subject, at, name=name, code=code, ends_at=ends_at, purpose=purpose
    )


@sampled(way=("backup codes", "backup email"))
def two_factor_on(name: str, label: str, way: str, at: datetime) -> Message:
    """A set-up was finished."""
    subject = gettext(
        "Two-factor authentication is on for %(issuer)s",
        issuer=current_app.config["ISSUER"],
    )
    return _message("two_factor_on", subject, at, name=name, label=label, way=way)


@sampled()
def wrong_code(name: str, at: datetime) -> Message:
    """Somebody typed a wrong code after the right password, in an unknown browser."""
    return _message("wrong_code", gettext("A wrong code after your password"), at, name=name)


@sampled(until={"usual": "soon", "no end": None})
def sign_in_paused(name: str, until: datetime | None, at: datetime) -> Message:
    """There were too many wrong codes: none is read for a time, or until somebody unlocks."""
    return _message("sign_in_paused", gettext("Sign-in is paused"), at, name=name, until=until)


@sampled(left={"usual": 7, "three left": 3, "one left": 1})
def backup_code_used(name: str, left: int, at: datetime) -> Message:
    """A backup code was used, and others are left."""
    return _message("backup_code_used", gettext("A backup code was used"), at, name=name, left=left)


@sampled()
def last_backup_code_used(name: str, at: datetime) -> Message:
    """The last backup code was used."""
    subject = gettext("Your last backup code was used")
    return _message("last_backup_code_used", subject, at, name=name)


@sampled()
def new_backup_codes(name: str, at: datetime) -> Message:
    """New backup codes were made; the old ones are dead."""
    return _message("new_backup_codes", gettext("You have new backup codes"), at, name=name)


@sampled()
def backup_email_used(name: str, at: datetime) -> Message:
    """A code mailed to the backup address was used."""
    return _message("backup_email_used", gettext("Your backup email was used"), at, name=name)


@sampled()
def backup_email_added(name: str, address: str, at: datetime) -> Message:
    """A backup address was confirmed where there was none."""
    subject = gettext("A backup email was added")
    return _message("backup_email_added", subject, at, name=name, address=address)


@sampled()
def backup_email_changed(name: str, address: str, at: datetime) -> Message:
    """Another backup address was confirmed; the old one is told as well."""
    subject = gettext("Your backup email was changed")
    return _message("backup_email_changed", subject, at, name=name, address=address)


@sampled()
def new_trusted_device(name: str, at: datetime) -> Message:
    """A browser is trusted from now on."""
    return _message("new_trusted_device", gettext("A new trusted device"), at, name=name)


@sampled(old={"usual": "alex@example.com"})
def authenticator_replaced(name: str, label: str, old: str, at: datetime) -> Message:
    """Another authenticator app was bound in place of the old one."""
    subject = gettext("Your authenticator app was replaced")
    return _message("authenticator_replaced", subject, at, name=name, label=label, old=old)


def _message(
    kind: str, what: str, at: datetime, *, unsubscribe: str = "", **values: object
) -> Message:
    """Render both parts of a message from its two templates, with the common facts.

    The time in the subject keeps mails of one kind apart in a list of mails.
    """
    browser, system = client.browser_and_system() if client.is_known() else ("", "")
    config = current_app.config
    facts = {
        "what": what,
        "at": at,
        "browser": browser,
        "system": system,
        "issuer": config["ISSUER"],
        "base_url": config["BASE_URL"],
        "sender": parseaddr(config["MAIL_DEFAULT_SENDER"])[1],
        "recipient": RECIPIENT,
        "unsubscribe": unsubscribe,
    }
    subject = gettext("%(what)s (%(time)s)", what=what, time=f"{at:%-d %b, %H:%M} UTC")
    text, html = (
        render_template(f"mail/{kind}.{end}", **facts, **values) for end in ("txt", "html")
    )
    return Message(kind, subject, inline.tidy(text), inline.styled(html), unsubscribe)
