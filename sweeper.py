"""The sweeper deletes what has had its day, about once an hour, after an answer (S-165)."""

from datetime import datetime, timedelta

from flask import Flask, Response, current_app, request
from sqlalchemy import delete, or_, update
from sqlalchemy.exc import SQLAlchemyError

import clock
import database_faults
from accounts.password_link import INVITED, OWN_TRIES, PasswordLink
from accounts.password_tries import PasswordTries
from accounts.sso_trip import Trip
from db import db
from factors import void_record
from factors.backup_email import EmailCode
from factors.trusted_device import LIFE, TrustedDevice
from wizard.wizard import RESUMABLE, Wizard

EVERY = timedelta(hours=1)
DAY = timedelta(days=1)


def sweep(at: datetime) -> None:
    """Delete void records, dead codes, old counts and forgotten browsers."""
    void_record.wipe(at)
    db.session.execute(
        update(Wizard)
        .where(
            Wizard.sealed_kept.is_not(None),
            or_(Wizard.hidden_at.is_(None), Wizard.hidden_at <= at - RESUMABLE),
        )
        .values(sealed_kept=None)
    )
    db.session.execute(delete(EmailCode).where(EmailCode.made_at <= at - DAY))
    db.session.execute(delete(TrustedDevice).where(TrustedDevice.last_used_at <= at - LIFE))
    db.session.execute(delete(Trip).where(Trip.started_at <= at - DAY))
    db.session.execute(delete(PasswordTries).where(PasswordTries.since <= at - DAY))
    db.session.execute(delete(PasswordLink).where(PasswordLink.made_at <= at - INVITED - OWN_TRIES))
    db.session.commit()


def _after(response: Response) -> Response:
    """Sweep once the answer to a POST has left, if the last time is an hour ago."""
    app, at = current_app._get_current_object(), clock.now()  # type: ignore[attr-defined]  # the proxy's own way
    if request.method == "POST" and at >= app.extensions["swept_at"] + EVERY:
        app.extensions["swept_at"] = at
        response.call_on_close(lambda: _sweep_within(app, at))
    return response


def _sweep_within(app: Flask, at: datetime) -> None:
    with app.app_context():
        try:
            sweep(at)
        except SQLAlchemyError as error:
            if not database_faults.passes(error):
                raise
            database_faults.log(error, "the sweeper")  # it comes again in an hour


def init_app(app: Flask) -> None:
    """Let the application sweep; a server that has just started waits an hour."""
    app.extensions["swept_at"] = clock.now()
    app.after_request(_after)
