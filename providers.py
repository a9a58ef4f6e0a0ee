"""The providers of SSO, as an operator writes them down.

Tables `[[providers]]` in onward.toml, or ONWARD_PROVIDERS with the same as a JSON list.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from web_address import is_secure

PROVIDER_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
"""It stands in addresses and in the audit log."""


LONGEST_ISSUER = 500
"""Characters of an issuer: it is stored with each person who is tied to it."""


class ProviderError(ValueError):
    """A provider can't be worked with as it is written; the text says why."""


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

    @property
    def demands(self) -> bool:
        """Whether more than any sign-in there is demanded."""
        return bool(self.require_amr or self.require_acr)

    @classmethod
    def read(cls, table: Any, environ: Mapping[str, str]) -> "Provider":
        """Return the provider of one table; raise ProviderError, also for a key nobody knows.

        A misspelt `require_amr` would else quietly exempt everybody.
        """
        if not isinstance(table, dict):
            raise ProviderError("Each of the providers must be a table.")
        values, where = dict(table), f"The provider {table.get('id', '')!r}"
        if (name := values.pop("client_secret_env", None)) is not None:
            if "client_secret" in values or not environ.get(str(name)):
                raise ProviderError(
                    f"{where}: set {name} in the environment, and no client_secret beside it."
                )
            values["client_secret"] = environ[str(name)]
        kinds: dict[str, object] = {one.name: one.type for one in fields(cls)}
        if unknown := sorted(set(values) - set(kinds)):
            raise ProviderError(f"{where} has a key that nobody knows: {', '.join(unknown)}.")
        for key, value in values.items():
            values[key] = _typed(value, kinds[key], f"{where}: {key}")
        needed = {one.name for one in fields(cls) if one.default is MISSING}
        if missing := sorted(key for key in needed if not values.get(key)):
            raise ProviderError(f"{where} lacks {', '.join(missing)}.")
        made = cls(**values)
        made.raise_unfit(where)
        return made

    def raise_unfit(self, where: str) -> None:
        """Raise ProviderError for a value that can't be used."""
        if not PROVIDER_ID.fullmatch(self.id):
            raise ProviderError(f"{where}: id must be of a-z, 0-9 and dashes, at most 32.")
        if not self.name.isprintable():
            raise ProviderError(f"{where}: name must be one line of plain text.")
        if len(self.issuer) > LONGEST_ISSUER:
            raise ProviderError(f"{where}: issuer has more than {LONGEST_ISSUER} characters.")
        if not is_secure(self.issuer) or urlsplit(self.issuer).query:
            raise ProviderError(
                f"{where}: issuer must begin with https:// unless it is this machine."
            )
        if "openid" not in self.scopes:
            raise ProviderError(f"{where}: scopes must hold openid.")


def _typed(value: Any, kind: object, where: str) -> Any:
    """Return `value` if it is of the kind of its field, a list as a tuple."""
    is_list = isinstance(value, list) and all(isinstance(one, str) and one for one in value)
    if kind == tuple[str, ...] and is_list:
        return tuple(value)
    if kind in {str, bool} and type(value) is kind:
        return value
    wanted = {str: "text", bool: "true or false"}.get(kind, "a list of texts")  # type: ignore[call-overload]  # a type, or tuple[str, ...]
    raise ProviderError(f"{where} must be {wanted}.")


def read(stored: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Provider]:
    """Return the providers by id, from the environment or onward.toml, in their order."""
    tables = stored.get("providers", [])
    if "ONWARD_PROVIDERS" in environ:
        try:
            tables = json.loads(environ["ONWARD_PROVIDERS"] or "[]")
        except ValueError:
            raise ProviderError("ONWARD_PROVIDERS must be a JSON list of tables.") from None
    if not isinstance(tables, list):
        raise ProviderError("providers must be a list: write [[providers]] above each.")
    found = [Provider.read(table, environ) for table in tables]
    for key in ("id", "issuer", "name"):
        kept = [getattr(one, key) for one in found]
        if double := next((value for value in kept if kept.count(value) > 1), None):
            raise ProviderError(f"Two providers have the {key} {double!r}.")
    return {one.id: one for one in found}
