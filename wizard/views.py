"""The wizard's addresses: guard, one verb, and a fragment or a page of the same template."""

import secrets

from flask import Blueprint, Response, current_app, render_template, request, url_for
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

import clock
import keys
import web
from accounts import code_mail, nudge, proof, reset
from accounts.visitor import me
from db import db, writes
from wizard import hidden_pages, loads, pages, returns, starts, tickets, turns
from wizard.answers import Answer, Asked, Outcome
from wizard.forms import PageForm, StepForm
from wizard.moves import is_current, live, void_where
from wizard.wizard import Kind, Reason, Wizard

bp = Blueprint("wizard", __name__, url_prefix="/setup")


@bp.get("/required")
def required() -> Response:
    """Tell somebody who must or should set up two-factor who asks for it and why."""
    prompt = nudge.prompt(me(), clock.now())
    if prompt is None:
        return web.go(url_for("home"))
    return web.render("wizard/required.html", prompt=prompt)


@bp.post("/not-now")
def not_now() -> Response:
    """Let the one page through that the prompt has taken the place of."""
    page = nudge.let_through(me())
    db.session.commit()
    return web.go(page)


@bp.get("", defaults={"kind": "set-up"})
@bp.get("/<any(authenticator, codes, email):kind>")
@writes
def show(kind: str) -> Response:
    """Void what is pending and show the introduction, or tell what was voided."""
    if refused := loads.refused():
        return refused
    found, wanted = me(), Kind(kind)
    has_app = found.authenticator is not None
    if loads.changes_nothing():
        return pages.introduction(wanted, found)
    ended = returns.loaded(found.account.id, clock.now())
    db.session.commit()
    fits = (wanted is Kind.SET_UP) != has_app
    if ended is not None and (fits or (ended.kind is Kind.SET_UP) != has_app):
        return pages.restart(ended, found, pages.DOCUMENT, wanted if fits else ended.kind)
    if fits and reset.is_due(found):
        return web.go(url_for("reset.show"))
    return pages.introduction(wanted, found) if fits else web.go(url_for("home"))


@bp.post("")
def submit() -> Response:
    """Take a ticket, or an entry ticket, and answer with what follows."""
    form = StepForm.posted()
    by_htmx = web.is_fragment()
    asked = Asked(me(), by_htmx, None if by_htmx else secrets.token_hex(16), clock.now())
    ticket, entry = tickets.read(form.ticket.data), tickets.read_entry(form.entry.data)
    if asked.found.is_spent:
        replayed = returns.replay_finish(ticket, asked)
        if replayed is None:
            return web.turn_away(url_for("signin.show"), 401)
        asked.found.keep(asked.found.token)
        return _answer(replayed)
    if entry is not None:
        outcome = _start(entry, asked)
    elif ticket is not None:
        outcome = turns.submit(ticket, form, asked)
    else:
        outcome = Outcome(Answer.OUT_OF_DATE)
    db.session.commit()
    _deliver(outcome)
    return _answer(outcome)


def _start(entry: tickets.EntryTicket, asked: Asked) -> Outcome:
    """Start; whoever loses a race of two starts finds the winner's wizard."""
    try:
        outcome = starts.start(entry, asked)
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        outcome = starts.start(entry, asked)
    return outcome


def _deliver(outcome: Outcome) -> None:
    """Mail the code that the person waits for; say so if it did not leave."""
    refusal = code_mail.deliver()
    if outcome.wizard is not None and refusal is not None:
        outcome.wizard.refuse(refusal)
        db.session.commit()


def _answer(outcome: Outcome) -> Response:
    """Answer with a fragment, or send a browser without script to its one-time view."""
    wizard, found = outcome.wizard, me()
    if outcome.answer is Answer.PROOF:
        return proof.ask(_introduction_of(request.form.get("entry")))
    if outcome.answer is Answer.RESET_CODE:
        return web.go(url_for("reset.show"))
    if outcome.answer is Answer.DONE:
        return web.go(url_for("home"))
    if wizard is None:
        return pages.out_of_date()
    if outcome.answer is Answer.RESTART:
        return pages.restart(wizard, found, 409)
    if outcome.answer is Answer.STARTED_AGAIN:
        is_page = not web.is_fragment()
        return web.go(_address(wizard.kind)) if is_page else pages.restart(wizard, found, 200)
    if web.is_fragment():
        return pages.step(wizard, found)
    return web.go(url_for("wizard.view", view=wizard.view))


