"""Every mail of Onward, one function a message.

The first line of a function's docstring says when the mail is sent; `@sampled` says with
which values the gallery and the lint look at it, beside those that all messages share
(samples.py). Its two templates have the function's name.
"""

from datetime import UTC, datetime
from typing import Any

from flask import current_app
from flask_babel import gettext

from mail.message import Message, sampled, written


@sampled(
    purpose={
        "usual": "sign in",
        "to confirm an address": "confirm",
        "to turn off": "turn off",
        "to prove who it is": "prove",
    }
)
def verification_code(
    name: str, code: str, ends_at: datetime, at: datetime, purpose: str
) -> Message:
    """The person asked for a code: to confirm a backup address, to sign in, or to turn it off."""
    subject = gettext("Your code for %(issuer)s", issuer=current_app.config["ISSUER"])
    return written(
        "verification_code", subject, at, name=name, code=code, ends_at=ends_at, purpose=purpose
    )


@sampled(way=("backup codes", "backup email"))
def two_factor_on(name: str, label: str, way: str, at: datetime) -> Message:
    """A set-up was finished."""
    subject = gettext(
        "Two-factor authentication is on for %(issuer)s",
        issuer=current_app.config["ISSUER"],
    )
    return written("two_factor_on", subject, at, name=name, label=label, way=way)


@sampled()
def wrong_code(name: str, at: datetime) -> Message:
    """Somebody typed a wrong code after the right password, in an unknown browser."""
    return written("wrong_code", gettext("A wrong code after your password"), at, name=name)


@sampled(until={"usual": "soon", "no end": None})
def sign_in_paused(name: str, until: datetime | None, at: datetime) -> Message:
    """There were too many wrong codes: none is read for a time, or until somebody unlocks."""
    return written("sign_in_paused", gettext("Sign-in is paused"), at, name=name, until=until)


@sampled(left={"usual": 7, "three left": 3, "one left": 1})
def backup_code_used(name: str, left: int, at: datetime) -> Message:
    """A backup code was used, and others are left."""
    return written("backup_code_used", gettext("A backup code was used"), at, name=name, left=left)


@sampled()
def last_backup_code_used(name: str, at: datetime) -> Message:
    """The last backup code was used."""
    subject = gettext("Your last backup code was used")
    return written("last_backup_code_used", subject, at, name=name)


@sampled()
def new_backup_codes(name: str, at: datetime) -> Message:
    """New backup codes were made; the old ones are dead."""
    return written("new_backup_codes", gettext("You have new backup codes"), at, name=name)


@sampled()
def backup_email_used(name: str, at: datetime) -> Message:
    """A code mailed to the backup address was used."""
    return written("backup_email_used", gettext("Your backup email was used"), at, name=name)


@sampled()
def backup_email_added(name: str, address: str, at: datetime) -> Message:
    """A backup address was confirmed where there was none."""
    subject = gettext("A backup email was added")
    return written("backup_email_added", subject, at, name=name, address=address)


@sampled()
def backup_email_changed(name: str, address: str, at: datetime) -> Message:
    """Another backup address was confirmed; the old one is told as well."""
    subject = gettext("Your backup email was changed")
    return written("backup_email_changed", subject, at, name=name, address=address)


@sampled()
def new_trusted_device(name: str, at: datetime) -> Message:
    """A browser is trusted from now on."""
    return written("new_trusted_device", gettext("A new trusted device"), at, name=name)


@sampled(old={"usual": "alex@example.com"})
def authenticator_replaced(name: str, label: str, old: str, at: datetime) -> Message:
    """Another authenticator app was bound in place of the old one."""
    subject = gettext("Your authenticator app was replaced")
    return written("authenticator_replaced", subject, at, name=name, label=label, old=old)


@sampled()
def two_factor_off(name: str, at: datetime) -> Message:
    """The person turned two-factor authentication off."""
    return written("two_factor_off", gettext("Two-factor authentication is off"), at, name=name)


@sampled()
def backup_email_removed(name: str, address: str, at: datetime) -> Message:
    """A backup address was removed; it is told as well."""
    subject = gettext("Your backup email was removed")
    return written("backup_email_removed", subject, at, name=name, address=address)


