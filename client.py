"""Who asks: the browser, system and address of the request, for mails, lists and the log."""

import platform

from flask import has_request_context, request
from flask_babel import gettext


def browser_and_system() -> tuple[str, str]:
    """Return the names of the browser and system that ask, as people call them."""
    if not has_request_context():
        return gettext("the command line"), platform.node()
    agent = request.headers.get("User-Agent", "")
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
        browser = "Safari" if "Safari" in agent else gettext("Unknown browser")
    return browser, next(
        (name for mark, name in systems.items() if mark in agent),
        gettext("unknown system"),
    )


def address() -> str:
    """Return the address that the request comes from, as configured proxies tell it."""
    return (request.remote_addr or "") if has_request_context() else ""
