"""Forgotten and changed passwords, and the first one of somebody invited."""

from flask import Blueprint, Response, session, url_for

import addresses
import clock
import web
from accounts import link_requests, new_password, password_link
from accounts.forms import PasswordForm, SignInForm
from accounts.hash_queue import Asker
from accounts.password_link import Purpose
from accounts.proof import by_password, status_of
from accounts.visitor import OPENED, me
from db import db
from factors.refusal import Refusal

bp = Blueprint("passwords", __name__)


@bp.get("/signin/forgot")
def forgot() -> Response:
    """Ask whose password is forgotten."""
    return web.render("accounts/forgot.html", refusal=None, email="")


@bp.post("/signin/forgot")
def mail_link() -> Response:
    """Have a link mailed, if anybody has this address; the same is done now if nobody has."""
    typed = SignInForm.posted().email.data or ""
    try:
        address = addresses.canonical(typed)
    except addresses.AddressRefused:
        refusal = Refusal("address_bad")
        return web.render("accounts/forgot.html", 422, refusal=refusal, email=typed)
    request_id = link_requests.put(address, clock.now())
    db.session.commit()
    return link_requests.do_after(web.render("accounts/link_mailed.html"), request_id)


@bp.get("/signin/<any(reset, invitation):purpose>/<token>")
def show_link(purpose: str, token: str) -> Response:
    """Show the button; a mail program that only looks opens nothing (S-079)."""
    good = password_link.is_good(Purpose(purpose), token, clock.now())
    values = {"purpose": purpose, "token": token}
    return web.render(
        f"accounts/link_{'good' if good else 'dead'}.html", 200 if good else 410, **values
    )


@bp.post("/signin/<any(reset, invitation):purpose>/<token>")
def open_link(purpose: str, token: str) -> Response:
    """Open the link for this browser alone, once."""
    opened = password_link.open_(Purpose(purpose), token, clock.now())
    db.session.commit()
    if opened is None:
        return web.render("accounts/link_dead.html", 410, purpose=purpose)
    session[OPENED] = opened
    return web.go(url_for("passwords.new"))


@bp.get("/signin/new-password")
def new() -> Response:
    """Ask for the new password."""
    if password_link.opened(session.get(OPENED), clock.now()) is None:
        return web.render("accounts/link_dead.html", 410, purpose="reset")
    return web.render("accounts/new_password.html", refusal=None)


@bp.post("/signin/new-password")
def choose() -> Response:
    """Take the new password. It signs nobody in (S-174)."""
    link = password_link.opened(session.get(OPENED), clock.now())
    if link is None:
        return web.render("accounts/link_dead.html", 410, purpose="reset")
    secret = PasswordForm.posted().new.data or ""
    if refusal := new_password.strength(secret):
        return web.render("accounts/new_password.html", 422, refusal=refusal)
    asker = Asker.of(f"link {link.id}")
    db.session.rollback()  # nothing is held while the password is hashed
    hashed = new_password.hashed(secret, asker)
    if isinstance(hashed, Refusal):
        return web.render("accounts/new_password.html", status_of(hashed), refusal=hashed)
    at = clock.now()
    # Kept: the browser that opened the link has tries of its own for a while (browser.py).
    link = password_link.opened(session.get(OPENED), at)
    if link is None or not new_password.choose(link, hashed, at):
        db.session.rollback()
        return web.render("accounts/link_dead.html", 410, purpose="reset")
    db.session.commit()
    return web.render("accounts/password_chosen.html")


@bp.get("/security/password")
def show_change() -> Response:
    """Ask for the old password and a new one."""
    return _change_page({}, 200)


@bp.post("/security/password")
def change() -> Response:
    """Change the password; every other browser has to sign in again."""
    found, form, at = me(), PasswordForm.posted(), clock.now()
    secret = form.new.data or ""
    if weak := new_password.strength(secret):
        return _change_page({"new": weak}, 422)
    if refusal := by_password(found, form.old.data or "", at):
        db.session.commit()
        return _change_page({"" if refusal.is_busy else "old": refusal}, status_of(refusal))
    if secret == form.old.data:
        db.session.commit()
        return _change_page({"new": Refusal("password_same")}, 422)
    db.session.commit()
    hashed = new_password.hashed(secret, Asker.of(f"account {found.account.id}"))
    if isinstance(hashed, Refusal):
        return _change_page({"": hashed}, status_of(hashed))
    new_password.change(found, hashed, clock.now())
    db.session.commit()
    return web.go(url_for("security.show"))


def _change_page(refusals: dict[str, Refusal], status: int) -> Response:
    first = next(iter(refusals.values()), None)
    return web.render("accounts/change_password.html", status, refusal=first, wrong=[*refusals])
