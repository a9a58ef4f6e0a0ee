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
from urllib.parse import urlsplit

import providers
from web_address import is_loopback

Value = str | int | bool


class SettingError(RuntimeError):
    """A setting has a value that Onward can't work with; the text says which."""


@dataclass(frozen=True)
class Setting:
    """One thing an operator can set."""

    name: str
    default: Value
    meaning: str

    def read(self, raw: object) -> Value:
        """Return `raw` as the type of the default; raise SettingError if it isn't one."""
        if isinstance(self.default, bool):
            return str(raw).strip().lower() in {"1", "true", "yes", "on"}
        if isinstance(self.default, int):
            try:
                return int(str(raw))
            except ValueError:
                raise SettingError(f"ONWARD_{self.name} must be a whole number.") from None
        return str(raw)


SETTINGS = (
    Setting(
        "DATABASE_URL",
        "",
        "SQLAlchemy address; empty: onward.sqlite in the instance folder",
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
    ),
    Setting(
        "MAIL_SERVER",
        "",
        "SMTP host; empty: mails land as .eml in outbox/ of the instance",
    ),
    Setting("MAIL_PORT", 25, "SMTP port"),
    Setting("MAIL_USE_TLS", False, "STARTTLS, certificate verified"),
    Setting("MAIL_USE_SSL", False, "TLS from the first byte, certificate verified"),
    Setting("MAIL_USERNAME", "", "SMTP user"),
    Setting("MAIL_PASSWORD", "", "SMTP password"),
    Setting("MAIL_DEFAULT_SENDER", "Onward <onward@localhost>", "From: of every mail"),
    Setting("MAIL_REPLY_TO", "", "Reply-To: of every mail; empty: the sender"),
    Setting("MAIL_TIMEOUT", 10, "seconds that sending one mail may take, all in all"),
    Setting("MAIL_WAIT", 5, "seconds that a page waits for the mail with its code"),
    Setting("MAIL_WAITERS", 4, "pages of one process that wait so; at most half of its threads"),
    Setting("PASSWORD_TIME_COST", 2, "argon2id passes (OWASP: 2 with 19 MiB)"),
    Setting("PASSWORD_MEMORY_KIB", 19456, "argon2id memory, KiB"),
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
    base = urlsplit(str(values["BASE_URL"]))
    if base.scheme not in {"http", "https"} or not base.hostname or base.path.strip("/"):
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
    for name in ("MAIL_TIMEOUT", "MAIL_WAIT", "MAIL_WAITERS"):
        if int(str(values.get(name, 1))) < 1:
            raise SettingError(f"ONWARD_{name} must be at least 1.")
    for name in ("ISSUER", "MAIL_DEFAULT_SENDER", "MAIL_REPLY_TO"):
        # Both become headers of a mail, where a line break begins the next one (S-080).
        if not str(values.get(name, "")).isprintable():
            raise SettingError(f"ONWARD_{name} must be one line of plain text.")
