"""Policy and Demand: dated facts of organisations, and what follows from them for a person.

A deadline is a policy and a date per person (`Membership.since`), both stored once:
signing in, or looking at the page, renews neither.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row

from accounts.models import Enforcement, Membership, Organisation

ALWAYS = datetime.min.replace(tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Policy:
    """What one organisation asks of one of its members."""

    organisation: str
    enforcement: Enforcement
    hard_from: datetime | None
    grace_days: int
    since: datetime

    @classmethod
    def columns(cls) -> tuple[ColumnElement[Any], ...]:
        """Return what a SELECT of organisations and memberships reads for `from_row`."""
        return (
            Organisation.name.label("organisation"),
            Organisation.enforcement.label("enforcement"),
            Organisation.hard_from.label("hard_from"),
            Organisation.grace_days.label("grace_days"),
            Membership.since.label("since"),
        )

    @classmethod
    def from_row(cls, row: Row[*tuple[Any, ...]]) -> "Policy":
        """Return the policy of a row that holds `columns`, in whatever order."""
        return cls(
            organisation=row.organisation,
            enforcement=row.enforcement,
            hard_from=row.hard_from,
            grace_days=row.grace_days,
            since=row.since,
        )

    @property
    def must_from(self) -> datetime | None:
        """The moment from which it is a must for this member; None: there is none."""
        own = self.since + timedelta(days=self.grace_days) if self.grace_days else ALWAYS
        if self.enforcement is Enforcement.HARD:
            return own
        if self.enforcement is Enforcement.OFF or self.hard_from is None:
            return None
        return max(own, self.hard_from)


@dataclass(frozen=True)
class Demand:
    """What is asked of a person without two-factor: by whom, how firmly, a must from when."""

    level: Enforcement
    asked_by: str
    must_from: datetime | None

    @property
    def is_must(self) -> bool:
        return self.level is Enforcement.HARD


def demand(policies: Iterable[Policy], at: datetime) -> Demand | None:
    """Return what the strictest of a person's organisations asks now, or None for nothing.

    Of several, the one counts whose must comes first.
    """
    asking = [policy for policy in policies if policy.enforcement is not Enforcement.OFF]
    if not asking:
        return None
    first = min(asking, key=lambda policy: (policy.must_from or NEVER, policy.organisation))
    must_from = first.must_from
    is_hard = must_from is not None and must_from <= at
    level = Enforcement.HARD if is_hard else Enforcement.SOFT
    return Demand(level, first.organisation, must_from)