def _address(kind: Kind) -> str:
    return url_for("wizard.show") if kind is Kind.SET_UP else url_for("wizard.show", kind=kind)


def _introduction_of(entry: str | None) -> str:
    read = tickets.read_entry(entry)
    return _address(Kind(read.kind)) if read is not None else url_for("home")


@bp.get("/view/<view>")
@writes
def view(view: str) -> Response:
    """Show the step once, to a browser without script; a second time voids."""
    if refused := loads.refused():
        return refused
    found, at = me(), clock.now()
    wizard = db.session.scalar(
        select(Wizard).where(Wizard.view == view, Wizard.sign_in_id == found.sign_in.id)
    )
    if wizard is None:
        return web.go(url_for("wizard.show"))
    if wizard.voided_at is None and wizard.is_view_open(at):
        return pages.step(wizard, found)
    if wizard.finished_at is not None:
        return web.go(url_for("home"))
    if not loads.changes_nothing():
        void_where(Wizard.id == wizard.id, Reason.LOADED, at)
        db.session.commit()
    return web.go(_address(wizard.kind))


@bp.get("/seen/<view>.css")
@writes
def seen(view: str) -> Response:
    """Note that the browser shows the view: its page asks for this stylesheet."""
    if request.headers.get("Sec-Fetch-Dest", "style") == "style" and request.method == "GET":
        at = clock.now()
        db.session.execute(
            update(Wizard)
            .where(
                Wizard.view == view,
                Wizard.sign_in_id == me().sign_in.id,
                Wizard.view_seen_at.is_(None),
            )
            .values(view_seen_at=at, shown_at=func.coalesce(Wizard.shown_at, at))
        )
        db.session.commit()
    return Response("", mimetype="text/css")


@bp.post("/leave")
def leave() -> Response:
    """Void the set-up whose page was left, if the ticket is still the current one.

    A page that holds only a proof was loaded as the copy of one: nothing comes back for it.
    """
    form, sign_in_id = StepForm.posted(), me().sign_in.id
    ticket, proof = tickets.read(form.ticket.data), tickets.read_proof(form.proof.data)
    if ticket is not None:
        hidden_pages.leave(ticket, sign_in_id, clock.now())
    elif proof is not None:
        hidden_pages.forget(proof, sign_in_id)
    db.session.commit()
    return Response(status=204)


@bp.post("/visibility")
def visibility() -> Response:
    """Note that the page of a turn went hidden, is shown again or goes for good."""
    form = PageForm.posted()
    ticket, said = tickets.read(form.ticket.data), hidden_pages.Said.read(form)
    if ticket is not None and said is not None:
        hidden_pages.note(ticket, me().sign_in.id, said, clock.now())
        db.session.commit()
    return Response(status=204)


@bp.post("/resume")
def resume() -> Response:
    """Bring back the set-up of a page that the phone discarded."""
    proof = tickets.read_proof(StepForm.posted().proof.data)
    if proof is None or not web.is_fragment():
        return pages.out_of_date()
    outcome = returns.resume(proof, Asked(me(), True, None, clock.now()))
    db.session.commit()
    return _answer(outcome)


@bp.post("/backup-codes")
def download() -> Response:
    """Give the pending codes as a file; the ticket is not spent."""
    ticket, at = tickets.read(StepForm.posted().ticket.data), clock.now()
    wizard = None
    if ticket is not None:
        mine = is_current(ticket, me().sign_in.id)
        wizard = db.session.scalar(select(Wizard).where(mine, live()))
    if wizard is None or wizard.step != "codes" or wizard.is_over(at):
        return web.error_page(410)
    text = render_template("wizard/codes.txt", wizard=wizard, account=me().account, at=at)
    slug = "-".join(current_app.config["ISSUER"].lower().split())
    name = f"{slug}-backup-codes-{at:%Y-%m-%d}.txt".encode("ascii", "ignore").decode()
    disposition = f'attachment; filename="{name}"'
    return Response(text, mimetype="text/plain", headers={"Content-Disposition": disposition})


@bp.errorhandler(keys.SealBroken)
def unreadable(error: keys.SealBroken) -> Response:
    """Void a set-up whose secret does not open, and let the person start again (S-160)."""
    db.session.rollback()
    current_app.logger.error("%s: account %s", error, me().account.id)
    ended = returns.loaded(me().account.id, clock.now(), Reason.UNREADABLE)
    db.session.commit()
    return pages.out_of_date() if ended is None else pages.restart(ended, me(), 409)
