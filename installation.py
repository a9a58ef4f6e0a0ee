"""One installation: its folder made ready, and looked over."""

from pathlib import Path

import click
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

import clock
import keys
import web_address
from db import alembic
from mail import pause

Finding = tuple[str, str | None]
"""What was looked at, and what is wrong with it (None: nothing)."""


def prepare() -> None:
    """Make folder, keys and database what this version needs."""
    folder = Path(current_app.instance_path)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # First the database: if it needs the keys it has, a missing one must not be made anew.
    alembic.upgrade()
    for name in keys.make(folder / "keys"):
        click.echo(f"Made the key {name}. Back it up apart from the database.")


def findings() -> list[Finding]:
    """Return what `doctor` looks at."""
    folder = Path(current_app.instance_path) / "keys"
    return [
        _keys(folder),
        _privacy(folder),
        _database(),
        _password_hash(),
        _smtp(),
        _mail_server(),
        _mail_pause(),
    ]


def _keys(folder: Path) -> Finding:
    try:
        keys.load(folder)
    except keys.KeysMissing as error:
        return "keys", str(error)
    return "keys", None


def _privacy(folder: Path) -> Finding:
    loose = [file.name for file in folder.glob("*.key") if file.stat().st_mode & 0o077]
    return "keys are private", f"chmod 600 {' '.join(loose)}" if loose else None


def _database() -> Finding:
    try:
        current = alembic.compare_metadata() == []
        # Its connection has begun as a writer: on SQLite nobody else would get on.
        if (connection := alembic.migration_context.connection) is not None:
            connection.rollback()
    except SQLAlchemyError as error:
        return "database", f"can't be read ({type(error).__name__})"
    return "database", None if current else "run: flask --app app init"


def _password_hash() -> Finding:
    config = current_app.config
    weak = config["PASSWORD_MEMORY_KIB"] < 19456 or config["PASSWORD_TIME_COST"] < 2
    return "password hash", "weaker than 19 MiB and 2 passes" if weak else None


def _smtp() -> Finding:
    config = current_app.config
    away = config["MAIL_SERVER"] not in {"", "127.0.0.1", "localhost", "::1"}
    bare = away and not (config["MAIL_USE_TLS"] or config["MAIL_USE_SSL"])
    return "mail is encrypted", "set ONWARD_MAIL_USE_TLS=1" if bare else None


def _mail_server() -> Finding:
    config = current_app.config
    public = not web_address.is_loopback(config["BASE_URL"])
    return "mail server", "none is set" if public and not config["MAIL_SERVER"] else None


def _mail_pause() -> Finding:
    try:
        on = pause.current(clock.now())
    except SQLAlchemyError:
        return "mails leave", None  # the database is told of above
    return "mails leave", f"the server is silent; next try {on.until:%H:%M:%S} UTC" if on else None
