"""Entering: the row of a sign-in, whatever came before it, and where it leads (S-002)."""

from datetime import datetime
from typing import Any

from flask import request, session
from sqlalchemy import select

import client
import cookies
import keys
import web
from accounts import events, gate, sso_link, visitor
from accounts.models import Account
from accounts.sign_in import SignIn
from accounts.sso_trip import Trip
from accounts.visitor import Visitor
from db import db
from factors import backup_codes, trusted_device
from factors.refusal import Refusal
from factors.throttle import Throttle
from factors.trusted_device import TrustedDevice


def wanted_path(earlier: Visitor | None) -> str | None:
    """Return where somebody wanted to go, also when they had begun another way in."""
    return session.get("next") or (earlier.sign_in.next_path if earlier is not None else None)


def begin(
    account: Account,
    device_id: int | None,
    at: datetime,
    trip: Trip | None = None,
    **facts: Any,
) -> Visitor | Refusal:
    """Make the sign-in row, unless a pause of the second factor is on, and commit.

    `account` is locked (`Account.locked`), and what let somebody in was looked at
    since: a reset or a disabling that is under way ends this row or comes before it.
    """
    token = keys.token()
    browser, system = client.browser_and_system()
    path = facts.pop("next_path", None)
    row = SignIn(
        account_id=account.id,
        token_hash=keys.token_hash(token),
        first_at=at,
        proved_at=at,
        seen_at=at,
        # Asked anew by the INSERT: the browser may have been removed during the hash.
        device_id=select(TrustedDevice.id).where(TrustedDevice.id == device_id).scalar_subquery(),
        browser=browser,
        system=system,
        next_path=path if web.is_safe_path(path) else None,
        **facts,
    )
    db.session.add(row)
    events.record("sign-in", account.id, at, factor=row.first_factor)
    db.session.flush()
    found = visitor.load(token)
    assert found is not None
    return _admit(found, trip, at)


def _admit(found: Visitor, trip: Trip | None, at: datetime) -> Visitor | Refusal:
    """Let the visitor of a new row in, as far as it goes, and commit."""
    if not found.owes_second_factor(at):
        _note_device(found, at)
    elif closed := _pause(found, at):
        return closed
    if found.authenticator is not None or found.is_exempt:
        # Trust spares the code, and a provider may have let the person in without
        # asking anything: neither is a proof (S-118).
        found.sign_in.proved_at = None
    if trip is not None:
        _wait_for_tie(found, trip, at)
    db.session.commit()
    visitor.enter(found)
    return found


def _pause(found: Visitor, at: datetime) -> Refusal | None:
    """Return the pause that is on, told only now, after the right password (S-103)."""
    tries = found.known_device or db.session.get_one(Throttle, found.account.id)
    if closed := tries.closed(at):
        found.sign_in.proved_at = None
        found.sign_in.end(at)
        db.session.commit()
        return closed
    if found.known_device is None:
        found.sign_in.device_id = None  # its wrong codes are counted with those of strangers
    return None


def _wait_for_tie(found: Visitor, trip: Trip, at: datetime) -> None:
    """Let the tie wait for the second factor, if one is due, or make it."""
    db.session.merge(trip).sign_in_id = found.sign_in.id
    if not found.owes_second_factor(at):
        sso_link.finish_tie(found.sign_in, found.account, at)


def _note_device(found: Visitor, at: datetime) -> None:
    """Know the browser of a full sign-in for another 30 days (S-098)."""
    if found.device is not None:
        found.device.last_used_at = at
        found.device_token = cookies.device_token(request)
        return
    browser, system = client.browser_and_system()
    device, token = trusted_device.remember(found.account.id, browser, system, at)
    db.session.flush()
    found.sign_in.device_id, found.device_token = device.id, token


def landing(found: Visitor, at: datetime) -> str:
    """Return where a sign-in leads now: to what it still owes, or where it wanted to go.

    Few backup codes are told first, on the person's own page, which leads on from there.
    """
    target = found.sign_in.next_path
    may_go_on = gate.verdict(found, at) in gate.FULL and web.is_safe_path(target)
    if not may_go_on or backup_codes.run_low(found.account.id):
        return gate.home_of(found, at)
    return str(target)
