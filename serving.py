"""What must be right before Onward serves anybody."""

from pathlib import Path

import click
from flask import Flask

import keys
import settings

DEMO_MARK = "demo-people.json"
"""File in the instance folder that holds the demo people's passwords."""


def check(app: Flask) -> None:
    """Exit with a sentence instead of serving with missing keys or with demo people.

    Commands such as `routes` or `init` need neither keys nor database.
    """
    if not _is_about_to_serve():
        return
    instance = Path(app.instance_path)
    if (instance / DEMO_MARK).exists() and not settings.is_loopback(app.config["BASE_URL"]):
        raise SystemExit("This instance holds demo people. It serves this machine only.")
    has_database = bool(app.config["DATABASE_URL"]) or (instance / "onward.sqlite").exists()
    if not has_database:
        return
    try:
        keys.load(instance / "keys")
    except keys.KeysMissing as error:
        raise SystemExit(str(error)) from None


def _is_about_to_serve() -> bool:
    context = click.get_current_context(silent=True)
    return context is None or context.info_name == "run"
