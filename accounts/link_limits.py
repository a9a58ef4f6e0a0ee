"""How many links are mailed to one person, and what a stranger's request takes from nobody."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from accounts import password_link
from accounts.password_link import PasswordLink, Purpose
from db import db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
USUAL = ((3, HOUR), (10, DAY))
"""Links that one known browser of a person asks for, and invitations of one person to one
organisation (S-077)."""
STRANGERS = ((1, HOUR),)
"""Links that all unknown browsers ask for: a limit a day would keep the owner out (S-098)."""


def may_reset(account_id: int, asked_in: int | None, at: datetime) -> bool:
    """Tell whether a link for a forgotten password may be mailed now.

    Strangers get none while one waits to be opened. What they ask for takes nothing
    from the owner, whose known browsers are counted apart (S-098). The caller has
    locked the account: nobody makes another link before the commit.
    """
    if asked_in is None and _waits_for_opening(account_id, at):
        return False
    made = select(PasswordLink.made_at).where(
        PasswordLink.account_id == account_id,
        PasswordLink.purpose == Purpose.RESET,
        PasswordLink.asked_in.is_not_distinct_from(asked_in),
        PasswordLink.made_at > at - DAY,
    )
    newest_first = db.session.scalars(made.order_by(PasswordLink.made_at.desc())).all()
    return full_until(STRANGERS if asked_in is None else USUAL, newest_first, at) is None


def _waits_for_opening(account_id: int, at: datetime) -> bool:
    """Tell whether the person has a link that was not opened and still can be."""
    good = password_link.fresh(Purpose.RESET, at)
    query = select(PasswordLink.id).where(PasswordLink.account_id == account_id, *good)
    return db.session.scalar(query.limit(1)) is not None


def full_until(
    limits: Sequence[tuple[int, timedelta]], made: Sequence[datetime], at: datetime
) -> datetime | None:
    """Return when there is room again, or None if there is now; `made` has the newest first."""
    ends = [made[most - 1] + span for most, span in limits if len(made) >= most]
    until = max(ends, default=at)
    return until if until > at else None
