"""Every mail of Onward, one function a message."""

from dataclasses import dataclass, field
from datetime import datetime

from flask import current_app, render_template
from flask_babel import gettext

import client


@dataclass(frozen=True)
class Message:
    """A mail as it is written, before anybody's address is on it."""

    kind: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


def verification_code(
    name: str, code: str, ends_at: datetime, at: datetime, purpose: str
) -> Message:
    """The code that confirms a backup address or a sign-in."""
    return _message(
        "verification_code",
        gettext("Your code for %(issuer)s", issuer=current_app.config["ISSUER"]),
        at,
        name=name,
        code=code,
        ends_at=ends_at,
        purpose=purpose,
    )


def two_factor_on(name: str, label: str, way: str, at: datetime) -> Message:
    """Two-factor authentication is on."""
    subject = gettext(
        "Two-factor authentication is on for %(issuer)s",
        issuer=current_app.config["ISSUER"],
    )
    return _message("two_factor_on", subject, at, name=name, label=label, way=way)


def wrong_code(name: str, at: datetime) -> Message:
    """Somebody typed a wrong code after the right password."""
    return _message("wrong_code", gettext("A wrong code after your password"), at, name=name)


def sign_in_paused(name: str, until: datetime | None, at: datetime) -> Message:
    """Too many wrong codes: none is read `until` then, or (None) until somebody unlocks."""
    return _message("sign_in_paused", gettext("Sign-in is paused"), at, name=name, until=until)


def _message(kind: str, subject: str, at: datetime, **values: object) -> Message:
    """Render both parts of a message from its two templates, with the common facts."""
    browser, system = client.browser_and_system()
    facts = {
        "at": at,
        "browser": browser,
        "system": system,
        "issuer": current_app.config["ISSUER"],
        "base_url": current_app.config["BASE_URL"],
        "subject": subject,
    }
    parts = [render_template(f"mail/{kind}.{end}", **facts, **values) for end in ("txt", "html")]
    return Message(kind, subject, *parts)
