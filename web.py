"""What every page needs: headers, page or fragment, redirects, error pages.

The header names of htmx occur in this file only.
"""

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import (
    Flask,
    Response,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
)
from flask_babel import format_datetime, gettext, ngettext
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from htmx_flask import request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.routing import IntegerConverter, Map, UnicodeConverter, ValidationError

import bounds
import clock
import logs

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "object-src 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": with that Chromium sends "Origin: null" and Flask-WTF
    # refuses every POST over https for want of a Referer.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), clipboard-write=(self)",
}
VERSIONED = "public, max-age=31536000, immutable"
"""How long a static file is kept under an address that names its version: a year."""
UNVERSIONED = "public, max-age=60, must-revalidate"
"""Under any other address it may be another one after the next upgrade."""

RETRY_SECONDS = "5"
"""When to ask again after a 503 that names no other time."""


class RowNumber(IntegerConverter):
    """The number of a row in an address, as every database holds it: below 2^31."""

    regex = "[1-9][0-9]{0,9}"

    def __init__(self, map: Map) -> None:
        super().__init__(map, max=bounds.LARGEST_ROW)


class PlainPart(UnicodeConverter):
    """A part of an address without NUL, which PostgreSQL can't even look for."""

    def to_python(self, value: str) -> str:
        if "\0" in value:
            raise ValidationError
        return str(super().to_python(value))


def is_fragment() -> bool:
    """Tell whether htmx asks, so that a fragment is the answer."""
    return bool(request.htmx)


def render(template: str, status: int = 200, **values: Any) -> Response:
    """Answer with a template: within the page, or alone as a fragment for htmx."""
    layout = "layouts/fragment.html" if is_fragment() else "layouts/page.html"
    return make_response(render_template(template, layout=layout, **values), status)


def go(url: str) -> Response:
    """Send the person to another page after a POST, or out of a place they may not enter."""
    if is_fragment():
        return Response(status=204, headers={"HX-Redirect": url})
    return _see_other(url)


def turn_away(url: str, status: int) -> Response:
    """Send away somebody who may not enter; for htmx with a status that says so."""
    if is_fragment():
        return Response(status=status, headers={"HX-Redirect": url})
    return _see_other(url)


def _see_other(url: str) -> Response:
    answer = redirect(url, 303)
    return make_response(answer)


def is_safe_path(url: str | None) -> bool:
    """Tell whether `url` is a plain path of ours (S-150): no scheme, host or trick."""
    if not url or len(url) > bounds.PATH or not url.startswith("/") or url.startswith("//"):
        return False
    if any(sign in url for sign in "\\\r\n\t\0") or not url.isprintable() or "%09" in url:
        return False
    parts = urlsplit(url)
    return not parts.scheme and not parts.netloc


def moment(at: datetime) -> Markup:
    """Return a time with its zone, which the script turns into local time."""
    at = at.astimezone(UTC)
    text = format_datetime(at, "d MMMM y, HH:mm") + " UTC"
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), text)


def span(minutes: int) -> str:
    """Return a length of time as people say it: minutes, from 100 on hours."""
    if minutes < 100:
        return str(ngettext("%(num)s minute", "%(num)s minutes", minutes))
    return str(ngettext("%(num)s hour", "%(num)s hours", round(minutes / 60)))


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value)
    return span(value) if name == "minutes" else value


def sentence(refusal: Any) -> Markup:
    """Return the text of a refusal with its values filled in, times included."""
    values = {k: _shown(k, v) for k, v in refusal.values.items()}
    return Markup(str(refusal.text)) % values  # noqa: S704  # our own sentence; values are escaped


def _secure(response: Response) -> Response:
    response.headers.update(HEADERS)
    if policy := g.get("policy"):
        response.headers["Content-Security-Policy"] = policy
    if current_app.config["SESSION_COOKIE_SECURE"]:
        response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    if response.status_code == 503:
        response.headers.setdefault("Retry-After", RETRY_SECONDS)
    if request.endpoint == "static" and response.status_code in {200, 206, 304}:
        response.headers["Cache-Control"] = VERSIONED if _is_versioned() else UNVERSIONED
        return response
    response.headers["Cache-Control"] = "no-store"
    response.vary.update(["Cookie", "HX-Request"])
    return response


def error_page(code: int, text: str | None = None) -> Response:
    """Return our own page for a status; it never says more than the status means."""
    # After a fault nobody is looked up: the database may be what is broken.
    values: dict[str, Any] = {"code": code, "text": text, "layout_name": "error"}
    if code >= 500:
        values |= {"me": None, "reference": logs.reference()}
    return render("error.html", code, **values)


def _http_error(error: HTTPException) -> Response:
    code = error.code or 500
    if error.response is not None or code < 400:
        return make_response(error.get_response())
    if isinstance(error, SecurityError):
        # Under a Host that is not ours no address can be built, so no page of ours either.
        return Response("This address is not served here.\n", code, mimetype="text/plain")
    page = error_page(code)
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            page.headers[name] = value
    return page


def _csrf_error(error: CSRFError) -> Response:
    """Show the form again with a sentence; nothing was changed."""
    text = gettext("This page was open for too long, so nothing was changed. Please try again.")
    view = None
    if request.blueprint in {"signin", "challenge", "proof"} and not is_fragment():
        view = current_app.view_functions.get(f"{request.blueprint}.show")
    if view is None:
        return error_page(400, text)
    g.notice = text
    answer = make_response(view())
    answer.status_code = 400 if answer.status_code == 200 else answer.status_code
    return answer


def not_now() -> Response:
    """Answer that the database fails us now, and that another try may work soon.

    For htmx that is said above the form, which stays as it was filled in.
    """
    if not is_fragment():
        return error_page(503)
    page = make_response(render_template("not_now.html", reference=logs.reference()), 503)
    page.headers.update({"HX-Retarget": "#notice", "HX-Reswap": "innerHTML"})
    return page


def unforeseen(error: Exception) -> Response:
    """Answer what nobody has thought of, and leave its traceback in the log."""
    current_app.logger.error("unforeseen %s", type(error).__name__, exc_info=error)
    return error_page(500)


def _content_mark(folder: str, name: str) -> str:
    """Return the version of a file as it is now: an upgrade may replace it under a server."""
    file = Path(folder) / name
    try:
        now = file.stat()
    except OSError:
        return ""
    return _hash_of(file, now.st_mtime_ns, now.st_size)


@lru_cache(maxsize=100)
def _hash_of(file: Path, changed_ns: int, size: int) -> str:
    return sha256(file.read_bytes()).hexdigest()[:12]


def _is_versioned() -> bool:
    """Tell whether the address of a static file that was found names the version it has."""
    name = str((request.view_args or {})["filename"])
    return _content_mark(str(current_app.static_folder), name) in request.args.getlist("v")


def _mark_static(endpoint: str, values: dict[str, Any]) -> None:
    """Let the address of a static file change with its content."""
    if endpoint == "static":
        values["v"] = _content_mark(str(current_app.static_folder), values["filename"])


def init_app(app: Flask) -> None:
    """Give the application its headers, error pages and template helpers."""
    app.after_request(_secure)
    app.url_map.converters |= {"int": RowNumber, "default": PlainPart}
    app.url_defaults(_mark_static)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(CSRFError, _csrf_error)
    app.register_error_handler(Exception, unforeseen)
    app.jinja_env.filters |= {"moment": moment, "sentence": sentence}
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.context_processor(lambda: {"me": current_user, "now": clock.now()})
