"""The page that shows how protection grows, as a chart and as its table."""

from flask import Blueprint, Response

import clock
import web
from admin import progress
from admin.access import desk
from admin.chart import Chart

bp = Blueprint("progress", __name__)


@bp.get("/progress")
def show() -> Response:
    """Show who is protected over time, and where set-ups end."""
    at = clock.now()
    organisation = desk().organisation
    return web.render(
        "admin/progress.html",
        chart=Chart(progress.over_time(organisation, at)),
        ends=progress.ends(organisation, at),
        steps=progress.STEPS,
        reasons=progress.REASONS,
        days=progress.SINCE.days,
    )
