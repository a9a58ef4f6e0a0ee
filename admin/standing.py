"""Where somebody stands with two-factor, as SQL: one expression for lists, counts and exports."""

from datetime import datetime, timedelta
from enum import StrEnum

from flask_babel import LazyString, lazy_gettext
from sqlalchemy import ColumnElement, and_, case, exists, false, func, literal, or_, select

from accounts.models import Account, Enforcement, Membership, Organisation
from accounts.reminders import only_by_sso
from accounts.sign_in import SignIn
from db import db
from factors import backup_codes
from factors.authenticator import Authenticator
from factors.backup_codes import BackupCode
from factors.backup_email import BackupEmail
from factors.throttle import MOST, YEAR, Throttle
from factors.trusted_device import TrustedDevice


class State(StrEnum):
    """Where somebody stands."""

    ON = "on"
    EXEMPT = "exempt"
    MUST = "must"
    SOFT = "soft"
    OFF = "off"


LABELS: dict[str, LazyString] = {
    State.ON: lazy_gettext("On"),
    State.EXEMPT: lazy_gettext("Exempt by SSO"),
    State.MUST: lazy_gettext("Must set up"),
    State.SOFT: lazy_gettext("Asked to set up"),
    State.OFF: lazy_gettext("Off"),
    "locked": lazy_gettext("Locked"),
    "disabled": lazy_gettext("Disabled"),
    "invited": lazy_gettext("Invited"),
}
"""How each state is called, and what may be true beside it."""


def state(at: datetime, organisation_id: int | None = None) -> ColumnElement[str]:
    """Return the state of an account joined with its bound app: the one place that decides it.

    It says what `policy.demand` says of a person, for all people at once: of what one
    organisation asks, whose administrators learn nothing of others, or of all of them.
    """
    asks, must = _asking(at, organisation_id)
    return case(
        (Authenticator.id.is_not(None), literal(State.ON.value)),
        (and_(asks, only_by_sso(at)), literal(State.EXEMPT.value)),
        (must, literal(State.MUST.value)),
        (asks, literal(State.SOFT.value)),
        else_=literal(State.OFF.value),
    )


def locked(at: datetime) -> ColumnElement[bool]:
    """A pause is on, for strangers or in a browser, or the year's budget is spent.

    The list of wrong codes never grows beyond the budget: then none is read any more.
    """
    full = and_(
        Throttle.wrong_at[MOST - 1].as_float().is_not(None),
        Throttle.wrong_at[0].as_float() > (at - YEAR).timestamp(),
    )
    in_browser = exists(
        select(TrustedDevice.id)
        .where(TrustedDevice.account_id == Account.id, TrustedDevice.locked_until > at)
        .correlate(Account)
    )
    return or_(Throttle.locked_until > at, full, in_browser)


def _asking(
    at: datetime, organisation_id: int | None
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return whether an organisation of a person asks, and whether one makes it a must.

    A member's own days are over for whoever joined early enough: organisations with the
    same number of days are compared together, so that the statement stays short.
    """
    query = select(Organisation).where(Organisation.enforcement != Enforcement.OFF)
    if organisation_id is not None:
        query = query.where(Organisation.id == organisation_id)
    asking = db.session.scalars(query).all()
    joined: dict[datetime, list[int]] = {}
    for one in asking:
        is_over = one.hard_from is not None and one.hard_from <= at
        if one.enforcement is Enforcement.HARD or is_over:
            joined.setdefault(at - timedelta(days=one.grace_days), []).append(one.id)
    ids = Membership.organisation_id
    must = [and_(ids.in_(those), Membership.since <= last) for last, those in joined.items()]
    return _is_member(ids.in_([one.id for one in asking])), _is_member(or_(false(), *must))


def _is_member(where: ColumnElement[bool]) -> ColumnElement[bool]:
    """Some membership of the person is like this."""
    ties = select(Membership.account_id).where(Membership.account_id == Account.id, where)
    return exists(ties.correlate(Account))


def codes_left() -> ColumnElement[int]:
    """How many backup codes are left."""
    return (
        select(func.count())
        .where(
            BackupCode.account_id == Account.id,
            backup_codes.works(),
        )
        .correlate(Account)
        .scalar_subquery()
    )


def has_email() -> ColumnElement[bool]:
    """Whether there is a backup email."""
    return exists(
        select(BackupEmail.id).where(BackupEmail.account_id == Account.id).correlate(Account)
    )


def last_sign_in() -> ColumnElement[datetime]:
    """When the person last signed in."""
    return (
        select(func.max(SignIn.first_at))
        .where(SignIn.account_id == Account.id)
        .correlate(Account)
        .scalar_subquery()
    )
