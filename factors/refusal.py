"""Why the answer is no, as a value that carries its text."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask_babel import LazyString, lazy_gettext

TEXTS: dict[str, LazyString] = {
    "empty": lazy_gettext("Enter the 6 numbers from your app."),
    "length": lazy_gettext("The code has 6 numbers. You typed %(n)s."),
    "letters": lazy_gettext("The code has 6 numbers and nothing else."),
    "unknown": lazy_gettext(
        "That code does not match. Check that you are reading the record “%(label)s”."
    ),
    "used": lazy_gettext(
        "You have used that code already. Wait for the next one, up to 30 seconds."
    ),
    "used_old": lazy_gettext(
        "You have just used that code, of the record “%(label)s”. Use “%(current)s”."
    ),
    "expired": lazy_gettext(
        "That code was right, but it is too old. Enter the one your app shows now."
    ),
    "clock_behind_perhaps": lazy_gettext(
        "That code is too old, or your phone’s clock may be about %(minutes)s slow."
    ),
    "clock_behind": lazy_gettext(
        "Your phone’s clock is about %(minutes)s slow. "
        "Set its time to automatic, then enter the new code."
    ),
    "clock_ahead_perhaps": lazy_gettext("Your phone’s clock may be about %(minutes)s fast."),
    "clock_ahead": lazy_gettext(
        "Your phone’s clock is about %(minutes)s fast. "
        "Set its time to automatic, then enter the new code."
    ),
    "void_record": lazy_gettext(
        "That code is from a record that no longer works. "
        "In your app, delete “%(label)s”. Use “%(current)s”."
    ),
    "clock_moved": lazy_gettext("We can’t read codes just now. Wait one minute for a new one."),
    "looks_like_backup": lazy_gettext(
        "That looks like a backup code. Here you need the 6 numbers from your app."
    ),
    "looks_like_app": lazy_gettext(
        "That looks like a code from your app. A backup code has 8 numbers."
    ),
    "looks_like_backup_not_mail": lazy_gettext(
        "That looks like a backup code. Here you need the 6 numbers from the email."
    ),
    "backup_empty": lazy_gettext("Enter the 8 numbers of one backup code."),
    "backup_length": lazy_gettext("A backup code has 8 numbers. You typed %(n)s."),
    "backup_letters": lazy_gettext("A backup code has 8 numbers and nothing else."),
    "backup_unknown": lazy_gettext("That backup code does not match. Check each number."),
    "backup_used": lazy_gettext("You used that backup code on %(date)s. Try another one."),
    "backup_replaced": lazy_gettext("That code is from a list you replaced on %(date)s."),
    "email_empty": lazy_gettext("Enter the 6 numbers from the email."),
    "email_unknown": lazy_gettext("That code does not match. Check the newest email from us."),
    "email_expired": lazy_gettext("That code ran out at %(time)s. Press “Send it again”."),
    "locked": lazy_gettext("Too many wrong codes. Wait until %(time)s, then sign in again."),
    "stopped": lazy_gettext(
        "Too many wrong codes for this account. Codes are read only in a browser you used before."
    ),
    "browser_stopped": lazy_gettext(
        "Too many wrong codes in this browser. It is asked like a new one from now on."
    ),
    "locked_proof": lazy_gettext("Too many wrong codes. Wait until %(time)s, then try again."),
    "too_many_mails": lazy_gettext(
        "We have sent you several codes. You can ask for another one at %(time)s."
    ),
    "no_more_mails": lazy_gettext(
        "That was the last code we can send here. Check your email, also the spam folder."
    ),
    "mail_failed": lazy_gettext("We could not send the email just now. Press “Send it again”."),
    "address_bad": lazy_gettext("Enter an email address, like name@example.com."),
    "address_same": lazy_gettext("Use another address than the one you sign in with."),
    "choice": lazy_gettext("Choose one of the two ways."),
    "unsaved": lazy_gettext("Save the codes first, then tick the box."),
    "password": lazy_gettext("That password does not match."),
    "pair": lazy_gettext("That email and password do not match."),
    "password_wait": lazy_gettext("Too many tries. Wait until %(time)s, then try again."),
    "reset_code_empty": lazy_gettext("Enter the reset code that you were given."),
    "reset_code_shape": lazy_gettext("A reset code has 16 letters and numbers. Check each one."),
    "reset_code_unknown": lazy_gettext("That reset code does not match. Check each sign."),
    "reset_code_old": lazy_gettext("That reset code is more than 7 days old. Ask for a new one."),
    "reason_empty": lazy_gettext("Say why, in a few words. It is kept and mailed."),
    "reason_long": lazy_gettext("Say why in one line of at most 200 letters."),
    "disabled": lazy_gettext("%(name)s is disabled. Let them back in first."),
    "nothing_to_reset": lazy_gettext("%(name)s has no two-factor authentication to reset."),
    "last_owner": lazy_gettext(
        "%(name)s is the last owner of an organisation. Give it another owner first."
    ),
    "own_account": lazy_gettext(
        "You can’t do this to your own account. Ask another administrator."
    ),
    "own_two_factor": lazy_gettext(
        "Set up two-factor authentication for yourself first. Resetting needs your own code."
    ),
    "people_empty": lazy_gettext("Type the people, one a line, or choose a file."),
    "people_many": lazy_gettext("Add at most %(most)s people at once. Nobody was added."),
    "people_file": lazy_gettext(
        "That file can’t be read. Save it as CSV, in UTF-8. Nobody was added."
    ),
    "people_bad": lazy_gettext(
        "Lines that added nobody: %(number)s. Mend them and send them again."
    ),
    "people_twice": lazy_gettext("The same address is in line %(number)s."),
    "people_here": lazy_gettext("Is here already."),
    "people_elsewhere": lazy_gettext(
        "Has an account already. Ask the people who run this service to add them here."
    ),
    "people_name": lazy_gettext("Give a name of at most %(most)s letters."),
    "people_role": lazy_gettext("You can give these roles: %(roles)s."),
    "role_choice": lazy_gettext("Choose one of the roles that you can give."),
    "only_owner": lazy_gettext(
        "You are the last owner, and nobody can do this to their own account. "
        "Ask the people who run this service."
    ),
    "role_too_high": lazy_gettext(
        "%(name)s looks after people here or elsewhere. Only an owner there can do this."
    ),
    "proof_old": lazy_gettext("Please confirm that it is you first."),
    "must_keep": lazy_gettext(
        "%(organisation)s demands two-factor authentication. You can’t turn it off."
    ),
    "last_backup_way": lazy_gettext(
        "This is your last backup way, and %(organisation)s demands one. Get new codes first."
    ),
    "password_weak": lazy_gettext("%(why)s"),
    "password_same": lazy_gettext("That is your old password. Choose another one."),
    "hard_without_own": lazy_gettext(
        "Set up two-factor authentication for yourself first. Then you can ask it of everyone."
    ),
    "date_without_soft": lazy_gettext("A date goes with “Soft” only."),
    "has_password": lazy_gettext("%(name)s has a password already, or is disabled."),
    "level_choice": lazy_gettext("Choose “Off”, “Soft” or “Hard”."),
    "date_bad": lazy_gettext("That is no date. Write it like 2031-05-06."),
    "days_bad": lazy_gettext("Give a number of days from 0 to %(most)s."),
    "date_past": lazy_gettext("Choose a date that is still to come."),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason, with the values that its text needs. None stands for "accepted"."""

    reason: str
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> LazyString:
        return TEXTS[self.reason]

    @property
    def left(self) -> int | None:
        """Tries left, if they are few enough to say so."""
        left = self.values.get("left")
        return int(left) if left is not None else None

    @property
    def is_closed(self) -> bool:
        """Whether no code was read at all."""
        return self.reason in {"locked", "stopped", "browser_stopped"}

    @property
    def is_clock(self) -> bool:
        """Whether the phone's clock is, or may be, wrong."""
        return self.reason.startswith(("clock_behind", "clock_ahead"))

    def stored(self) -> dict[str, Any]:
        """Return it as plain JSON, so that a later view can show it."""
        plain = {
            k: {"at": v.isoformat()} if isinstance(v, datetime) else v
            for k, v in self.values.items()
        }
        return {"reason": self.reason, "values": plain}

    @classmethod
    def restored(cls, stored: dict[str, Any] | None) -> "Refusal | None":
        """Return what `stored()` kept."""
        if stored is None:
            return None
        values = {
            k: datetime.fromisoformat(v["at"]) if isinstance(v, dict) else v
            for k, v in stored["values"].items()
        }
        return cls(stored["reason"], values)

    def with_left(self, left: int) -> "Refusal":
        """Return it with the number of tries left."""
        return Refusal(self.reason, self.values | {"left": left})
