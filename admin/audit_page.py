"""The audit log as a page and as a file."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

import bounds
import clock
import web
from accounts import events
from accounts.event_names import NAMES
from accounts.models import Account
from accounts.visitor import me
from admin import access, audit, sheet
from admin.access import desk
from admin.audit import Choice
from db import db
from fields import number, plain

bp = Blueprint("audit", __name__)


@bp.get("/audit")
def show() -> Response:
    """Show the newest events, all or those of one kind, person or time."""
    return _page(_choice(request.args))


@bp.post("/audit/search")
def search() -> Response:
    """Answer the filter with its page: whose name is looked for stands in no address (S-137)."""
    return _page(_choice(request.form))


@bp.post("/audit.csv")
def export() -> Response:
    """Send all wanted events as a file, and note who took it."""
    choice, at = _choice(request.form), clock.now()
    _person(choice)
    events.record("audit log exported", me().account.id, at, organisation=desk().organisation.id)
    db.session.commit()
    header = ["when", "email", "name", "event", "factor", "result", "reason"]
    header += ["by", "address", "browser", "system"]
    return sheet.download(f"audit-log-{at:%Y-%m-%d}", header, _lines(choice))


def _page(choice: Choice) -> Response:
    return web.render(
        "admin/audit.html",
        choice=choice,
        person=_person(choice),
        page=audit.page(choice),
        names=NAMES,
    )


def _lines(choice: Choice) -> Iterator[tuple[Any, ...]]:
    for row in audit.everything(choice):
        by = "another organisation" if row.by_foreigner else row.by_email
        told = (row.kind, row.factor, row.result, row.reason, by)
        yield (row.at, row.email, row.name, *told, row.address, row.browser, row.system)


def _choice(sent: MultiDict[str, str]) -> Choice:
    """Read the filter; what can't be read is left out."""
    days: dict[str, date | None] = {"since": None, "until": None}
    for name in days:
        with suppress(ValueError):
            # A day before the calendar's end, so that the one after it exists too.
            days[name] = min(date.fromisoformat(sent.get(name, "")), date(9000, 1, 1))
    return Choice(
        desk().organisation.id,
        kind=plain(sent.get("kind", "")),
        account_id=number(sent.get("person"), bounds.LARGEST_ROW),
        search=plain(sent.get("search", "")) if sent is request.form else "",
        since=days["since"],
        until=days["until"],
        before=number(sent.get("before"), bounds.LARGEST_ROW),
    )


def _person(choice: Choice) -> Account | None:
    """Return the one person whose events are wanted; foreign ones do not exist here."""
    return access.person(choice.account_id)[0] if choice.account_id is not None else None
