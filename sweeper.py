"""The sweeper deletes what has had its day, about once an hour, after an answer (S-165)."""

from datetime import datetime, timedelta

from flask import Flask, Response, current_app, request
from sqlalchemy.exc import SQLAlchemyError

import clock
import database_faults
from operations import lives

EVERY = timedelta(hours=1)
SOON = timedelta(minutes=1)
"""When it goes on, if one time was not enough."""
BATCHES = 20
"""Small transactions of one time: whoever waits for the database waits for one of them."""


def sweep(at: datetime) -> bool:
    """End what is over, some rows at a time; tell whether that was all."""
    batches = 0
    for ending in lives.endings(at):
        while ending.some() == lives.BATCH:
            batches += 1
            if batches == BATCHES:
                return False
    return True


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
            if not sweep(at):
                app.extensions["swept_at"] = at - EVERY + SOON
        except SQLAlchemyError as error:
            if not database_faults.passes(error):
                raise
            database_faults.log(error, "the sweeper")  # it comes again in an hour


def init_app(app: Flask) -> None:
    """Let the application sweep; a server that has just started waits an hour."""
    app.extensions["swept_at"] = clock.now()
    app.after_request(_after)
