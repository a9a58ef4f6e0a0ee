"""The page that adds people, typed in or from a file, and tells what is wrong with each line."""

from flask import Blueprint, Response, request

import clock
import web
from accounts import proof
from accounts.visitor import me
from admin import access, adding
from admin.access import desk
from admin.adding import Bad
from admin.forms import AddingForm
from db import db
from factors.refusal import Refusal

bp = Blueprint("adding", __name__, url_prefix="/people/add")


@bp.get("")
def show() -> Response:
    """Ask for the people, after a fresh proof: whoever has typed a list is not sent away."""
    if not access.is_proved():
        return proof.ask(access.address("admin.adding.show"))
    return _page("", None, [], 0, 200)


@bp.post("")
def submit() -> Response:
    """Add whom the good lines name; the bad ones stay in the field to be mended."""
    if not access.is_proved():
        return proof.ask(access.address("admin.adding.show"))
    table = _sent()
    lines = table if isinstance(table, Refusal) else adding.read(table)
    if isinstance(lines, Refusal):
        return _page("" if isinstance(table, Refusal) else table, lines, [], 0, 422)
    added, bad = adding.add(lines, desk(), me().account, clock.now())
    db.session.commit()
    rest = "\n".join(one.line.text for one in bad)
    refusal = Refusal("people_bad", {"number": len(bad)}) if bad else None
    return _page(rest, refusal, bad, len(added), 422 if bad else 200)


def _sent() -> str | Refusal:
    """Return the file, if one was chosen, or else what was typed."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return str(AddingForm.posted().people.data or "")
    try:
        return str(file.read(), "utf-8-sig")
    except UnicodeDecodeError:
        return Refusal("people_file")


def _page(
    people: str, refusal: Refusal | None, bad: list[Bad], added: int, status: int
) -> Response:
    return web.render(
        "admin/adding.html",
        status,
        people=people,
        refusal=refusal,
        bad=bad,
        added=added,
        most=adding.MOST,
    )