@sampled(
    by={"usual": "Dora Dean", "by command": None},
    reason={"usual": "Lost phone, no codes left; came to the office with a pass."},
)
def reset(name: str, by: str | None, reason: str, at: datetime) -> Message:
    """An administrator, or an operator at the command line, took all factors of somebody away."""
    subject = gettext("Two-factor authentication was reset")
    return written("reset", subject, at, by_reader=False, name=name, by=by, reason=reason)


@sampled(since={"usual": datetime(2031, 5, 5, 3, 0, tzinfo=UTC)})
def restored(name: str, since: datetime, at: datetime) -> Message:
    """An older copy of the database was put back: everybody is told what that ended."""
    subject = gettext("We went back to older records")
    return written("restored", subject, at, by_reader=False, name=name, since=since)


@sampled()
def compromised(name: str, at: datetime) -> Message:
    """Somebody else has read all records and their keys: everybody sets up anew."""
    subject = gettext("Your two-factor authentication has ended")
    return written("compromised", subject, at, by_reader=False, name=name)


@sampled()
def backup_codes_ended(name: str, at: datetime) -> Message:
    """An operator changed the key of backup codes: those of before work no longer."""
    subject = gettext("Your backup codes no longer work")
    return written("backup_codes_ended", subject, at, by_reader=False, name=name)


@sampled(must_from={"usual": "later", "no date": None})
def reminder_soft(
    name: str, organisation: str, must_from: datetime | None, unsubscribe: str, at: datetime
) -> Message:
    """Weekly, while an organisation asks softly for two-factor authentication."""
    return written(
        "reminder_soft",
        gettext("Set up two-factor authentication soon"),
        at,
        unsubscribe=unsubscribe,
        by_reader=False,
        name=name,
        organisation=organisation,
        must_from=must_from,
    )


@sampled()
def reminder_hard(name: str, organisation: str, at: datetime) -> Message:
    """Daily, while an organisation demands two-factor authentication of somebody without it."""
    subject = gettext("Set up two-factor authentication now")
    return written(
        "reminder_hard", subject, at, by_reader=False, name=name, organisation=organisation
    )


@sampled()
def password_changed(name: str, at: datetime) -> Message:
    """The password was changed, by the person or by a mailed link."""
    return written("password_changed", gettext("Your password was changed"), at, name=name)


@sampled()
def password_reset(name: str, link: str, ends_at: datetime, at: datetime) -> Message:
    """Somebody forgot the password and asked for a link to a page that changes it."""
    subject = gettext("Choose a new password")
    return written("password_reset", subject, at, name=name, link=link, ends_at=ends_at)


@sampled()
def invitation(name: str, organisation: str, link: str, ends_at: datetime, at: datetime) -> Message:
    """An administrator added somebody, who is to choose a first password."""
    subject = gettext("You are invited to %(issuer)s", issuer=current_app.config["ISSUER"])
    return written(
        "invitation",
        subject,
        at,
        by_reader=False,
        name=name,
        organisation=organisation,
        link=link,
        ends_at=ends_at,
    )


@sampled()
def join_request(
    name: str, organisation: str, link: str, ends_at: datetime, at: datetime
) -> Message:
    """An administrator added somebody who has an account already, and is asked to join."""
    facts: dict[str, Any] = {"organisation": organisation, "link": link, "ends_at": ends_at}
    subject = gettext("You are asked to join an organisation")
    return written("join_request", subject, at, by_reader=False, name=name, **facts)


@sampled()
def join_request_first(
    name: str, organisation: str, link: str, ends_at: datetime, at: datetime
) -> Message:
    """The same, for somebody who has not chosen a password yet: the link chooses one."""
    facts: dict[str, Any] = {"organisation": organisation, "link": link, "ends_at": ends_at}
    subject = gettext("You are asked to join an organisation")
    return written("join_request_first", subject, at, by_reader=False, name=name, **facts)


@sampled(provider={"usual": "Example SSO"})
def sso_tied(name: str, provider: str, at: datetime) -> Message:
    """From now on the person can sign in with a provider."""
    what = gettext("You can now sign in with %(provider)s", provider=provider)
    return written("sso_tied", what, at, name=name, provider=provider)


@sampled()
def password_set(name: str, at: datetime) -> Message:
    """An account that had no password has one."""
    return written("password_set", gettext("Your account has a password now"), at, name=name)
