"""How each kind of event is called: in the audit log, and on the page of whom it concerns."""

from flask_babel import LazyString, lazy_gettext

NAMES: dict[str, LazyString] = {
    "sign-in": lazy_gettext("Sign-in"),
    "signed out": lazy_gettext("Signed out"),
    "second factor": lazy_gettext("Code entered"),
    "proof": lazy_gettext("Confirmed who they are"),
    "trusted device removed": lazy_gettext("Trusted device removed"),
    "finished: set-up": lazy_gettext("Two-factor set up"),
    "finished: authenticator": lazy_gettext("Authenticator app replaced"),
    "finished: codes": lazy_gettext("New backup codes"),
    "finished: email": lazy_gettext("Backup email confirmed"),
    "voided: set-up": lazy_gettext("Set-up ended early"),
    "resumed: set-up": lazy_gettext("Set-up brought back"),
    "resumed: authenticator": lazy_gettext("Replacing the app went on"),
    "resumed: codes": lazy_gettext("Getting new codes went on"),
    "resumed: email": lazy_gettext("Changing the backup email went on"),
    "voided: authenticator": lazy_gettext("Replacing the app ended early"),
    "voided: codes": lazy_gettext("Getting new codes ended early"),
    "voided: email": lazy_gettext("Changing the backup email ended early"),
    "two-factor reset": lazy_gettext("Two-factor reset"),
    "added": lazy_gettext("Added to an organisation"),
    "unlocked": lazy_gettext("Unlocked"),
    "disabled": lazy_gettext("Disabled"),
    "enabled": lazy_gettext("Let back in"),
    "account added": lazy_gettext("Account made by SSO"),
    "sso tied": lazy_gettext("Tied to SSO"),
    "password set": lazy_gettext("First password chosen"),
    "invited": lazy_gettext("Invited"),
    "reminder": lazy_gettext("Reminder mailed"),
    "two-factor off": lazy_gettext("Two-factor turned off"),
    "backup email removed": lazy_gettext("Backup email removed"),
    "sign-in ended": lazy_gettext("A sign-in ended"),
    "other sign-ins ended": lazy_gettext("Other sign-ins ended"),
    "password changed": lazy_gettext("Password changed"),
    "password link mailed": lazy_gettext("Password link mailed"),
    "role changed": lazy_gettext("Role changed"),
    "reminders ended": lazy_gettext("Reminders stopped"),
    "people exported": lazy_gettext("List of people downloaded"),
    "audit log exported": lazy_gettext("Audit log downloaded"),
    "organisation removed": lazy_gettext("Organisation removed"),
    "enforcement changed": lazy_gettext("Enforcement changed"),
}

REFUSED: dict[str, LazyString] = {
    "sign-in": lazy_gettext("Sign-in refused"),
    "second factor": lazy_gettext("Wrong code"),
    "proof": lazy_gettext("Confirmation refused"),
}
"""The kinds that are tries, when they came to nothing."""
