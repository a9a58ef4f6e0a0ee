"""What must be right before Onward serves anybody."""

import os
from pathlib import Path
from typing import NoReturn

import click
from flask import Flask

import keys
import web_address

DEMO_MARK = "demo-people.json"
"""File in the instance folder that holds the demo people's passwords."""
WORKER_BOOT_ERROR = 3
"""Exit status at which gunicorn ends; after any other it starts the worker again, for ever."""


DEVELOPMENT = "ONWARD_DEVELOPMENT"
"""Set by `make run` for the server that it becomes."""


def is_development(app: Flask) -> bool:
    """Tell whether `make run` serves: its mark, its demo people, and this machine only."""
    has_demo_people = (Path(app.instance_path) / DEMO_MARK).exists()
    is_marked = os.environ.get(DEVELOPMENT) == "1"
    return is_marked and has_demo_people and web_address.is_loopback(app.config["BASE_URL"])


def refuse(sentence: str) -> NoReturn:
    """End the program with a sentence."""
    click.echo(sentence, err=True)
    raise SystemExit(WORKER_BOOT_ERROR)


def check(app: Flask) -> None:
    """Exit with a sentence instead of serving with missing keys or with demo people.

    Commands such as `routes` or `init` need neither keys nor database.
    """
    if not _is_about_to_serve():
        return
    instance = Path(app.instance_path)
    if (instance / DEMO_MARK).exists() and not web_address.is_loopback(app.config["BASE_URL"]):
        refuse("This instance holds demo people. It serves this machine only.")
    has_database = bool(app.config["DATABASE_URL"]) or (instance / "onward.sqlite").exists()
    if not has_database:
        return
    try:
        keys.load(instance / "keys")
    except keys.KeysMissing as error:
        refuse(str(error))


def _is_about_to_serve() -> bool:
    context = click.get_current_context(silent=True)
    return context is None or context.info_name == "run"
