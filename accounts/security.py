"""A person's own security page: what protects the account, and trusted devices."""

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, url_for
from sqlalchemy import func, select

import clock
import web
from accounts import events, proof
from accounts.visitor import Visitor, me
from addresses import masked
from db import db
from factors import trusted_device
from factors.backup_codes import COUNT, BackupCode
from factors.backup_email import BackupEmail
from factors.trusted_device import TrustedDevice

bp = Blueprint("security", __name__)


@dataclass(frozen=True)
class Protection:
    """What protects an account, as the page shows it."""

    codes_left: int
    codes_made: bool
    address: str | None
    devices: list[TrustedDevice]
    codes_count: int = COUNT


@bp.get("/security")
def show() -> Response:
    """Show the state of the person's own two-factor authentication."""
    found, at = me(), clock.now()
    return web.render("accounts/security.html", protection=protection(found, at), at=at)


@bp.post("/security/devices/<int:device_id>/remove")
def remove_device(device_id: int) -> Response:
    """Take one device's trust."""
    return _forget(device_id)


@bp.post("/security/devices/remove-all")
def remove_all_devices() -> Response:
    """Take every device's trust."""
    return _forget(None)


def _forget(device_id: int | None) -> Response:
    found, at = me(), clock.now()
    if not found.sign_in.is_proved(at):
        return proof.ask(url_for("security.show"))
    trusted_device.forget(found.account.id, device_id)
    events.record("trusted device removed", found.account.id, at)
    db.session.commit()
    return web.go(url_for("security.show"))


def protection(found: Visitor, at: datetime) -> Protection:
    """Return what protects the visitor's account at this moment."""
    account_id = found.account.id
    made, used = db.session.execute(
        select(func.count(), func.count(BackupCode.used_at)).where(
            BackupCode.account_id == account_id, BackupCode.replaced_at.is_(None)
        )
    ).one()
    address = BackupEmail.address_of(account_id)
    devices = db.session.scalars(
        select(TrustedDevice)
        .where(
            TrustedDevice.account_id == account_id,
            TrustedDevice.trusted_at.is_not(None),
        )
        .order_by(TrustedDevice.id)
    )
    authenticator, since = found.authenticator, found.account.password_at
    trusted = [d for d in devices if authenticator and d.is_trusted(authenticator.id, since, at)]
    return Protection(made - used, bool(made), masked(address) if address else None, trusted)
