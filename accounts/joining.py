"""A person's organisations: those they are in, and those that ask them to join."""

from flask import Blueprint, Response, abort, url_for
from sqlalchemy import select

import clock
import web
from accounts import join_answer, join_request, proof
from accounts.join_request import JoinRequest
from accounts.models import Membership, Organisation
from accounts.visitor import me
from db import db
from factors.refusal import Refusal

bp = Blueprint("joining", __name__, url_prefix="/security/organisations")


@bp.get("")
def show() -> Response:
    """Show where the person is a member, and who asks them."""
    return _page(None, 200)


@bp.post("/<int:request_id>/accept")
def accept(request_id: int) -> Response:
    """Join, after a fresh proof: whoever administers there may reset the second factor then."""
    request = _own(request_id)
    if not me().sign_in.is_proved(clock.now()):
        return proof.ask(url_for("joining.show"))
    return _answered(join_answer.join(request, clock.now()))


@bp.post("/<int:request_id>/decline")
def decline(request_id: int) -> Response:
    """Say no; nobody is told."""
    return _answered(join_answer.decline(_own(request_id), clock.now()))


def _own(request_id: int) -> JoinRequest:
    """Return a request to the visitor; those to others do not exist here."""
    request = db.session.get(JoinRequest, request_id)
    if request is None or request.account_id != me().account.id:
        abort(404)
    return request


def _answered(refusal: Refusal | None) -> Response:
    if refusal is not None:
        db.session.rollback()
        return _page(refusal, 409)
    db.session.commit()
    return web.go(url_for("joining.show"))


def _page(refusal: Refusal | None, status: int) -> Response:
    account_id = me().account.id
    memberships = db.session.execute(
        select(Organisation.name, Membership.role, Membership.since)
        .join(Organisation, Organisation.id == Membership.organisation_id)
        .where(Membership.account_id == account_id)
        .order_by(Organisation.name)
    ).all()
    return web.render(
        "accounts/organisations.html",
        status,
        refusal=refusal,
        memberships=memberships,
        requests=join_request.open_to(account_id, clock.now()),
    )
