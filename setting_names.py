"""Which names are settings, so that a misspelt one is told instead of being passed over."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

PREFIX = "ONWARD_"
OTHERS = ("INSTANCE", "PROVIDERS")
"""What an operator sets besides the table of settings."""
SECRETS = re.compile(r"KEY_(SEAL|PEPPER|SIGNING)(_[1-9][0-9]{0,5})?|SSO_[A-Z0-9_]+")
"""Keys, and client secrets of SSO as docs/sso.md names them."""
TOOLS = {"DEVELOPMENT", "DRILL", "SNAPSHOTS"}
"""What `make` sets for itself."""


def unknown(
    names: Iterable[str], environ: Mapping[str, str], stored: Mapping[str, Any]
) -> str | None:
    """Return the sentence about a variable or a key of onward.toml that is not a setting, or None.

    `names` are those of the table of settings.
    """
    known = [*names, *OTHERS]
    named = _secrets_of(stored, environ.get("ONWARD_PROVIDERS", ""))
    for variable in sorted(environ):
        name = variable.removeprefix(PREFIX)
        is_ours = variable.startswith(PREFIX) and variable not in named
        if is_ours and name not in {*known, *TOOLS} and not SECRETS.fullmatch(name):
            return _told(variable, name, PREFIX, known)
    keys = [name.lower() for name in known if name != "INSTANCE"]
    for key in stored:
        if key not in keys:
            return _told(f"{key} in onward.toml", key.lower(), "", keys)
    return None


def _secrets_of(stored: Mapping[str, Any], written: str) -> set[str]:
    """Return the variables in which providers have their secrets; their shape is read later."""
    tables = stored.get("providers")
    tables = tables if isinstance(tables, list) else []
    named = {str(one.get("client_secret_env")) for one in tables if isinstance(one, dict)}
    return named | set(re.findall(r'"client_secret_env"\s*:\s*"(\w+)"', written))


def _told(what: str, name: str, prefix: str, known: list[str]) -> str:
    nearest = get_close_matches(name, known, n=1)
    meant = f" Do you mean {prefix}{nearest[0]}?" if nearest else ""
    return f"{what} is not a setting.{meant}"
