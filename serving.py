"""What must be right before Onward serves anybody."""

import os
from pathlib import Path
from typing import NoReturn

import click
from flask import Flask
from sqlalchemy.exc import DBAPIError, OperationalError

import keys
import web_address
from db import db
from operations import start

DEMO_MARK = "demo-people.json"
"""File in the instance folder that holds the demo people's passwords."""
WORKER_BOOT_ERROR = 3
"""Exit status at which gunicorn ends; after any other it starts the worker again, for ever."""


TRY_AGAIN = 75
"""Exit status of a start that may work later (EX_TEMPFAIL of sysexits.h)."""
DEVELOPMENT = "ONWARD_DEVELOPMENT"
"""Set by `make run` for the server that it becomes."""


def is_development(app: Flask) -> bool:
    """Tell whether `make run` serves: its mark, its demo people, and this machine only."""
    has_demo_people = (Path(app.instance_path) / DEMO_MARK).exists()
    is_marked = os.environ.get(DEVELOPMENT) == "1"
    return is_marked and has_demo_people and web_address.is_loopback(app.config["BASE_URL"])


def refuse(sentence: str, status: int = WORKER_BOOT_ERROR) -> NoReturn:
    """End the program with a sentence."""
    click.echo(sentence, err=True)
    raise SystemExit(status)


def check(app: Flask) -> None:
    """Exit with a sentence instead of serving with missing keys or with demo people.

    Commands such as `routes` or `init` need neither keys nor database.
    """
    if not is_about_to_serve():
        return
    instance = Path(app.instance_path)
    if (instance / DEMO_MARK).exists() and not web_address.is_loopback(app.config["BASE_URL"]):
        refuse("This instance holds demo people. It serves this machine only.")
    if not _has_database(app):
        return
    try:
        keys.load(instance / "keys")
    except keys.KeysMissing as error:
        refuse(str(error))


def check_database(app: Flask) -> None:
    """Exit with a sentence instead of serving a database that must not be served now.

    One that can't be reached is not served either: nobody knows then what it is.
    """
    if not is_about_to_serve() or not _has_database(app):
        return
    with app.app_context():
        try:
            sentence = start.refusal(keys.load(Path(app.instance_path) / "keys"))
        except OperationalError as error:
            refuse(f"The database can't be reached: {_first_line(error)}", TRY_AGAIN)
        except DBAPIError as error:
            refuse(f"The database can't be read: {_first_line(error)}")
        finally:
            db.engine.dispose()  # what a server forks must share no connection
    if sentence is not None:
        refuse(sentence)


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def _has_database(app: Flask) -> bool:
    default = Path(app.instance_path) / "onward.sqlite"
    return bool(app.config["DATABASE_URL"]) or default.exists()


def is_about_to_serve() -> bool:
    """Tell whether this is a server rather than a command."""
    context = click.get_current_context(silent=True)
    return context is None or context.info_name == "run"
