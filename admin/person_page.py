"""One person: where they stand, what happened lately, and what an administrator can do."""

from flask import Blueprint, Response

import clock
import web
from accounts import invitation, proof, upkeep
from accounts.event_names import NAMES
from accounts.models import Account, Role
from accounts.visitor import me
from admin import access, audit, people
from admin.access import desk
from admin.forms import RoleForm
from admin.people import Choice
from admin.standing import LABELS
from db import db
from factors.refusal import Refusal

bp = Blueprint("person", __name__, url_prefix="/people/<int:account_id>")
RECENT = 10
"""Events that the page shows; the audit log has all."""


@bp.get("")
def show(account_id: int) -> Response:
    """Show somebody of the organisation."""
    account, _ = access.person(account_id)
    return page(account, None, 200)


@bp.post("/unlock")
def unlock(account_id: int) -> Response:
    """End every pause of somebody's second factor."""
    account, _ = access.person(account_id)
    if answer := _stopped(account):
        return answer
    upkeep.unlock(account, me().account, clock.now())
    return _done(account_id)


@bp.post("/disable")
def disable(account_id: int) -> Response:
    """Keep somebody out, from their next request on."""
    account, _ = access.person(account_id)
    if answer := _stopped(account):
        return answer
    if refusal := upkeep.disable(account, me().account, clock.now()):
        db.session.rollback()
        return page(account, refusal, 409)
    return _done(account_id)


@bp.post("/role")
def change_role(account_id: int) -> Response:
    """Give somebody another role; only an owner makes an owner."""
    account, _ = access.person(account_id)
    if answer := _stopped(account):
        return answer
    wanted = RoleForm.posted().role.data or ""
    if wanted not in desk().gives:
        return page(account, Refusal("role_choice"), 422)
    organisation_id, by = desk().organisation.id, me().account
    if refusal := upkeep.change_role(account, organisation_id, Role(wanted), by, clock.now()):
        db.session.rollback()
        return page(account, refusal, 409)
    return _done(account_id)


@bp.post("/invite")
def invite(account_id: int) -> Response:
    """Mail somebody without a password the link again; older ones are dead."""
    account, _ = access.person(account_id)
    if answer := _stopped(account):
        return answer
    by, at = me().account, clock.now()
    if refusal := invitation.send_again(account, desk().organisation, by, at):
        db.session.rollback()
        return page(account, refusal, status_of(refusal))
    return _done(account_id)


@bp.post("/enable")
def enable(account_id: int) -> Response:
    """Let somebody back in."""
    account, _ = access.person(account_id)
    if answer := _stopped(account):
        return answer
    upkeep.enable(account, me().account, clock.now())
    return _done(account_id)


def _stopped(account: Account) -> Response | None:
    if refusal := access.why_not(account):
        return page(account, refusal, status_of(refusal))
    if not access.is_proved():
        return proof.ask(access.address("admin.person.show", account_id=account.id))
    return None


def status_of(refusal: Refusal) -> int:
    """Return 403 for what the visitor may never do to this person, 429 for what was done too
    often, 409 for what is so now."""
    return {"role_too_high": 403, "invited_often": 429}.get(refusal.reason, 409)


def _done(account_id: int) -> Response:
    db.session.commit()
    return web.go(access.address("admin.person.show", account_id=account_id))


def page(account: Account, refusal: Refusal | None, status: int) -> Response:
    """Show somebody, and why the answer is no."""
    at = clock.now()
    choice = Choice(desk().organisation.id)
    return web.render(
        "admin/person.html",
        status,
        account=account,
        row=people.one(choice, account.id, at),
        refusal=refusal,
        blocked=access.why_not(account),
        labels=LABELS,
        events=audit.of_person(desk().organisation.id, account.id, RECENT),
        names=NAMES,
    )
