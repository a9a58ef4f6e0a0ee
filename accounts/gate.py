"""The gate: one verdict, one before_request, default deny (S-001, S-002)."""

from datetime import datetime
from enum import StrEnum

from flask import Flask, Response, abort, g, request, session, url_for
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

import clock
import database_faults
import web
from accounts import nudge
from accounts.sign_in import SignIn
from accounts.visitor import Visitor, is_still_in, visitor
from db import READS, db

SEEN_EVERY_SECONDS = 60


class Verdict(StrEnum):
    """What a visitor may enter."""

    ANONYMOUS = "anonymous"
    REPLAY = "replay"
    CHALLENGE = "challenge"
    SET_UP = "set_up"
    NUDGE = "nudge"
    OPEN = "open"


FOREIGN_POST = {"unsubscribe.submit"}
"""The one endpoint that takes a POST of another site: mail programs send it (RFC 8058)."""
GALLERY = {
    f"gallery.{view}"
    for view in ("index", "show", "show_caught", "body", "download", "send", "version")
}
"""Routed on a maintainer's own machine only, where it shows nobody's data."""
FOR_MACHINES = {"static", "alive", "ready"}
"""Endpoints that are the same for everybody: nobody is looked up, also without a database."""
EVERYBODY = {
    *FOR_MACHINES,
    "home",
    "favicon",
    "help_page",
    "signin.sign_out",
    "passwords.forgot",
    "passwords.mail_link",
    "passwords.show_link",
    "passwords.open_link",
    "passwords.new",
    "passwords.choose",
    "unsubscribe.show",
    "sso.callback",  # a proof comes back there as well
    *FOREIGN_POST,
    *GALLERY,
}
"""Endpoints that need no sign-in at all."""

LEAVE_FOR_SSO = {"sso.start", "sso.tie", "sso.submit_tie"}

LISTS: dict[Verdict, set[str]] = {
    Verdict.ANONYMOUS: EVERYBODY | {"signin.show", "signin.submit"} | LEAVE_FOR_SSO,
    Verdict.REPLAY: {"wizard.submit"},
    Verdict.CHALLENGE: EVERYBODY
    | LEAVE_FOR_SSO
    | {
        "signin.show",
        "signin.submit",
        "challenge.show",
        "challenge.submit",
        "challenge.other_way",
        "challenge.backup_code",
        "challenge.submit_backup_code",
        "challenge.backup_email",
        "challenge.send_email",
        "challenge.email_code",
        "challenge.submit_email_code",
    },
    Verdict.SET_UP: EVERYBODY
    | LEAVE_FOR_SSO
    | {
        "wizard.required",
        "wizard.show",
        "wizard.view",
        "wizard.seen",
        "wizard.submit",
        "wizard.leave",
        "wizard.visibility",
        "wizard.resume",
        "wizard.download",
        "proof.show",
        "proof.submit",
        "reset.show",
        "reset.submit",
        "proof.mail_code",
        "sso.start_proof",
    },
}
LISTS[Verdict.NUDGE] = LISTS[Verdict.SET_UP] | {"wizard.not_now"}
"""What may be entered below `open`; whatever is not listed is denied.

At `nudge` everything else is open too, but a page load is answered by the prompt."""

UNATTENDED = {"wizard.leave", "wizard.visibility"}
"""What pages send when nobody may look at them: it is no use of a sign-in."""

HOME = {
    Verdict.ANONYMOUS: "signin.show",
    Verdict.REPLAY: "signin.show",
    Verdict.CHALLENGE: "challenge.show",
    Verdict.SET_UP: "wizard.required",
    Verdict.NUDGE: "security.show",
    Verdict.OPEN: "security.show",
}
"""The page of each verdict."""

