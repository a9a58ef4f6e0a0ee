"""Every setting of Onward, once: its name, default, unit and meaning.

A setting NAME is read from the environment as ONWARD_NAME, else from
`onward.toml` in the instance folder as `name = …`, else it has its default.
The providers of SSO are tables of their own: see providers.py. The keys are no
settings: see key_files.py.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import providers
import setting_names
import setting_rules

Value = str | int | bool
MOST_DIGITS = 18
"""Digits of a number that are read."""
ON = ("1", "true", "yes", "on")
OFF = ("0", "false", "no", "off", "")
LEAST_EVENTS, LEAST_SIGN_INS, LEAST_MAILS = 100, 31, 2
"""Days below which something that is shown or limited would become wrong."""
MOST_KEPT = 3650
"""Days that rows are kept at most."""


class SettingError(RuntimeError):
    """A setting has a value that Onward can't work with; the text says which."""


@dataclass(frozen=True)
class Setting:
    """One thing an operator can set."""

    name: str
    default: Value
    meaning: str
    least: int = 0
    most: int = 0
    """The bounds of a number, both included."""

    def read(self, raw: object) -> Value:
        """Return `raw` as the type of the default; raise SettingError if it isn't one."""
        if isinstance(self.default, bool):
            word = str(raw).strip().lower()
            if word not in {*ON, *OFF}:
                raise SettingError(self.wanted)
            return word in ON
        if isinstance(self.default, int):
            written = str(raw).strip()
            if not written.isascii() or not written.isdigit() or len(written) > MOST_DIGITS:
                raise SettingError(self.wanted)
            return int(written)
        if not isinstance(raw, str):
            raise SettingError(self.wanted)
        return raw

    @property
    def wanted(self) -> str:
        """The sentence about a value that can't be used."""
        if isinstance(self.default, bool):
            return f"ONWARD_{self.name} must be one of {', '.join(ON)}, {', '.join(OFF[:-1])}."
        if isinstance(self.default, str):
            return f"ONWARD_{self.name} must be text."
        return f"ONWARD_{self.name} must be a whole number from {self.least} to {self.most}."

    def raise_unfit(self, value: object) -> None:
        """Raise SettingError for another type or a number out of bounds, wherever it came from."""
        fits = type(value) is type(self.default)
        if fits and type(value) is int:
            fits = self.least <= value <= self.most
        if not fits:
            raise SettingError(self.wanted)


SETTINGS = (
    Setting(
        "DATABASE_URL",
        "",
        "SQLAlchemy address; empty: onward.sqlite in the instance folder",
    ),
    Setting(
        "DATABASE_WAIT", 5, "seconds that a page waits for the database, then it says so", 1, 600
    ),
    Setting("DATABASE_CONNECT_WAIT", 2, "seconds that connecting to PostgreSQL may take", 2, 600),
    Setting(
        "DATABASE_WAITERS",
        4,
        "pages of one process that wait so long; at most half of its threads",
        1,
        1000,
    ),
    Setting("HEALTH_SECONDS", 10, "seconds between two looks of /health/ready", 1, 3600),
    Setting(
        "START_WAIT",
        30,
        "seconds that a start waits for a database that can't be reached",
        most=60,
    ),
    Setting(
        "MARK_FILE",
        "",
        "file by which an old copy of the database is noticed; empty: mark in the instance folder",
    ),
    Setting(
        "BASE_URL",
        "http://127.0.0.1:5000",
        "address that people open; links use only this",
    ),
    Setting("LOG", "text", "form of the log: text, or json for one JSON object a line"),
    Setting("ISSUER", "Onward", "name of the product in texts and in authenticator apps"),
    Setting(
        "PROXY_HOPS",
        0,
        "how many proxies of yours stand in front and are to be believed",
        most=100,
    ),
    Setting(
        "MAIL_SERVER",
        "",
        "SMTP host; empty: mails land as .eml in outbox/ of the instance",
    ),
    Setting("MAIL_PORT", 25, "SMTP port", 1, 65535),
    Setting("MAIL_USE_TLS", False, "STARTTLS, certificate verified"),
    Setting("MAIL_USE_SSL", False, "TLS from the first byte, certificate verified"),
    Setting("MAIL_USERNAME", "", "SMTP user"),
    Setting("MAIL_PASSWORD", "", "SMTP password"),
    Setting("MAIL_DEFAULT_SENDER", "Onward <onward@localhost>", "From: of every mail"),
    Setting("MAIL_REPLY_TO", "", "Reply-To: of every mail; empty: the sender"),
    Setting("MAIL_TIMEOUT", 10, "seconds that sending one mail may take, all in all", 1, 3600),
    Setting("MAIL_WAIT", 5, "seconds that a page waits for the mail with its code", 1, 600),
    Setting(
        "MAIL_WAITERS",
        4,
        "pages of one process that wait so; at most half of its threads",
        1,
        1000,
    ),
    Setting("EVENTS_DAYS", 730, "days that the log keeps an event", LEAST_EVENTS, MOST_KEPT),
    Setting(
        "ADDRESSES_DAYS", 90, "days that it keeps the network address of an event", 1, MOST_KEPT
    ),
    Setting(
        "SIGN_INS_DAYS", 90, "days that a sign-in that ended is kept", LEAST_SIGN_INS, MOST_KEPT
    ),
    Setting(
        "MAILS_DAYS", 30, "days that a mail that left or failed is kept", LEAST_MAILS, MOST_KEPT
    ),
    Setting("PASSWORD_TIME_COST", 2, "argon2id passes (OWASP: 2 with 19 MiB)", 1, 1000),
    Setting("PASSWORD_MEMORY_KIB", 19456, "argon2id memory, KiB", 8, 4 * 1024 * 1024),
    Setting(
        "PASSWORD_PLACES",
        0,
        "passwords that this machine hashes at once; 0: as many as it has cores, and at least two",
        0,
        1000,
    ),
    Setting(
        "PASSWORD_WAITERS",
        4,
        "strangers of one process whose passwords are hashed or wait; at most half of its threads",
        1,
        1000,
    ),
    Setting("PASSWORD_WAIT", 5, "seconds that a password waits to be hashed", 0, 60),
)


def load(instance: Path, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return every setting by name, from environment, onward.toml and defaults.

    Raises SettingError for a value that can't be used, and for a name that is not a setting.
    """
    environ = os.environ if environ is None else environ
    stored = _stored(instance / "onward.toml")
    if sentence := setting_names.unknown((one.name for one in SETTINGS), environ, stored):
        raise SettingError(sentence)
    try:
        values: dict[str, Any] = {"PROVIDERS": providers.read(stored, environ)}
    except providers.ProviderError as error:
        raise SettingError(str(error)) from None
    for setting in SETTINGS:
        raw = environ.get(f"ONWARD_{setting.name}", stored.get(setting.name.lower()))
        values[setting.name] = setting.default if raw is None else setting.read(raw)
    return values


def _stored(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    except (ValueError, OSError) as error:
        raise SettingError(f"{file.name} can't be read: {error}") from None


def check(values: Mapping[str, object]) -> None:
    """Raise SettingError if a setting is not what it must be, or they contradict each other.

    The start and `doctor` both call this.
    """
    for setting in SETTINGS:
        setting.raise_unfit(values.get(setting.name, setting.default))
    if sentence := setting_rules.told(values):
        raise SettingError(sentence)
