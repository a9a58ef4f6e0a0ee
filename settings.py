"""Every setting of Onward, once: its name, default, unit and meaning.

A setting NAME is read from the environment as ONWARD_NAME, else from
`onward.toml` in the instance folder as `name = …`, else it has its default.
The providers of SSO are tables of their own: see providers.py. The keys are no
settings: see keys.py.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import providers
from web_address import is_loopback

Value = str | int | bool
MOST_DIGITS = 18
"""Digits of a number that are read."""
LONGEST_ISSUER = 100
"""Characters of the product's name: a QR code holds it twice."""


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
            return str(raw).strip().lower() in {"1", "true", "yes", "on"}
        if isinstance(self.default, int):
            written = str(raw).strip()
            if not written.isascii() or not written.isdigit() or len(written) > MOST_DIGITS:
                raise SettingError(self.wanted)
            return int(written)
        return str(raw)

    @property
    def wanted(self) -> str:
        """The sentence about a number that can't be used."""
        return f"ONWARD_{self.name} must be a whole number from {self.least} to {self.most}."

    def raise_unfit(self, value: object) -> None:
        """Raise SettingError for a number out of bounds, wherever it came from."""
        is_number = isinstance(self.default, int) and not isinstance(self.default, bool)
        if is_number and not (type(value) is int and self.least <= value <= self.most):
            raise SettingError(self.wanted)


SETTINGS = (
    Setting(
        "DATABASE_URL",
        "",
        "SQLAlchemy address; empty: onward.sqlite in the instance folder",
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
    Setting("PASSWORD_TIME_COST", 2, "argon2id passes (OWASP: 2 with 19 MiB)", 1, 1000),
    Setting("PASSWORD_MEMORY_KIB", 19456, "argon2id memory, KiB", 8, 4 * 1024 * 1024),
    Setting(
        "PASSWORD_PLACES",
        0,
        "passwords that this machine hashes at once; 0: as many as it has cores",
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

    Raises SettingError for a value that can't be used.
    """
    environ = os.environ if environ is None else environ
    file = instance / "onward.toml"
    try:
        stored = tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise SettingError(f"{file.name} can't be read: {error}") from None
    try:
        values: dict[str, Any] = {"PROVIDERS": providers.read(stored, environ)}
    except providers.ProviderError as error:
        raise SettingError(str(error)) from None
    for setting in SETTINGS:
        raw = environ.get(f"ONWARD_{setting.name}", stored.get(setting.name.lower()))
        values[setting.name] = setting.default if raw is None else setting.read(raw)
    return values


def check(values: Mapping[str, object]) -> None:
    """Raise SettingError if the settings contradict themselves or the standards."""
    for setting in SETTINGS:
        setting.raise_unfit(values.get(setting.name, setting.default))
    base = _split(str(values["BASE_URL"]))
    if base is None or base.scheme not in {"http", "https"} or base.path.strip("/"):
        raise SettingError(
            "ONWARD_BASE_URL must be like https://sign-in.example.org, without a path."
        )
    if not base.netloc.isascii():
        # Browsers send Host in the ASCII form, and headers of a mail hold no other.
        raise SettingError("ONWARD_BASE_URL must be in ASCII: write ü and the like as xn--….")
    if base.scheme == "http" and not is_loopback(str(values["BASE_URL"])):
        raise SettingError("ONWARD_BASE_URL must begin with https:// unless it is this machine.")
    if ":" in str(values["ISSUER"]) or not str(values["ISSUER"]).strip():
        # Key URI Format: the label is "issuer:account", so a colon would split it wrongly (S-022).
        raise SettingError("ONWARD_ISSUER must not be empty and must not hold a colon.")
    if len(str(values["ISSUER"])) > LONGEST_ISSUER:
        raise SettingError(f"ONWARD_ISSUER must have at most {LONGEST_ISSUER} characters.")
    for name in ("ISSUER", "MAIL_DEFAULT_SENDER", "MAIL_REPLY_TO"):
        # Both become headers of a mail, where a line break begins the next one (S-080).
        if not str(values.get(name, "")).isprintable():
            raise SettingError(f"ONWARD_{name} must be one line of plain text.")


def _split(url: str) -> SplitResult | None:
    """Return the parts of an address that has a host, and a port that exists, or None."""
    try:
        parts = urlsplit(url)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None
