"""Visitor: who stands at the door, with all that the gate must know, in one SELECT."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from flask import current_app, request, session
from flask_login import LoginManager, current_user, login_user, logout_user
from sqlalchemy import ColumnElement, Select, and_, bindparam, select

import clock
import keys
from accounts.models import Account, Enforcement, Membership, Organisation
from accounts.policy import Demand, Policy, demand
from accounts.sign_in import REPLAY, SignIn, renewed, successor
from db import UTCDateTime, db
from factors.authenticator import Authenticator
from factors.trusted_device import TrustedDevice

REPLAYABLE = "wizard.submit"
"""The one endpoint that a spent token may ask, for the answer that renewed it."""
OPENED = "password_link"
"""In the session of the browser that opened a mailed link: what chooses one password."""
SSO = "sso"
"""How the first factor of a sign-in by SSO begins."""


@dataclass(eq=False)
class Visitor:
    """A sign-in with its account and the dated facts that decide what it may enter."""

    sign_in: SignIn
    account: Account
    authenticator: Authenticator | None
    device: TrustedDevice | None
    policies: tuple[Policy, ...]
    token: str = field(repr=False)
    is_spent: bool = False
    is_out: bool = False
    """Whether the sign-in ended while this request waited (`is_still_in`)."""
    device_token: str | None = field(default=None, repr=False)
    """What the device cookie is to hold for another 30 days, after a full sign-in."""

    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """Flask-Login's user id: the token of the sign-in."""
        return self.token

    @property
    def is_authenticated(self) -> bool:
        """Whether the second factor was passed or is not due."""
        return not self.is_spent and not self.owes_second_factor(clock.now())

    @property
    def is_exempt(self) -> bool:
        """Whether this sign-in came by SSO and the provider did all that is demanded (S-182)."""
        return self.sign_in.exempt_at is not None

    @property
    def needs_password_first(self) -> bool:
        """Whether two-factor would protect nothing yet: there is only SSO, and it is exempt."""
        return self.account.password_hash is None and self.is_exempt

    @property
    def gave_two_factors(self) -> bool:
        """Whether two factors were given in this very sign-in, as administration asks (S-118).

        A trusted device gives none, nor does a provider of which nothing is demanded.
        """
        if self.sign_in.demand_met_at is not None:
            return True
        return self.authenticator is not None and self.sign_in.second_at is not None

    def owes_second_factor(self, at: datetime) -> bool:
        """Tell whether a bound authenticator still waits for its code in this sign-in."""
        if self.is_exempt:
            return False
        if self.authenticator is None or self.sign_in.second_at is not None:
            return False
        return not self.is_trusted(at)

    def is_trusted(self, at: datetime) -> bool:
        """Tell whether this browser spares the code: every sign-in in it is whole then."""
        if self.device is None or self.authenticator is None:
            return False
        return self.device.is_trusted(self.authenticator.id, self.account.password_at, at)

    def demand(self, at: datetime) -> Demand | None:
        """Return what organisations ask of this sign-in; one by SSO is exempt, the person not."""
        if self.authenticator is not None or self.is_exempt:
            return None
        return demand(self.policies, at)

    @property
    def known_device(self) -> TrustedDevice | None:
        """The browser, if the second factor was once passed in it: it has tries of its own."""
        if self.device is None or self.device.proved_at is None:
            return None
        return self.device

    def keep(self, token: str) -> None:
        """Put the sign-in's renewed token into the session cookie."""
        self.token = token
        session["_user_id"] = token


def visitor() -> Visitor | None:
    """Return who asks, or None for an anonymous visitor."""
    user = current_user._get_current_object()
    return user if isinstance(user, Visitor) and not user.is_out else None


def me() -> Visitor:
    """Return who asks, where the gate lets nobody anonymous in."""
    found = visitor()
    assert found is not None
    return found


