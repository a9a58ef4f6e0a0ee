"""Loads of documents: a GET voids what is pending, so it must be a person's own."""

from flask import Response, request

import web


def refused() -> Response | None:
    """Refuse loads that no person made: prefetch, image, frame, script (S-043)."""
    marks = (request.headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Moz"))
    if any("prefetch" in mark or "prerender" in mark or "preview" in mark for mark in marks):
        # A 200 would be shown on the later click without asking us again.
        return Response(status=503)
    if request.headers.get("Sec-Fetch-Dest", "document") != "document":
        return web.error_page(403)
    return None


def changes_nothing() -> bool:
    """Tell whether this load must not void: HEAD, or a link on somebody else's page."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    return request.method == "HEAD" or site not in {"none", "same-origin"}
