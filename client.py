"""Who asks: the browser, system and address of the request, for mails, lists and the log."""

import ipaddress
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from flask import has_request_context, request
from flask_babel import gettext

import bounds

_pretended: ContextVar[str | None] = ContextVar("agent", default=None)
_origin: ContextVar[str | None] = ContextVar("origin", default=None)


@contextmanager
def pretending(agent: str, origin: str | None = None) -> Iterator[None]:
    """Let whatever the block writes be caused by this browser, at this address.

    For samples of mails, and for what is done after the request that asked for it.
    """
    token, other = _pretended.set(agent), _origin.set(origin)
    try:
        yield
    finally:
        _pretended.reset(token)
        _origin.reset(other)


def is_known() -> bool:
    """Tell whether somebody at a browser asks, and not the machine itself."""
    return _agent() is not None


def _agent() -> str | None:
    pretended = _pretended.get()
    if pretended is None and has_request_context():
        return request.headers.get("User-Agent", "")
    return pretended


def browser_and_system() -> tuple[str, str]:
    """Return the names of the browser and system that ask, as people call them."""
    agent = _agent()
    if agent is None:
        return gettext("the command line"), platform.node()[: bounds.ORIGIN]
    browsers = {"Edg": "Edge", "OPR/": "Opera", "Firefox": "Firefox", "Chrom": "Chrome"}
    systems = {
        "iPhone": "iPhone",
        "iPad": "iPad",
        "Android": "Android",
        "Windows": "Windows",
    }
    systems |= {"Mac OS": "macOS", "CrOS": "ChromeOS", "Linux": "Linux"}
    browser = next((name for mark, name in browsers.items() if mark in agent), None)
    if browser is None:
        browser = "Safari" if "Safari" in agent else gettext("an unknown browser")
    return browser, next(
        (name for mark, name in systems.items() if mark in agent),
        gettext("an unknown system"),
    )


def address() -> str:
    """Return the address that the request comes from, as configured proxies tell it."""
    if (origin := _origin.get()) is not None:
        return origin
    told = (request.remote_addr or "") if has_request_context() else ""
    return told if told.isprintable() and len(told) <= bounds.ORIGIN else gettext("unreadable")


def network() -> str:
    """Return the network of that address: all of an IPv4 address, the /64 of an IPv6 one (S-101).

    Whoever has an IPv6 address has 2^64 of them. A port, which some proxies add, is left out.
    """
    told = address()
    with_port = re.fullmatch(r"\[(.+)\](?::\d+)?|([\d.]+):\d+", told)
    bare = next(filter(None, with_port.groups())) if with_port else told
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return told
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            return str(ipaddress.IPv6Network((int(found), 64), strict=False))
        found = found.ipv4_mapped
    return str(found)
