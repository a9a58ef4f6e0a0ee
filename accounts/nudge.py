"""The soft prompt: it takes the place of a page until "Not now" lets that one page through."""

from dataclasses import dataclass
from datetime import datetime

from flask import Response, request, url_for
from sqlalchemy import update
from sqlalchemy.engine import CursorResult

import web
from accounts import identity
from accounts.models import Membership
from accounts.policy import Demand
from accounts.sign_in import SignIn
from accounts.visitor import Visitor
from db import db
from providers import Provider

NEVER_NEXT = ("/setup", "/signin", "/signout")
ADMINISTRATION = "/admin/"


@dataclass(frozen=True)
class Prompt:
    """Why a set-up is due: an organisation asks for it, administration needs it, or both."""

    asked: Demand | None
    for_administration: bool
    providers: list[Provider]
    """Those that would do instead."""

    @property
    def is_must(self) -> bool:
        """Whether nothing else opens."""
        return self.asked is not None and self.asked.is_must


def prompt(found: Visitor, at: datetime) -> Prompt | None:
    """Return why the visitor is asked to set up, or None."""
    asked, for_administration = found.demand(at), is_for_administration(found)
    if asked is None:
        return Prompt(None, True, []) if for_administration else None
    providers = identity.providers_for(found.account.id)
    if for_administration:  # which a provider opens only if something is demanded of it
        providers = [provider for provider in providers if provider.demands]
    return Prompt(asked, for_administration, providers)


def interrupt(found: Visitor) -> Response | None:
    """Answer a page load by the prompt, unless "Not now" has opened this very page.

    Neither htmx nor a POST is interrupted: what somebody is doing goes on.
    """
    if not _is_page_load():
        return None
    page = asked_page()
    if page is not None and "Sec-Purpose" not in request.headers:
        if _spend(found, page):
            return None
        remember(found, page)
    return web.turn_away(url_for("wizard.required"), 403)


def let_through(found: Visitor) -> str:
    """Open the page that the prompt has taken the place of, once; return its address."""
    page = found.sign_in.next_path
    target = page if page is not None and web.is_safe_path(page) else url_for("security.show")
    found.sign_in.let_through = target
    return target


def asked_page() -> str | None:
    """Return the page that was asked for; never a wizard or action page (S-150)."""
    path = request.full_path.removesuffix("?")
    if request.method != "GET" or not web.is_safe_path(path) or path.startswith(NEVER_NEXT):
        return None
    return path


def _is_page_load() -> bool:
    is_document = request.headers.get("Sec-Fetch-Dest", "document") == "document"
    return request.method in {"GET", "HEAD"} and is_document and not web.is_fragment()


def _spend(found: Visitor, page: str) -> bool:
    """Take the leave that "Not now" gave for this page, which is good for one load."""
    if found.sign_in.let_through != page:
        return False
    db.session.commit()  # a GET has begun as a reader; what writes begins anew
    spent = db.session.execute(
        update(SignIn)
        .where(SignIn.id == found.sign_in.id, SignIn.let_through == page)
        .values(let_through=None)
    )
    assert isinstance(spent, CursorResult)
    db.session.commit()
    return spent.rowcount == 1


def remember(found: Visitor, page: str) -> None:
    """Keep where to go on, in the row of the sign-in."""
    if found.sign_in.next_path != page:
        db.session.commit()
        found.sign_in.next_path = page
        db.session.commit()


def keep_for_administration(found: Visitor) -> None:
    """Keep the page that an administrator wanted, if a set-up takes its place."""
    page = asked_page()
    if page is None or not page.startswith(ADMINISTRATION) or not _is_page_load():
        return
    if Membership.administers(found.account.id):
        remember(found, page)


def is_for_administration(found: Visitor) -> bool:
    """Tell whether a page of administration waits for the visitor's set-up (S-118)."""
    if found.authenticator is not None or found.gave_two_factors:
        return False
    is_wanted = (found.sign_in.next_path or "").startswith(ADMINISTRATION)
    return is_wanted and Membership.administers(found.account.id)
