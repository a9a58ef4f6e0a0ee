"""What the wizard shows: each step once as a template, within the page or as a fragment."""

from flask import Response
from flask_babel import LazyString, lazy_gettext

import web
from accounts.visitor import Visitor
from factors.refusal import Refusal
from wizard.progress import progress
from wizard.steps import STEPS
from wizard.tickets import EntryTicket
from wizard.wizard import IDLE, Kind, Reason, Wizard

DOCUMENT = 202
"""Status of every document of the wizard. Chromium keeps even no-store pages in its
back/forward cache and would bring a void QR code back to life without asking us; it
refuses to keep an answer whose status is not 200."""

INTRODUCTIONS = {
    Kind.SET_UP: "wizard/app.html",
    Kind.AUTHENTICATOR: "wizard/app.html",
    Kind.CODES: "wizard/intro_codes.html",
    Kind.EMAIL: "wizard/intro_email.html",
}

WHAT_HAPPENED: dict[Reason, LazyString] = {
    Reason.LOADED: lazy_gettext(
        "The page was opened again: you went back, reloaded it, or opened it in another tab."
    ),
    Reason.BACK: lazy_gettext("You went back to an earlier page."),
    Reason.LEFT: lazy_gettext("You left the page before the end."),
    Reason.EXPIRED: lazy_gettext("It took longer than %(minutes)s minutes."),
    Reason.SECOND: lazy_gettext("Set-up was started a second time, in another tab or browser."),
    Reason.ASKED: lazy_gettext("You asked for a new QR code."),
    Reason.WRONG_CODES: lazy_gettext("There were too many wrong codes."),
    Reason.RESTORED: lazy_gettext("We had to go back to an older copy of our records."),
    Reason.UNREADABLE: lazy_gettext("We could not read the set-up that was under way."),
}


def document_status() -> int:
    """Return the status of a page that is no error."""
    return 200 if web.is_fragment() else DOCUMENT


def introduction(kind: Kind, found: Visitor) -> Response:
    """Show what comes, with the form that starts it."""
    if kind is Kind.SET_UP and found.needs_password_first:
        return web.render("wizard/password_first.html", document_status())
    entry = EntryTicket.new(found.sign_in.id, kind)
    return web.render(
        INTRODUCTIONS[kind],
        document_status(),
        entry=entry.signed(),
        kind=kind,
        progress=progress(kind, "app"),
    )


def step(wizard: Wizard, found: Visitor) -> Response:
    """Show the step that the wizard is at, or its end."""
    if wizard.finished_at is not None:
        return finished(wizard, found)
    refusal = Refusal.restored(wizard.refusal)
    status = 422 if refusal is not None and web.is_fragment() else document_status()
    return web.render(
        f"wizard/{wizard.step}.html",
        status,
        wizard=wizard,
        ticket=wizard.ticket.signed(),
        proof=wizard.ticket.proof() if web.is_fragment() else None,
        refusal=refusal,
        progress=progress(wizard.kind, wizard.step),
        **STEPS[wizard.step].values(wizard),
    )


def finished(wizard: Wizard, found: Visitor) -> Response:
    """Show that it is done, and offer the backup way that is still missing."""
    other = {"codes": Kind.EMAIL, "email_code": Kind.CODES}.get(wizard.step)
    offered = other if wizard.kind is Kind.SET_UP else None
    entry = EntryTicket.new(found.sign_in.id, offered).signed() if offered else None
    target = found.sign_in.next_path if web.is_safe_path(found.sign_in.next_path) else None
    return web.render(
        "wizard/finished.html",
        document_status(),
        wizard=wizard,
        offered=offered,
        entry=entry,
        target=target,
    )


def restart(wizard: Wizard, found: Visitor, status: int, kind: Kind | None = None) -> Response:
    """Tell that a set-up is void and why, and which record to delete in the app."""
    kind = kind or wizard.kind
    told = wizard.attempt if wizard.voided_at is not None else ""
    entry = EntryTicket.new(found.sign_in.id, kind, told)
    happened = str(WHAT_HAPPENED[wizard.void_reason or Reason.LOADED])
    return web.render(
        "wizard/restart.html",
        status,
        wizard=wizard,
        entry=entry.signed(),
        happened=happened % {"minutes": int(IDLE.total_seconds() // 60)},
        next_label=found.account.next_label if kind in {Kind.SET_UP, Kind.AUTHENTICATOR} else None,
    )


def out_of_date() -> Response:
    """Answer a form that is none of this sign-in's."""
    return web.render("wizard/out_of_date.html", 409)
