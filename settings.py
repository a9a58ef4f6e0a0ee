"""Every setting of Onward, once: its name, default, unit and meaning.

A setting NAME is read from the environment as ONWARD_NAME, else from
`onward.toml` in the instance folder as `name = …`, else it has its default.
The providers of SSO are tables of their own: `[[providers]]`, or
ONWARD_PROVIDERS with the same as a JSON list. The keys are no settings: see keys.py.
"""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Value = str | int | bool
PROVIDER_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
"""It stands in addresses and in the audit log."""


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


@dataclass(frozen=True)
class Provider:
    """One OpenID provider that people may sign in with; docs/sso.md explains each key."""

    id: str
    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    organisations: tuple[str, ...]
    create_people: bool = False
    require_amr: tuple[str, ...] = ()
    require_acr: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    email_verified_claim: str = "email_verified"

    @classmethod
    def read(cls, table: Any, environ: Mapping[str, str]) -> "Provider":
        """Return the provider of one table; raise SettingError, also for a key nobody knows.

        A misspelt `require_amr` would else quietly exempt everybody.
        """
        if not isinstance(table, dict):
            raise SettingError("Each of the providers must be a table.")
        values, where = dict(table), f"The provider {table.get('id', '')!r}"
        if (name := values.pop("client_secret_env", None)) is not None:
            if "client_secret" in values or not environ.get(str(name)):
                raise SettingError(
                    f"{where}: set {name} in the environment, and no client_secret beside it."
                )
            values["client_secret"] = environ[str(name)]
        kinds: dict[str, object] = {one.name: one.type for one in fields(cls)}
        if unknown := sorted(set(values) - set(kinds)):
            raise SettingError(f"{where} has a key that nobody knows: {', '.join(unknown)}.")
        for key, value in values.items():
            values[key] = _typed(value, kinds[key], f"{where}: {key}")
        needed = {one.name for one in fields(cls) if one.default is MISSING}
        if missing := sorted(key for key in needed if not values.get(key)):
            raise SettingError(f"{where} lacks {', '.join(missing)}.")
        made = cls(**values)
        made.refuse(where)
        return made

    def refuse(self, where: str) -> None:
        """Raise SettingError for a value that can't be used."""
        if not PROVIDER_ID.fullmatch(self.id):
            raise SettingError(f"{where}: id must be of a-z, 0-9 and dashes, at most 32.")
        if not self.name.isprintable():
            raise SettingError(f"{where}: name must be one line of plain text.")
        if not is_provider_address(self.issuer) or urlsplit(self.issuer).query:
            raise SettingError(
                f"{where}: issuer must begin with https:// unless it is this machine."
            )
        if "openid" not in self.scopes:
            raise SettingError(f"{where}: scopes must hold openid.")


def _typed(value: Any, kind: object, where: str) -> Any:
    """Return `value` if it is of the kind of its field, a list as a tuple."""
    is_list = isinstance(value, list) and all(isinstance(one, str) and one for one in value)
    if kind == tuple[str, ...] and is_list:
        return tuple(value)
    if kind in {str, bool} and type(value) is kind:
        return value
    wanted = {str: "text", bool: "true or false"}.get(kind, "a list of texts")  # type: ignore[call-overload]  # a type, or tuple[str, ...]
    raise SettingError(f"{where} must be {wanted}.")


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
    values: dict[str, Any] = {"PROVIDERS": providers(stored, environ)}
    for setting in SETTINGS:
        raw = environ.get(f"ONWARD_{setting.name}", stored.get(setting.name.lower()))
        values[setting.name] = setting.default if raw is None else setting.read(raw)
    return values


def providers(stored: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Provider]:
    """Return the providers by id, from the environment or onward.toml, in their order."""
    tables = stored.get("providers", [])
    if "ONWARD_PROVIDERS" in environ:
        try:
            tables = json.loads(environ["ONWARD_PROVIDERS"] or "[]")
        except ValueError:
            raise SettingError("ONWARD_PROVIDERS must be a JSON list of tables.") from None
    if not isinstance(tables, list):
        raise SettingError("providers must be a list: write [[providers]] above each.")
    found = [Provider.read(table, environ) for table in tables]
    for key in ("id", "issuer", "name"):
        kept = [getattr(one, key) for one in found]
        if double := next((value for value in kept if kept.count(value) > 1), None):
            raise SettingError(f"Two providers have the {key} {double!r}.")
    return {one.id: one for one in found}


def check(values: Mapping[str, object]) -> None:
    """Raise SettingError if the settings contradict themselves or the standards."""
    base = urlsplit(str(values["BASE_URL"]))
    if base.scheme not in {"http", "https"} or not base.hostname or base.path.strip("/"):
        raise SettingError(
            "ONWARD_BASE_URL must be like https://sign-in.example.org, without a path."
        )
    if base.scheme == "http" and not is_loopback(str(values["BASE_URL"])):
        raise SettingError("ONWARD_BASE_URL must begin with https:// unless it is this machine.")
    if ":" in str(values["ISSUER"]) or not str(values["ISSUER"]).strip():
        # Key URI Format: the label is "issuer:account", so a colon would split it wrongly (S-022).
        raise SettingError("ONWARD_ISSUER must not be empty and must not hold a colon.")
    if int(str(values.get("MAIL_TIMEOUT", 1))) < 1:
        raise SettingError("ONWARD_MAIL_TIMEOUT must be at least 1 second.")
    for name in ("ISSUER", "MAIL_DEFAULT_SENDER", "MAIL_REPLY_TO"):
        # Both become headers of a mail, where a line break begins the next one (S-080).
        if not str(values.get(name, "")).isprintable():
            raise SettingError(f"ONWARD_{name} must be one line of plain text.")


def is_provider_address(url: object) -> bool:
    """Tell whether `url` may be asked for SSO: https, or plain http on this machine."""
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_plain = bool(host) and parts.username is None and not parts.fragment
    return is_plain and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)))


def is_loopback(base_url: str) -> bool:
    """Tell whether only this machine can open `base_url`."""
    host = urlsplit(base_url).hostname or ""
    return host in {"127.0.0.1", "::1", "localhost"} or host.endswith(".localhost")
