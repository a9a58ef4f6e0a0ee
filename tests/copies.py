"""Copies of a database as operators make them and put them back, on SQLite and PostgreSQL."""

import os
import sqlite3
import subprocess
from pathlib import Path

from flask import Flask
from sqlalchemy import make_url

from db import db
from tests.postgres import binary


def take(app: Flask, copy: Path) -> Path:
    """Copy the database of a running installation into a file."""
    if app.config["DATABASE_URL"]:
        _postgres(app, "pg_dump", "--format=custom", f"--file={copy}")
        return copy
    with sqlite3.connect(Path(app.instance_path) / "onward.sqlite") as source:
        target = sqlite3.connect(copy)
        source.backup(target)
        target.close()
    source.close()
    return copy


def put_back(app: Flask, copy: Path) -> None:
    """Put a copy in the place of the database, which nobody serves meanwhile."""
    with app.app_context():
        db.engine.dispose()
    if app.config["DATABASE_URL"]:
        _postgres(app, "dropdb")
        _postgres(app, "createdb")
        _postgres(app, "pg_restore", f"--dbname={_name(app)}", str(copy))
        return
    instance = Path(app.instance_path)
    for file in instance.glob("onward.sqlite*"):
        file.unlink()
    (instance / "onward.sqlite").write_bytes(copy.read_bytes())
    (instance / "onward.sqlite").chmod(0o600)


def _name(app: Flask) -> str:
    return str(make_url(app.config["DATABASE_URL"]).database)


def _postgres(app: Flask, program: str, *arguments: str) -> None:
    url = make_url(app.config["DATABASE_URL"])
    environment = os.environ | {"PGHOST": str(url.query["host"]), "PGUSER": str(url.username)}
    last = [] if program == "pg_restore" else [_name(app)]
    command = [binary(program), *arguments, *last]
    subprocess.run(command, check=True, env=environment, timeout=60, stderr=subprocess.PIPE)
