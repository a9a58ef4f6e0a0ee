"""The last things that happened to an account, in words for its owner."""

from dataclasses import dataclass
from datetime import datetime

from flask_babel import LazyString, lazy_gettext
from sqlalchemy import select

from accounts.events import Event
from db import db

MOST = 10

WORDS: dict[str, LazyString] = {
    "sign-in": lazy_gettext("Signed in"),
    "sign-in refused": lazy_gettext("Sign-in with a wrong password"),
    "second factor": lazy_gettext("Code accepted"),
    "second factor refused": lazy_gettext("Code refused"),
    "proof": lazy_gettext("Confirmed that it is you"),
    "proof refused": lazy_gettext("Wrong password on the confirmation page"),
    "signed out": lazy_gettext("Signed out"),
    "trusted device removed": lazy_gettext("Trusted device removed"),
    "finished: set-up": lazy_gettext("Two-factor authentication turned on"),
    "finished: authenticator": lazy_gettext("Authenticator app replaced"),
    "finished: codes": lazy_gettext("New backup codes made"),
    "finished: email": lazy_gettext("Backup email added or changed"),
    "two-factor off": lazy_gettext("Two-factor authentication turned off"),
    "backup email removed": lazy_gettext("Backup email removed"),
    "sign-in ended": lazy_gettext("A sign-in ended"),
    "other sign-ins ended": lazy_gettext("All other sign-ins ended"),
    "password changed": lazy_gettext("Password changed"),
    "password link mailed": lazy_gettext("Link for a new password mailed"),
    "invited": lazy_gettext("Invited"),
    "unlocked": lazy_gettext("Pause ended by an administrator"),
    "account added": lazy_gettext("Account made by a first sign-in by SSO"),
    "sso tied": lazy_gettext("Tied to a sign-in by SSO"),
    "password set": lazy_gettext("First password chosen"),
    "role changed": lazy_gettext("Role changed by an administrator"),
    "two-factor reset": lazy_gettext("Two-factor authentication reset by an administrator"),
    "disabled": lazy_gettext("Disabled by an administrator"),
    "enabled": lazy_gettext("Let back in by an administrator"),
    "reminder": lazy_gettext("Reminder mailed"),
    "reminders ended": lazy_gettext("Reminders ended"),
}


@dataclass(frozen=True)
class Happening:
    """One event as its owner reads it."""

    what: LazyString | str
    at: datetime
    browser: str
    system: str


def happenings(account_id: int) -> list[Happening]:
    """Return the last events of an account, the newest first."""
    rows = db.session.scalars(
        select(Event).where(Event.account_id == account_id).order_by(Event.id.desc()).limit(MOST)
    )
    return [Happening(_words(row), row.at, row.browser, row.system) for row in rows]


def _words(event: Event) -> LazyString | str:
    kind = f"{event.kind} refused" if event.result.startswith("refused") else event.kind
    return WORDS.get(kind, event.kind.capitalize())
