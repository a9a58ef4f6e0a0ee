"""Whether the timers run: when reminders and mails last went round."""

from datetime import datetime, timedelta

from sqlalchemy import exists, select

import runs
from accounts.models import Enforcement, Organisation
from db import db
from runs import Work

LATE = timedelta(days=1)
"""Without a run, after which it is told. The timers run every hour and every five minutes."""
TIMERS = {Work.REMIND: "onward-remind.timer", Work.DELIVER: "onward-deliver.timer"}


def last(work: Work) -> str:
    """Return when the last run ended, in words."""
    at = runs.last(work)
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "none yet"


def late(work: Work, at: datetime) -> str | None:
    """Return that a timer does not seem to run, or None.

    Nothing is late before an organisation is a day old, and reminders are due only where one asks.
    """
    old = Organisation.created_at <= at - LATE
    if work is Work.REMIND:
        old &= Organisation.enforcement != Enforcement.OFF
    ended_at = runs.last(work)
    if (ended_at and ended_at > at - LATE) or not db.session.scalar(select(exists().where(old))):
        return None
    return f"no run of {work} for a day: is {TIMERS[work]} on?"
