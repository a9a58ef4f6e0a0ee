"""Policy and Demand: dated facts of organisations, and what follows from them for a person.

A deadline is a policy and a date per person (`Membership.since`), both stored once:
signing in, or looking at the page, renews neither.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from accounts.models import Enforcement

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