ONLY_BELOW_OPEN = LISTS[Verdict.CHALLENGE] - EVERYBODY
"""Pages that somebody fully signed in has no use for."""
USELESS = {Verdict.OPEN: ONLY_BELOW_OPEN, Verdict.NUDGE: ONLY_BELOW_OPEN - LEAVE_FOR_SSO}
"""They lead home; the prompt offers to come by SSO instead of setting up."""


FULL = {Verdict.NUDGE, Verdict.OPEN}
"""Whoever has signed in fully and need not set up."""


def verdict(found: Visitor | None, at: datetime) -> Verdict:
    """Return what the visitor may enter, a pure function of dated facts."""
    if found is None or not found.sign_in.is_alive(at):
        return Verdict.ANONYMOUS
    if found.is_spent:
        return Verdict.REPLAY
    if found.owes_second_factor(at):
        return Verdict.CHALLENGE if found.sign_in.is_waiting(at) else Verdict.ANONYMOUS
    asked = found.demand(at)
    if asked is None:
        return Verdict.OPEN
    return Verdict.SET_UP if asked.is_must else Verdict.NUDGE


def home_of(found: Visitor | None, at: datetime) -> str:
    """Return the address of the page that the verdict leads to."""
    return url_for(HOME[verdict(found, at)])


def check() -> Response | None:
    """Let the request in or answer it: the one before_request that decides."""
    if request.routing_exception is not None:
        # An untrusted Host or an unknown path is refused before anything is read.
        raise request.routing_exception
    if request.endpoint in FOR_MACHINES:
        return None
    if not _is_own_post():
        return web.error_page(403)
    found, at = visitor(), clock.now()
    g.passed = found
    given = verdict(found, at)
    if request.endpoint in USELESS.get(given, set()):
        return web.go(url_for(HOME[given]))
    if given is Verdict.OPEN or request.endpoint in LISTS[given]:
        return None
    if given is Verdict.NUDGE:
        return nudge.interrupt(found) if found is not None else None
    if given is Verdict.ANONYMOUS and (path := nudge.asked_page()) is not None:
        session["next"] = path
    if given is Verdict.SET_UP and found is not None:
        nudge.keep_for_administration(found)
    return web.turn_away(url_for(HOME[given]), 403 if given is Verdict.SET_UP else 401)


def check_again(found: Visitor, at: datetime) -> None:
    """Turn away somebody whose sign-in ended while a hash was computed for them."""
    if not is_still_in(found, at):
        db.session.rollback()
        abort(web.turn_away(url_for(HOME[Verdict.ANONYMOUS]), 401))


def _is_own_post() -> bool:
    """Tell whether a POST comes from a page of ours (S-131)."""
    if request.method in {"GET", "HEAD", "OPTIONS"} or request.endpoint in FOREIGN_POST:
        return True
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return origin is None or origin == request.host_url.rstrip("/")


def note_seen(response: Response) -> Response:
    """Note that the sign-in is in use, at most once a minute, after the page's own work."""
    # Only whom the gate has read: on a page about a broken database nobody is looked up.
    found, at = g.get("passed"), clock.now()
    if found is None or found.is_spent or request.endpoint in UNATTENDED:
        return response
    sign_in_id, seen_at = found.sign_in.id, found.sign_in.seen_at
    if response.status_code < 500 and (at - seen_at).total_seconds() > SEEN_EVERY_SECONDS:
        try:
            _write_seen(sign_in_id, at)
        except SQLAlchemyError as error:
            if not database_faults.passes(error):
                raise
            # The page's own work is done: it is not taken back for this.
            database_faults.log(error, "the time of a visit")
    return response


def _write_seen(sign_in_id: int, at: datetime) -> None:
    db.session.rollback()  # the page's own work is committed; a read may still be open
    db.session.connection(execution_options={READS: False})
    db.session.execute(update(SignIn).where(SignIn.id == sign_in_id).values(seen_at=at))
    db.session.commit()


def init_app(app: Flask) -> None:
    """Put the gate in front of everything."""
    app.before_request(check)
    app.after_request(note_seen)
