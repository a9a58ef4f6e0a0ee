"""What an organisation asks of its people: the choice, and its consequences before it counts."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from flask import Blueprint, Response

import bounds
import clock
import web
from accounts import enforcement, proof
from accounts.models import Enforcement
from accounts.visitor import me
from admin import access
from admin.access import desk
from admin.forms import EnforcementForm
from db import db
from factors.refusal import Refusal
from fields import number

bp = Blueprint("enforcement", __name__, url_prefix="/enforcement")


@dataclass(frozen=True)
class Choice:
    """What was chosen, as it was typed."""

    level: str
    hard_from: str
    grace_days: str

    def read(self) -> "Policy | Refusal":
        """Return the policy, or what is wrong with what was typed."""
        if self.level not in set(Enforcement):
            return Refusal("level_choice")
        days = number(self.grace_days.strip() or "0", bounds.MOST_DAYS)
        if days is None:
            return Refusal("days_bad", {"most": bounds.MOST_DAYS})
        written, moment = self.hard_from.strip(), None
        if written:
            try:
                moment = datetime.combine(date.fromisoformat(written), time(), UTC)
            except ValueError:
                return Refusal("date_bad")
        return Policy(Enforcement(self.level), moment, days)


@dataclass(frozen=True)
class Policy:
    """A choice that can be."""

    level: Enforcement
    hard_from: datetime | None
    grace_days: int


@bp.get("")
def show() -> Response:
    """Show what the organisation asks now."""
    now = desk().organisation
    day = f"{now.hard_from.astimezone(UTC):%Y-%m-%d}" if now.hard_from else ""
    return _form(Choice(now.enforcement, day, str(now.grace_days)), None, 200)


@bp.post("")
def choose() -> Response:
    """Show whom the choice concerns, in numbers; nothing counts yet."""
    choice = _posted()
    policy = _checked(choice)
    if isinstance(policy, Refusal):
        return _form(choice, policy, _status(policy))
    found = enforcement.consequences(desk().organisation.id, clock.now())
    return web.render(
        "admin/enforcement_confirm.html", choice=choice, policy=policy, found=found, refusal=None
    )


@bp.post("/confirm")
def confirm() -> Response:
    """Let the choice count, from everybody's next request on (S-011)."""
    if not access.is_proved():
        return proof.ask(access.address("admin.enforcement.show"))
    choice, at = _posted(), clock.now()
    policy = choice.read()
    if not isinstance(policy, Refusal):
        refusal = enforcement.set_policy(
            desk().organisation, policy.level, policy.hard_from, me(), at, policy.grace_days
        )
        if refusal is None:
            db.session.commit()
            return web.go(access.address("admin.enforcement.show"))
        policy = refusal
    db.session.rollback()
    return _form(choice, policy, _status(policy))


def _checked(choice: Choice) -> Policy | Refusal:
    policy = choice.read()
    if isinstance(policy, Refusal):
        return policy
    now = desk().organisation
    refusal = enforcement.why_not(
        now, policy.level, policy.hard_from, me(), clock.now(), policy.grace_days
    )
    return refusal or policy


def _status(refusal: Refusal) -> int:
    return 409 if refusal.reason == "hard_without_own" else 422


def _posted() -> Choice:
    form = EnforcementForm.posted()
    return Choice(form.level.data or "", form.hard_from.data or "", form.grace_days.data or "")


def _form(choice: Choice, refusal: Refusal | None, status: int) -> Response:
    return web.render(
        "admin/enforcement.html", status, choice=choice, refusal=refusal, most=bounds.MOST_DAYS
    )
