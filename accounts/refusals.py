"""Refusals: why somebody was not let in. Of nobody that we know they are counted by network.

A row for each would let anybody fill the disk by posting addresses that nobody has. What
concerns an account is an event, as everything else that happens to it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import case, exists, func, or_, select
from sqlalchemy.orm import Mapped, aliased, mapped_column

import bounds
import client
from accounts import events
from bounds import at_most
from db import Model, db, insert_into

SPAN = timedelta(hours=1)
"""What is counted together."""
NETWORKS = 500
"""Rows of one hour that have a network of their own; all others share theirs."""
ELSEWHERE = "elsewhere"
KEPT = timedelta(days=30)


class RefusalCount(Model):
    """How often one network was refused for one reason within one hour."""

    __tablename__ = "refusal_counts"
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    """When it began."""
    network: Mapped[str] = mapped_column(at_most("network", bounds.ORIGIN), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    factor: Mapped[str] = mapped_column(at_most("factor", bounds.WORD), primary_key=True)
    result: Mapped[str] = mapped_column(at_most("result", bounds.RESULT), primary_key=True)
    times: Mapped[int]


def note(
    kind: str, account_id: int | None, at: datetime, *, result: str, factor: str | None = None
) -> None:
    """Write down a refusal within the running transaction: an event, or a count for nobody.

    One statement either way, and nothing else (S-152).
    """
    if account_id is not None:
        events.record_unmarked(kind, account_id, at, factor=factor, result=result)
        return
    _count(kind, factor or "password", result, at)


def _count(kind: str, factor: str, result: str, at: datetime) -> None:
    hour = at.replace(minute=0, second=0, microsecond=0)
    others = aliased(RefusalCount)
    facts = {"hour": hour, "kind": kind, "factor": factor, "result": result}
    network = client.network()
    is_there = exists().where(
        others.network == network, *(getattr(others, name) == fact for name, fact in facts.items())
    )
    rows = select(func.count()).select_from(others).where(others.hour == hour).scalar_subquery()
    has_room = or_(is_there, rows < NETWORKS)
    made = insert_into(RefusalCount).values(
        network=case((has_room, network), else_=ELSEWHERE), times=1, **facts
    )
    db.session.execute(
        made.on_conflict_do_update(
            index_elements=["hour", "network", "kind", "factor", "result"],
            set_={"times": RefusalCount.times + 1},
        )
    )


def times_since(moments: Sequence[datetime]) -> dict[str, list[int]]:
    """Return how often strangers were refused since each moment, by factor; its hour is whole."""
    sums = [
        func.sum(case((RefusalCount.hour > moment - SPAN, RefusalCount.times), else_=0))
        for moment in moments
    ]
    query = select(RefusalCount.factor, *sums).where(RefusalCount.hour > min(moments) - SPAN)
    rows = db.session.execute(query.group_by(RefusalCount.factor))
    return {factor: list(counts) for factor, *counts in rows}