@cache
def _query(spent: bool) -> Select[*tuple[Any, ...]]:
    """Return the one SELECT of the gate, a row for each organisation of the person.

    Composed once: that costs more than a run. What follows from the organisations'
    dated facts is computed by policy.py, not in SQL.
    """
    asks = Organisation.enforcement != Enforcement.OFF
    return (
        select(
            SignIn,
            Account,
            Authenticator,
            TrustedDevice,
            *Policy.columns(),
        )
        .join(Account, Account.id == SignIn.account_id)
        .outerjoin(Authenticator, Authenticator.is_bound_to(Account.id))
        .outerjoin(TrustedDevice, TrustedDevice.id == SignIn.device_id)
        .outerjoin(Membership, Membership.account_id == Account.id)
        .outerjoin(Organisation, and_(Organisation.id == Membership.organisation_id, asks))
        .where(_has_token(spent))
    )


@cache
def _lock(spent: bool) -> Select[int]:
    """Return the SELECT after which no other POST of the account runs until the commit.

    Posts of one account come one after the other, on PostgreSQL as on SQLite.
    Locks on their sign-ins alone would end in deadlocks: a finished set-up
    reaches for all of them. The gate's SELECT follows as a statement of its
    own, so that whoever waited sees a renewed token as dead.
    """
    query = select(Account.id).join(SignIn, SignIn.account_id == Account.id)
    return query.where(_has_token(spent)).with_for_update(of=Account, key_share=True)


def _has_token(spent: bool) -> ColumnElement[bool]:
    if not spent:
        return SignIn.token_hash == bindparam("hashed")
    recent = SignIn.renewed_at > bindparam("since", type_=UTCDateTime)
    return and_(SignIn.spent_hash == bindparam("hashed"), recent)


def _find(hashed: str, token: str, since: datetime | None = None) -> Visitor | None:
    spent = since is not None
    values = {"hashed": hashed} | ({"since": since} if spent else {})
    if request.method == "POST" and db.engine.dialect.name != "sqlite":
        db.session.execute(_lock(spent), values)
    rows = db.session.execute(_query(spent), values).all()
    if not rows:
        return None
    policies = tuple(Policy.from_row(row) for row in rows if row.organisation is not None)
    sign_in, account, authenticator, device = rows[0][:4]
    return Visitor(sign_in, account, authenticator, device, policies, token)


def load(token: str) -> Visitor | None:
    """Return the visitor whose sign-in has this token, if it is alive.

    A spent token opens nothing but the replay of the POST that spent it.
    """
    hashed = keys.token_hash(token)
    found = _find(hashed, token)
    at = clock.now()
    if found is None and request.endpoint == REPLAYABLE:
        found = _find(hashed, token, at - REPLAY)
        if found is not None:
            found.is_spent = True
            found.token = successor(found.sign_in, token) or renewed(token)
    if found is None or not found.sign_in.is_alive(at) or found.account.disabled_at is not None:
        return None
    provider_id = found.sign_in.provider_id
    if provider_id is not None and provider_id not in current_app.config["PROVIDERS"]:
        return None  # taken out of the settings: what it vouched for is over
    return found


def is_still_in(found: Visitor, at: datetime) -> bool:
    """Lock the account, read it and the sign-in anew, and tell whether it is alive.

    For whoever let go of the lock while something slow ran. A token that was renewed
    meanwhile is spent. Somebody who is out is nobody for the rest of this request; the
    cookie stays, since another tab may have got a new token in it.
    """
    account = Account.locked(found.account.id)
    row = db.session.get_one(SignIn, found.sign_in.id, populate_existing=True)
    found.is_out = (
        account is None
        or account.disabled_at is not None
        or row.token_hash != keys.token_hash(found.token)
        or not row.is_alive(at)
    )
    return not found.is_out


def enter(found: Visitor) -> None:
    """Begin a session for the visitor: everything of an earlier one is gone (S-111).

    Kept is what the browser got by opening a mailed link: when the second factor does
    not come in time, the password is typed again, with tries of its own (S-098).
    """
    opened = session.get(OPENED)
    session.clear()
    if opened is not None:
        session[OPENED] = opened
    login_user(found)
    # Flask-Login adds marks that nothing here uses; the cookie holds the token,
    # the CSRF value and `next` alone.
    session.pop("_id", None)
    session.pop("_fresh", None)


def leave() -> None:
    """Forget the visitor's session in this browser; the emptied cookie is deleted."""
    logout_user()
    session.clear()


login_manager = LoginManager()
login_manager.session_protection = None
login_manager.user_loader(load)
