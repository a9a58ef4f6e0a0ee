"""Where a person is signed in: the list on their own page; and the end of everybody's."""

from datetime import datetime

from sqlalchemy import select, update

from accounts.sign_in import IDLE, OVERALL, SignIn
from accounts.visitor import Visitor
from db import db

MOST = 50


def of_visitor(found: Visitor, trusted: set[int], at: datetime) -> list[SignIn]:
    """Return the living sign-ins of the person, this one first; half ones are none yet.

    `trusted` names the devices that spare the second factor.
    """
    rows = db.session.scalars(
        select(SignIn)
        .where(
            SignIn.account_id == found.account.id,
            SignIn.ended_at.is_(None),
            SignIn.seen_at > at - IDLE,
            SignIn.first_at > at - OVERALL,
        )
        .order_by((SignIn.id == found.sign_in.id).desc(), SignIn.id.desc())
        .limit(MOST)
    )
    return [
        row
        for row in rows
        if row.second_at or row.device_id in trusted or found.authenticator is None
    ]


def end_everybodys(at: datetime) -> None:
    """End every sign-in of everybody: an old copy of the database was put back (S-164)."""
    db.session.execute(
        update(SignIn)
        .where(SignIn.ended_at.is_(None))
        .values(ended_at=at)
        .execution_options(synchronize_session=False)
    )
