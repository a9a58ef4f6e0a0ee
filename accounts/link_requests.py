"""LinkRequest: somebody forgot a password. Whether anybody has the address is looked up later.

Before the answer the same is done for every address: one row is written. The background
thread of mails does the rest, so that no time tells who has an account (S-152). A request
that a process left behind is done with the mails that are due.
"""

import json
from datetime import datetime
from functools import partial

from flask import Response, current_app, g, request
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

import client
import clock
import cookies
import keys
import sealed
from accounts import new_password
from accounts.password_link import LIFE
from db import db
from mail import postman
from mail.carrier import Urgency, carrier
from sealed import SealedModel, SealId

LONGEST_AGENT = 300
"""Characters that are kept of what a browser says of itself."""


class LinkRequest(SealedModel):
    """One request; sealed, since it names an address and the token of a known browser."""

    __tablename__ = "link_requests"
    id: Mapped[int] = mapped_column(primary_key=True)
    seal_id: Mapped[SealId]
    sealed_request: Mapped[str]
    made_at: Mapped[datetime]

    @property
    def bound_to(self) -> tuple[str, ...]:
        return (self.seal_id,)


def put(address: str, at: datetime) -> int:
    """Write the request for this address into the running transaction; return its number."""
    row = LinkRequest(seal_id=sealed.new_id(), made_at=at)
    facts = {
        "address": address,
        "device": cookies.device_token(request),
        "agent": request.headers.get("User-Agent", "")[:LONGEST_AGENT],
        "origin": client.address(),
    }
    row.seal("sealed_request", json.dumps(facts))
    columns = {"seal_id": row.seal_id, "sealed_request": row.sealed_request, "made_at": at}
    made = insert(LinkRequest).values(columns).returning(LinkRequest.id)
    return db.session.scalars(made).one()


def do_after(response: Response, request_id: int) -> Response:
    """Have the request done on the mails' thread, once the answer has left."""
    act = partial(_do_and_send, request_id)
    response.call_on_close(partial(carrier().carry, Urgency.NOTICE, act))
    return response


def _do_and_send(request_id: int) -> None:
    for outbox_id in do(request_id):
        carrier().carry(Urgency.NOTICE, partial(postman.deliver, outbox_id))


def do(request_id: int) -> list[int]:
    """Write the mail, if somebody has the address and may have a link; return its number.

    The request is gone then, so that whoever else finds it writes nothing.
    """
    taken = db.session.execute(
        delete(LinkRequest)
        .where(LinkRequest.id == request_id)
        .returning(LinkRequest.seal_id, LinkRequest.sealed_request, LinkRequest.made_at),
        execution_options={"synchronize_session": False},
    ).first()
    if taken is not None and clock.within(taken.made_at, LIFE, clock.now()):
        _mail(LinkRequest(seal_id=taken.seal_id, sealed_request=taken.sealed_request))
    db.session.commit()
    written: list[int] = g.pop("outbox_later", [])
    return written


def _mail(asked: LinkRequest) -> None:
    try:
        facts = json.loads(asked.unseal("sealed_request"))
    except keys.SealBroken as error:
        current_app.logger.warning("a forgotten password: %s", error)
        return
    with client.pretending(facts["agent"], facts["origin"]):
        new_password.mail_link(facts["address"], facts["device"], clock.now())


def forget_everybodys() -> None:
    """Let no request of an old copy mail a link (S-164)."""
    db.session.execute(delete(LinkRequest))


def do_left_ones() -> None:
    """Do the requests that nobody has done yet."""
    waiting = list(db.session.scalars(select(LinkRequest.id).order_by(LinkRequest.id)))
    db.session.rollback()
    for request_id in waiting:
        do(request_id)


postman.WRITERS.append(do_left_ones)
