"""One installation looked over: what `doctor` tells."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

import clock
import keys
import settings
import web_address
from accounts import upkeep
from db import db, reading
from mail import pause
from operations import (
    backup,
    clock_check,
    disk,
    faults,
    files,
    key_check,
    mail_check,
    run_check,
    schema,
    start,
    write_check,
)
from operations.installation_row import Installation
from runs import Work

Finding = tuple[str, str | None]
"""What was looked at, and what is wrong with it (None: nothing)."""


def findings() -> list[Finding]:
    """Return what `doctor` looks at."""
    folder, at = key_check.folder(), clock.now()
    return [
        _settings(),
        _keys(folder),
        _privacy(folder),
        ("files are private", files.mending(Path(current_app.instance_path))),
        _database(),
        ("database takes a write", _told(_no_write)),
        ("disk", disk.fault()),
        ("clock", _told(clock_check.fault)),
        ("keys belong to the database", _told(_strange_keys)),
        ("sealed values open", _told(_closed_kinds)),
        ("database is the newest", _told(_unmarked)),
        (_last_backup(), None),
        _password_hash(),
        _smtp(),
        _mail_server(),
        ("mails leave", _told(_mail_pause)),
        _mail_queue(at),
        _last_run("reminder run", Work.REMIND),
        _last_run("mail run", Work.DELIVER),
    ]


def _told(look: Callable[[], str | None]) -> str | None:
    """Return what a look finds in the database; keys and database that fail are told above."""
    try:
        return look()
    except (keys.KeysMissing, SQLAlchemyError):
        return None
    finally:
        db.session.rollback()


def _settings() -> Finding:
    try:
        settings.check(current_app.config)
    except settings.SettingError as error:
        return "settings", str(error)
    return "settings", None


def _keys(folder: Path) -> Finding:
    try:
        keys.load(folder)
    except keys.KeysMissing as error:
        return "keys", str(error)
    return "keys", None


def _privacy(folder: Path) -> Finding:
    loose = [file.name for file in folder.rglob("*.key") if file.stat().st_mode & files.OTHERS]
    return "keys are private", f"chmod 600 {' '.join(loose)}" if loose else None


def _database() -> Finding:
    try:
        return "database", schema.fault()
    except DBAPIError as error:
        return "database", f"can't be read: {faults.words(error)}"


def _no_write() -> str | None:
    with reading() as connection:
        if schema.version(connection) != schema.wanted():
            return None
    return write_check.fault(clock.now())


def _strange_keys() -> str | None:
    prints = key_check.stored_prints()
    if not prints:
        return "run: flask --app app init"
    ring = keys.load(key_check.folder())
    if strangers := key_check.strangers(ring, prints):
        return f"not {', '.join(strangers)}; put back the right keys"
    lacking = key_check.lacking(ring, prints)
    return f"{', '.join(lacking)} missing; put back the folder that has them" if lacking else None


def _closed_kinds() -> str | None:
    closed = key_check.closed_kinds(keys.load(key_check.folder()))
    return f"not those of {', '.join(closed)}; put back the right keys" if closed else None


def _unmarked() -> str | None:
    with reading() as connection:
        row = connection.execute(select(Installation.__table__)).first()
    return start.unmarked(row) if row is not None else None


def _last_backup() -> str:
    """Tell of it, no fault: nobody knows here what else makes copies."""
    try:
        made_at = backup.last()
    except SQLAlchemyError:
        made_at = None
    finally:
        db.session.rollback()
    return f"last backup: {made_at:%Y-%m-%d %H:%M} UTC" if made_at else "last backup: none yet"


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


def _mail_pause() -> str | None:
    on = pause.current(clock.now())
    return f"the server is silent; next try {on.until:%H:%M:%S} UTC" if on else None


def _mail_queue(at: datetime) -> Finding:
    if fault := _told(lambda: mail_check.not_moving(at)):
        return "mail queue", fault
    waiting = _told(lambda: mail_check.in_queue(at))
    return f"mail queue: {waiting}" if waiting else "mail queue", None


def _last_run(what: str, work: Work) -> Finding:
    ended = _told(lambda: run_check.last(work))
    return f"last {what}: {ended or 'not known'}", None


def notes() -> list[str]:
    """Return what `doctor` tells beside: nothing of it makes the installation unfit to serve."""
    at = clock.now()
    told = (
        disk.note(),
        _told(lambda: mail_check.troubled(at)),
        _told(lambda: mail_check.unwelcome(at)),
        _told(lambda: run_check.late(Work.REMIND, at)),
        _told(lambda: run_check.late(Work.DELIVER, at)),
        _told(_unowned),
    )
    return [one for one in told if one]


def _unowned() -> str | None:
    names = ", ".join(f'"{name}"' for name in upkeep.without_owner())
    command = "flask --app app account role EMAIL ORGANISATION owner"
    return f"no owner: {names}. Make one: {command}" if names else None
