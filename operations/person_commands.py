"""The commands for one person's data: account export, account remove."""

import json
import os
import stat
from pathlib import Path

import click
from flask.cli import with_appcontext

import clock
from accounts import account_commands, events
from db import db
from operations import export, removal


@click.command("export")
@click.argument("email")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@with_appcontext
def export_command(email: str, file: Path | None) -> None:
    """Write all that is kept about a person into a new FILE of JSON, or print it.

    No secret, key or hash is in it. Only its owner can read the file.
    """
    account = account_commands.person(email)
    words = json.dumps(export.of_person(account), indent=2, ensure_ascii=False) + "\n"
    if file is not None:
        _write(file, words)
    events.record("person exported", account.id, clock.now())
    db.session.commit()
    if file is None:
        click.echo(words, nl=False)
    else:
        click.echo(f"Wrote what is kept about {account.email}: {file}")


def _write(file: Path, words: str) -> None:
    """Write a new file, for its owner alone, whole or not at all."""
    handle = _new(file)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(words)
    except OSError as error:
        file.unlink(missing_ok=True)
        raise click.ClickException(f"{file} can't be written: {error.strerror}.") from None


def _new(file: Path) -> int:
    """Open a file that is not there yet, for its owner alone."""
    try:
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    except FileExistsError:
        raise click.ClickException(f"{file} is there already.") from None
    except OSError as error:
        raise click.ClickException(f"{file} can't be written: {error.strerror}.") from None


@click.command("remove")
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--leave-without-owner", is_flag=True, help="Also if an organisation has no owner then."
)
@with_appcontext
def remove_command(email: str, yes: bool, leave_without_owner: bool) -> None:
    """Remove a person with all that is kept about them; there is no way back.

    Their events stay in the log, without name and address.
    """
    account = account_commands.person(email)
    name, address = account.name, account.email
    db.session.rollback()  # nobody waits for the answer
    if not yes:
        click.confirm(f"Remove {name} ({address}) for ever?", abort=True)
    refusal = removal.remove(account, clock.now(), leave_without_owner)
    if refusal is not None:
        said = account_commands.plain(refusal)
        raise click.ClickException(f"{said} Or give --leave-without-owner.")
    db.session.commit()
    removal.forget_earlier_pages()
    click.echo(f"Removed {address}. The log now calls this person {account.name}.")
    click.echo("Copies that were made before still hold what was removed.")
