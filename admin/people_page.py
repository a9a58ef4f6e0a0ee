"""The list of people: who is protected, who is not, and who needs help."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request

import bounds
import clock
import web
from accounts import events
from accounts.visitor import me
from admin import people, sheet
from admin.access import desk
from admin.forms import SearchForm
from admin.people import Choice
from admin.standing import LABELS
from db import db
from fields import number

bp = Blueprint("people", __name__)


@bp.get("/people")
def show() -> Response:
    """Show a page of people, all or those in one state."""
    args = request.args
    return _page(_choice(args.get("state"), "", args.get("after")))


@bp.post("/people/search")
def search() -> Response:
    """Answer a search with its page: what is searched for stands in no address (S-137)."""
    return _page(_posted())


@bp.post("/people.csv")
def export() -> Response:
    """Send all wanted people as a file, and note who took it."""
    choice, at = _posted(), clock.now()
    events.record(
        "people exported",
        me().account.id,
        at,
        factor=choice.state or None,
        organisation=choice.organisation_id,
    )
    db.session.commit()
    header = ["name", "email", "role", "two-factor", "locked", "backup codes left"]
    header += ["backup email", "last sign-in", "disabled", "invited"]
    return sheet.download(f"people-{at:%Y-%m-%d}", header, _lines(choice, at))


def _lines(choice: Choice, at: datetime) -> Iterator[tuple[Any, ...]]:
    for row in people.everybody(choice, at):
        locked, has_email = ("yes" if fact else "no" for fact in (row.locked, row.has_email))
        ways = (row.codes_left, has_email)
        dates = (row.last_sign_in, row.disabled_at)
        invited = "yes" if row.invited else "no"
        yield (row.name, row.email, row.role, row.state, locked, *ways, *dates, invited)


def _posted() -> Choice:
    form = SearchForm.posted()
    return _choice(form.state.data, form.search.data, form.after.data)


def _choice(state: str | None, words: str | None, after: str | None) -> Choice:
    known = state if state in LABELS else ""
    return Choice(
        desk().organisation.id, known or "", words or "", number(after, bounds.LARGEST_ROW) or 0
    )


def _page(choice: Choice) -> Response:
    at = clock.now()
    return web.render(
        "admin/people.html",
        choice=choice,
        page=people.page(choice, at),
        counts=people.counts(choice.organisation_id, at),
        labels=LABELS,
    )
