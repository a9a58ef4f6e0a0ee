"""What settings must be beyond their type: one function a rule, each with its sentence."""

from collections.abc import Callable, Mapping
from email.utils import parseaddr
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from logs import FORMATS
from web_address import is_loopback

Values = Mapping[str, object]
LONGEST_ISSUER = 100
"""Characters of the product's name: a QR code holds it twice."""
DATABASES = {"sqlite", "postgresql", "postgresql+psycopg"}


def told(values: Values) -> str | None:
    """Return the sentence about the first setting that can't be used, or None."""
    return next((sentence for rule in RULES if (sentence := rule(values))), None)


def _base_url(values: Values) -> str | None:
    address = str(values["BASE_URL"])
    base = _split(address)
    if base is None or base.scheme not in {"http", "https"} or base.path.strip("/"):
        return "ONWARD_BASE_URL must be like https://sign-in.example.org, without a path."
    if not base.netloc.isascii():
        # Browsers send Host in the ASCII form, and headers of a mail hold no other.
        return "ONWARD_BASE_URL must be in ASCII: write ü and the like as xn--…."
    if base.scheme == "http" and not is_loopback(address):
        return "ONWARD_BASE_URL must begin with https:// unless it is this machine."
    return None


def _issuer(values: Values) -> str | None:
    issuer = str(values["ISSUER"])
    if ":" in issuer or not issuer.strip():
        # Key URI Format: the label is "issuer:account", so a colon would split it wrongly (S-022).
        return "ONWARD_ISSUER must not be empty and must not hold a colon."
    if len(issuer) > LONGEST_ISSUER:
        return f"ONWARD_ISSUER must have at most {LONGEST_ISSUER} characters."
    return None


def _log(values: Values) -> str | None:
    return None if values["LOG"] in FORMATS else f"ONWARD_LOG must be {' or '.join(FORMATS)}."


def _lines(values: Values) -> str | None:
    for name in ("ISSUER", "MAIL_DEFAULT_SENDER", "MAIL_REPLY_TO"):
        # All become headers of a mail, where a line break begins the next one (S-080).
        if not str(values.get(name, "")).isprintable():
            return f"ONWARD_{name} must be one line of plain text."
    return None


def _addresses(values: Values) -> str | None:
    for name in ("MAIL_DEFAULT_SENDER", "MAIL_REPLY_TO"):
        written = str(values.get(name, ""))
        local, _, domain = parseaddr(written)[1].rpartition("@")
        if not (local and domain) and (written or name != "MAIL_REPLY_TO"):
            return f"ONWARD_{name} must hold an address, like Example <sign-in@example.org>."
    return None


def _mail_server(values: Values) -> str | None:
    server = str(values.get("MAIL_SERVER", ""))
    is_odd = any(one in server for one in " /@[]") or not server.isprintable()
    if is_odd or (":" in server and not _is_address(server)):
        return "ONWARD_MAIL_SERVER must be a host alone; its port is ONWARD_MAIL_PORT."
    if values.get("MAIL_USE_TLS") and values.get("MAIL_USE_SSL"):
        return "Set ONWARD_MAIL_USE_TLS or ONWARD_MAIL_USE_SSL, not both."
    return None


def _database(values: Values) -> str | None:
    address = str(values.get("DATABASE_URL", ""))
    try:
        fits = not address or make_url(address).drivername in DATABASES
    except (ArgumentError, ValueError):
        fits = False
    # The address may hold a password: it is not shown.
    return None if fits else "ONWARD_DATABASE_URL must be like postgresql://user@host/database."


def _lives(values: Values) -> str | None:
    addresses, events = (int(str(values[name])) for name in ("ADDRESSES_DAYS", "EVENTS_DAYS"))
    if addresses > events:
        return "ONWARD_ADDRESSES_DAYS must not be more than ONWARD_EVENTS_DAYS."
    return None


def _split(url: str) -> SplitResult | None:
    """Return the parts of an address that has a host, and a port that exists, or None."""
    try:
        parts = urlsplit(url)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


RULES: tuple[Callable[[Values], str | None], ...] = (
    _base_url,
    _issuer,
    _log,
    _lines,
    _addresses,
    _mail_server,
    _database,
    _lives,
)
