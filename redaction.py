"""What may stand in a log of a message or an exception: ids, but nobody's data (S-137).

Data gets into logs through the text of exceptions: PostgreSQL quotes the whole row that a
constraint refused, and many ValueErrors repeat what somebody typed.
"""

import re
import traceback
from collections.abc import Iterator
from ipaddress import ip_address

from jinja2 import UndefinedError

LONGEST = 500
"""Characters of an exception's text that are kept."""
OF_CODE = (AttributeError, ImportError, NameError, TypeError, UndefinedError)
"""Exceptions that quote names of the code rather than values."""
MAIL = re.compile(r"""[^\s@<>"'(),;:=\[\]]+@[^\s@<>"'(),;:=\[\]]+""")
NETWORK = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)(?!\w)")
TOKEN = re.compile(r"[\w-]{32,}")
SECRET = re.compile(rf"(?<![\w.])\d{{6,8}}(?!\w)|{TOKEN.pattern}")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”")


def masked(text: str) -> str:
    """Return a text on one line, without mail addresses, tokens, and network addresses but our own.

    Flask and gunicorn write the path of a request that they can't answer: it may hold a link.
    """
    line = "".join(one if one.isprintable() else " " for one in text)
    return NETWORK.sub(_network, MAIL.sub("[address]", TOKEN.sub("[secret]", line)))


def _network(match: re.Match[str]) -> str:
    for written in (match[0], match[0].rstrip(".:")):  # a sentence may go on with a colon
        try:
            found = ip_address(written)
        except ValueError:
            continue
        return match[0] if found.is_loopback or found.is_unspecified else "[network address]"
    return match[0]


def said(error: BaseException) -> str:
    """Return what an exception says, without values: of a database its own sentence alone."""
    source = getattr(error, "orig", None) or error
    # Its DETAIL, which psycopg puts on the lines below, holds the refused row.
    primary = getattr(getattr(source, "diag", None), "message_primary", None)
    if primary is not None:
        return f"{type(source).__name__}: {_kept(str(primary))}"
    if source is not error:
        return f"{type(source).__name__}: {_kept(str(source).partition(chr(10))[0])}"
    text = str(error)
    return _kept(text if isinstance(error, OF_CODE) else QUOTED.sub("'…'", text))


def _kept(text: str) -> str:
    return SECRET.sub("[secret]", masked(text))[:LONGEST]


def trace(error: BaseException) -> str:
    """Return the traceback of an exception and of those that led to it, the first one first."""
    return "\nThat led to:\n".join(map(_part, _chain(error)))


def _part(error: BaseException) -> str:
    kind = type(error)
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"Traceback:\n{frames}{kind.__module__}.{kind.__qualname__}: {said(error)}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return reversed(links)
