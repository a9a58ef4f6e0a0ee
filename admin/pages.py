"""Administration: all its pages behind one door."""

from flask import Blueprint, Response
from flask_babel import gettext
from sqlalchemy.exc import DBAPIError, IntegrityError, NoResultFound
from sqlalchemy.orm.exc import StaleDataError

import database_faults
import web
from admin import (
    access,
    adding_page,
    audit_page,
    enforcement_page,
    people_page,
    person_page,
    progress_page,
    reminder_page,
    reset_page,
)
from db import db

DEADLOCK = "40P01"
"""What PostgreSQL says to one of two who wait for each other."""

bp = Blueprint("admin", __name__, url_prefix="/admin")
bp.before_request(access.check)
for page in (
    people_page,
    adding_page,
    reminder_page,
    person_page,
    reset_page,
    enforcement_page,
    progress_page,
    audit_page,
):
    bp.register_blueprint(page.bp)


@bp.errorhandler(NoResultFound)
@bp.errorhandler(StaleDataError)
def gone(error: Exception) -> Response:
    """Answer an act on what somebody else has just taken away, such as a placeholder."""
    return _nothing_changed()


@bp.errorhandler(DBAPIError)
def met(error: DBAPIError) -> Response:
    """Answer the second of two acts that met: its transaction was undone as a whole."""
    if not isinstance(error, IntegrityError) and getattr(error.orig, "sqlstate", "") != DEADLOCK:
        return database_faults.answer(error)
    return _nothing_changed()


def _nothing_changed() -> Response:
    db.session.rollback()
    text = gettext(
        "Somebody else changed the same at this moment. Nothing was changed. Please try again."
    )
    return web.error_page(409, text)
