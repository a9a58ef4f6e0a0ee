"""The commands of an installation: flask --app app …"""

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

import demo
import installation
import keys
from accounts import account_commands, organisation_commands, refusal_commands
from mail import commands as mail_commands
from operations import (
    backup_command,
    key_check,
    keys_command,
    making_ready,
    metrics_command,
    person_commands,
    restore_command,
    start,
)
from operations.polite import polite


@click.command("init")
@click.option("--new-keys", is_flag=True, help="The old keys are lost: go on without them.")
@with_appcontext
def init_command(new_keys: bool) -> None:
    """Create or upgrade the database, and make the keys of a new installation."""
    making_ready.prepare(new_keys)
    if sentence := start.refusal(keys.load(key_check.folder())):
        click.echo(f"The database is of this version, but not served yet. {sentence}")
    else:
        click.echo(f"Ready: {current_app.instance_path}")


@click.command("doctor")
@with_appcontext
def doctor_command() -> None:
    """Tell whether this installation is fit to serve; exit with 1 if it is not."""
    faults = 0
    for what, fault in installation.findings():
        click.echo(
            f"{'ok   ' if fault is None else 'FAULT'}  {what}" + (f": {fault}" if fault else "")
        )
        faults += fault is not None
    for note in installation.notes():
        click.echo(f"note   {note}")
    raise SystemExit(1 if faults else 0)


def init_app(app: Flask) -> None:
    """Register the commands."""
    for command in (person_commands.export_command, person_commands.remove_command):
        account_commands.group.add_command(command)
    for command in (
        init_command,
        organisation_commands.group,
        account_commands.group,
        refusal_commands.refusals_command,
        doctor_command,
        backup_command.backup_command,
        keys_command.group,
        restore_command.restore_command,
        metrics_command.metrics_command,
        mail_commands.group,
        organisation_commands.remind_command,
        demo.command,
    ):
        app.cli.add_command(polite(command))
