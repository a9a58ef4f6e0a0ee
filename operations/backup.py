"""Backup: a copy of the database while it is served, checked, and never with its keys.

SQLite copies itself by its backup interface, PostgreSQL by pg_dump. The file has its name
only once it is whole and checked.
"""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path

from flask import current_app
from sqlalchemy import URL, inspect, select
from sqlalchemy.orm import Mapped, mapped_column

import durable
from accounts.models import Account
from db import BUSY_SECONDS, Json, Model, db, reading
from operations import key_check

NEEDED = (Account.__tablename__, "alembic_version")
"""Tables without which a file is no copy of an installation, of whatever version."""


class BackupFailed(RuntimeError):
    """No copy was made; the text says why."""


class Backup(Model):
    """One copy that was made: `doctor` tells of the last one."""

    __tablename__ = "backups"
    id: Mapped[int] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]
    file: Mapped[str]
    key_prints: Mapped[dict[str, str] | None] = mapped_column(Json)
    """The keys without which the copy is worth nothing."""


def make(target: Path, at: datetime) -> dict[str, str]:
    """Copy the database into a new file of the owner's alone; return the keys that it needs.

    Raises BackupFailed, with nothing left behind.
    """
    _refuse(target)
    prints = key_check.stored_prints() or {}
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        _copy(part)
        durable.fix(part)
        _name(part, target)
        durable.fix(target.parent)
    finally:
        part.unlink(missing_ok=True)
    prints |= key_check.stored_prints() or {}  # of a rotation that began meanwhile
    _note(target, prints, at)
    return prints


def last() -> datetime | None:
    """Return when the last copy was made of which this database knows."""
    return db.session.scalar(select(Backup.made_at).order_by(Backup.id.desc()).limit(1))


def newest_needing(name: str, of_key: str) -> Backup | None:
    """Return the newest copy that is worth nothing without this key."""
    copies = db.session.scalars(select(Backup).order_by(Backup.id.desc()))
    return next((one for one in copies if (one.key_prints or {}).get(name) == of_key), None)


def _refuse(target: Path) -> None:
    if target.exists():
        raise BackupFailed(f"{target} is there already.")
    if not target.parent.is_dir():
        raise BackupFailed(f"There is no folder {target.parent}.")
    if target.parent.resolve() == key_check.folder().resolve():
        raise BackupFailed("Keep the copy apart from the keys: both together open everything.")


def _copy(part: Path) -> None:
    url = db.engine.url
    if url.get_backend_name() == "sqlite":
        _copy_sqlite(str(url.database), part)
    else:
        _copy_postgresql(url, part)


def _copy_sqlite(database: str, part: Path) -> None:
    if not Path(database).exists():
        raise BackupFailed(f"There is no database at {database}.")
    try:
        with (
            closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as source,
            closing(sqlite3.connect(part)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without others beside it
            found = copy.execute("PRAGMA integrity_check").fetchall()
            tables = {name for (name,) in copy.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        raise BackupFailed(f"The database can't be copied: {error}") from None
    if found != [("ok",)]:
        raise BackupFailed(f"The copy is damaged, and so is the database: {found[0][0]}")
    _check_tables(tables)


def _copy_postgresql(url: URL, part: Path) -> None:
    # `set` would take None for "unchanged", and the text would hold "***" as the password.
    plain = url._replace(drivername="postgresql", password=None).render_as_string()
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    arguments = ["--format=custom", "--no-password", f"--file={part}", f"--dbname={plain}"]
    _run("pg_dump", *arguments, **password)
    listed = _run("pg_restore", "--list", str(part))
    _check_tables(
        {line.split()[-2] for line in listed.splitlines() if " TABLE DATA " in f" {line} "}
    )
    _run("pg_restore", "--file=/dev/null", str(part))  # reads all of it


def _check_tables(found: set[str]) -> None:
    if lacking := [name for name in NEEDED if name not in found]:
        raise BackupFailed(f"There is no table {lacking[0]}: this is no database of Onward.")


def _run(program: str, *arguments: str, **environment: str) -> str:
    if (command := shutil.which(program)) is None:
        raise BackupFailed(f"{program} is missing. On Debian: apt-get install postgresql-client")
    done = subprocess.run(  # noqa: S603  # our own arguments, no shell
        [command, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        why = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise BackupFailed(f"{program} failed: {why}")
    return done.stdout


def _name(part: Path, target: Path) -> None:
    try:
        os.link(part, target)  # unlike a renaming, it never takes another file's place
    except FileExistsError:
        raise BackupFailed(f"{target} is there already.") from None


def _note(target: Path, prints: dict[str, str], at: datetime) -> None:
    """Remember the copy, unless the database is of a version that can't."""
    with reading() as connection:
        if not inspect(connection).has_table(Backup.__tablename__):
            current_app.logger.warning("the backup is not noted: run flask --app app init")
            return
    db.session.add(Backup(made_at=at, file=str(target.resolve()), key_prints=prints))
    db.session.commit()
