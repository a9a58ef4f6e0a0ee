"""What must be right before Onward serves anybody."""

import os
from pathlib import Path
from time import monotonic, sleep
from typing import NoReturn

import click
from flask import Flask
from sqlalchemy.exc import DBAPIError

import keys
import web_address
from db import db
from operations import faults, start
from operations.polite import TRY_AGAIN

DEMO_MARK = "demo-people.json"
"""File in the instance folder that holds the demo people's passwords."""
WORKER_BOOT_ERROR = 3
"""Exit status at which gunicorn ends; after any other it starts the worker again, for ever."""
PAUSE = 0.5
"""Seconds between two looks at a database that can't be reached."""
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
    """Exit with a sentence instead of serving no installation, without keys or demo people.

    Commands such as `routes` or `init` need neither keys nor database.
    """
    if not is_about_to_serve():
        return
    instance = Path(app.instance_path)
    if (instance / DEMO_MARK).exists() and not web_address.is_loopback(app.config["BASE_URL"]):
        refuse("This instance holds demo people. It serves this machine only.")
    if not _is_installed(app):
        refuse(
            f"There is no installation in {instance}. Is ONWARD_INSTANCE right? "
            "A new one is made by: flask --app app init"
        )
    try:
        keys.load(instance / "keys")
    except keys.KeysMissing as error:
        refuse(str(error))


def check_database(app: Flask) -> None:
    """Exit with a sentence instead of serving a database that must not be served now.

    One that can't be reached is waited for, and then not served either: nobody knows what it is.
    """
    if not is_about_to_serve():
        return
    until = monotonic() + app.config["START_WAIT"]
    with app.app_context():
        while (fault := _fault_of_database(app)) is not None:
            if monotonic() >= until:
                refuse(faults.sentence(fault), TRY_AGAIN)
            sleep(PAUSE)


def _fault_of_database(app: Flask) -> DBAPIError | None:
    """Return a fault that may pass; exit with a sentence for what does not."""
    try:
        sentence = start.refusal(keys.load(Path(app.instance_path) / "keys"))
    except DBAPIError as error:
        if not faults.is_passing(error):
            refuse(faults.sentence(error))
        return error
    finally:
        db.engine.dispose()  # what a server forks must share no connection
    if sentence is not None:
        refuse(sentence)
    return None


def _is_installed(app: Flask) -> bool:
    """Tell whether anything is there: its own database, or keys for one that is elsewhere."""
    instance = Path(app.instance_path)
    if app.config["DATABASE_URL"]:
        return instance.exists() or not keys.missing(instance / "keys")
    return (instance / "onward.sqlite").exists()


def is_about_to_serve() -> bool:
    """Tell whether this is a server rather than a command."""
    context = click.get_current_context(silent=True)
    return context is None or context.info_name == "run"
