"""Why the answer is no, as a value that carries its text."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask_babel import LazyString, lazy_gettext

from factors.act_texts import ACT_TEXTS

TEXTS: dict[str, LazyString] = ACT_TEXTS | {
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
    "clock_moved": lazy_gettext(
        "We can’t read codes at the moment. Wait one minute for a new one."
    ),
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
    "backup_stale": lazy_gettext("Backup codes from before %(date)s no longer work. Get new ones."),
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
    "mail_failed": lazy_gettext("We could not send the email. Press “Send it again”."),
    "mail_slow": lazy_gettext(
        "The email has not left yet. Wait a minute, then press “Send it again” if it has not come."
    ),
    "address_bad": lazy_gettext("Enter an email address, like name@example.com."),
    "address_same": lazy_gettext("Use another address than the one you sign in with."),
    "choice": lazy_gettext("Choose one of the two ways."),
    "unsaved": lazy_gettext("Save the codes first, then tick the box."),
    "password": lazy_gettext("That password does not match."),
    "password_weak": lazy_gettext("%(why)s"),
    "pair": lazy_gettext("That email and password do not match."),
    "busy": lazy_gettext("We are very busy at the moment. Wait a few seconds, then try again."),
    "password_wait": lazy_gettext("Too many tries. Wait until %(time)s, then try again."),
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
    def is_busy(self) -> bool:
        """Whether nothing was read for want of a place: what was typed may be right."""
        return self.reason == "busy"

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
