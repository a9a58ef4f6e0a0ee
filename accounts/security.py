"""A person's own security page: what protects the account, devices, sign-ins, recent events."""

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, url_for
from sqlalchemy import select

import clock
import web
from accounts import events, join_request, proof, recent, removals, sign_ins
from accounts.models import Membership
from accounts.recent import Happening
from accounts.sign_in import SignIn
from accounts.visitor import Visitor, me
from addresses import masked
from db import db
from factors import backup_codes, trusted_device, void_record
from factors.backup_codes import COUNT, FEW
from factors.backup_email import BackupEmail
from factors.trusted_device import TrustedDevice

bp = Blueprint("security", __name__, url_prefix="/security")


@dataclass(frozen=True)
class Protection:
    """What protects an account, as the page shows it."""

    codes_left: int
    codes_made: bool
    codes_stale_at: datetime | None
    address: str | None
    devices: list[TrustedDevice]
    sign_ins: list[SignIn]
    events: list[Happening]
    dead_records: list[str]
    kept_on: bool
    codes_count: int = COUNT

    @property
    def codes_run_low(self) -> bool:
        return self.codes_made and self.codes_left <= FEW


@bp.get("")
def show() -> Response:
    """Show the state of the person's own two-factor authentication."""
    found, at = me(), clock.now()
    next_path = found.sign_in.next_path
    return web.render(
        "accounts/security.html",
        protection=protection(found, at),
        target=next_path if web.is_safe_path(next_path) else None,
        administers=Membership.administers(found.account.id),
        requests=join_request.open_to(found.account.id, at),
    )


@bp.post("/devices/<int:device_id>/remove")
def remove_device(device_id: int) -> Response:
    """Take one device's trust."""
    return _forget(device_id)


@bp.post("/devices/remove-all")
def remove_all_devices() -> Response:
    """Take every device's trust."""
    return _forget(None)


@bp.post("/sign-ins/<int:sign_in_id>/end")
def end_sign_in(sign_in_id: int) -> Response:
    """End one other sign-in."""
    if asked := _asked():
        return asked
    removals.end_sign_in(me(), sign_in_id, clock.now())
    return _done()


@bp.post("/sign-ins/end-others")
def end_other_sign_ins() -> Response:
    """End every other sign-in."""
    if asked := _asked():
        return asked
    removals.end_other_sign_ins(me(), clock.now())
    return _done()


@bp.post("/backup-email/remove")
def remove_backup_email() -> Response:
    """Remove the backup address, unless it is the last way and one is demanded."""
    if asked := _asked():
        return asked
    refusal = removals.remove_backup_email(me(), clock.now())
    if refusal is not None:
        return web.render("accounts/kept_on.html", 409, refusal=refusal)
    return _done()


def _forget(device_id: int | None) -> Response:
    if asked := _asked():
        return asked
    found, at = me(), clock.now()
    if trusted_device.forget(found.account.id, device_id):
        events.record("trusted device removed", found.account.id, at)
    return _done()


def _asked() -> Response | None:
    """Ask for a proof, unless there is a fresh one."""
    fresh = me().sign_in.is_proved(clock.now())
    return None if fresh else proof.ask(url_for("security.show"))


def _done() -> Response:
    db.session.commit()
    return web.go(url_for("security.show"))


def protection(found: Visitor, at: datetime) -> Protection:
    """Return what protects the visitor's account at this moment."""
    account_id, authenticator = found.account.id, found.authenticator
    codes = backup_codes.counted(account_id)
    address = BackupEmail.address_of(account_id)
    trusted = _trusted(found, at) if authenticator else []
    dead = void_record.of_account(account_id, at) if authenticator is None else []
    return Protection(
        codes_left=codes.left,
        codes_made=bool(codes.made),
        codes_stale_at=codes.stale_at,
        address=masked(address) if address else None,
        devices=trusted,
        sign_ins=sign_ins.of_visitor(found, {device.id for device in trusted}, at),
        events=recent.happenings(account_id),
        dead_records=[record.label for record in dead],
        kept_on=removals.enforced(found, at) is not None,
    )


def _trusted(found: Visitor, at: datetime) -> list[TrustedDevice]:
    authenticator, since = found.authenticator, found.account.password_at
    devices = db.session.scalars(
        select(TrustedDevice)
        .where(
            TrustedDevice.account_id == found.account.id,
            TrustedDevice.trusted_at.is_not(None),
        )
        .order_by(TrustedDevice.id)
    )
    return [d for d in devices if authenticator and d.is_trusted(authenticator.id, since, at)]
