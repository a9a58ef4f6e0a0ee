"""The log: text for people, or one JSON object a line for machines (ONWARD_LOG).

Each request has a random reference, which stands in its records, in the header X-Request-Id
and on the pages that tell of a fault of ours. It is made here: what a stranger sends as one
could be anything.
"""

import json
import logging
import secrets
import time
from datetime import UTC, datetime
from typing import Any, TextIO, cast

from flask import Flask, Response, current_app, has_request_context, request
from flask.logging import default_handler, wsgi_errors_stream

import redaction

TEXT, JSON = "text", "json"
FORMATS = (TEXT, JSON)
HEADER = "X-Request-Id"
REFERENCE = "onward.reference"
BEGAN = "onward.began"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
FACTS = "facts"
"""The attribute of a record with fields of its own."""


def reference() -> str:
    """Return the reference of this request; the same one until it ends."""
    return str(request.environ.setdefault(REFERENCE, secrets.token_hex(8)))


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


class Text(logging.Formatter):
    """One line, below it the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        message = redaction.masked(record.getMessage())
        where = f" ({reference()})" if has_request_context() else ""
        line = f"{_at(record)} {record.levelname} in {record.module}: {message}{where}"
        error = _error(record)
        return line if error is None else f"{line}\n{redaction.trace(error)}"


class Json(logging.Formatter):
    """One object on one line, the traceback in a field of it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _at(record),
            "level": record.levelname,
            "logger": record.name,
            "message": redaction.masked(record.getMessage()),
        }
        if has_request_context():
            line |= {
                "request_id": reference(),
                # Anything can stand there: a stranger writes it.
                "method": request.method if request.method in METHODS else "other",
                "endpoint": request.endpoint,
            }
        line |= getattr(record, FACTS, {})
        if (error := _error(record)) is not None:
            line["exception"] = redaction.trace(error)
        return json.dumps(line)


HANDLER = logging.StreamHandler(cast(TextIO, wsgi_errors_stream))
HANDLER.setFormatter(Json())


def _write(format_name: str, logger: logging.Logger) -> None:
    """Let this process write its log so; other libraries' records too, if a machine reads it."""
    root = logging.getLogger()
    root.removeHandler(HANDLER)
    logger.removeHandler(default_handler)
    if format_name == JSON:
        root.addHandler(HANDLER)
        logger.setLevel(logging.INFO)
        # The development server's lines hold paths, and with them links that were mailed.
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
    else:
        default_handler.setFormatter(Text())
        logger.addHandler(default_handler)
        logger.setLevel(logging.NOTSET)


def _begin() -> None:
    request.environ[BEGAN] = time.perf_counter()


def _end(response: Response) -> Response:
    if request.endpoint == "static":
        return response  # others may keep it, and its address says all
    response.headers[HEADER] = reference()
    if current_app.config["LOG"] == JSON:
        began = request.environ.get(BEGAN)
        spent = None if began is None else round((time.perf_counter() - began) * 1000, 1)
        facts = {"status": response.status_code, "duration_ms": spent}
        current_app.logger.getChild("request").info("answered", extra={FACTS: facts})
    return response


def init_app(app: Flask) -> None:
    """Set the log up; first of all, so that the time of a request is all of its time."""
    _write(app.config["LOG"], app.logger)
    app.before_request(_begin)
    app.after_request(_end)
