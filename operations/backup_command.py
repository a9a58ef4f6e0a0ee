"""The command that copies the database into a file."""

from pathlib import Path

import click
from flask.cli import with_appcontext

import clock
from operations import backup


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@with_appcontext
def backup_command(file: Path) -> None:
    """Copy the database into a new FILE while it is served, and check the copy.

    The keys are not in it. Keep them in another place.
    """
    try:
        prints = backup.make(file, clock.now())
    except (backup.BackupFailed, OSError) as error:
        raise click.ClickException(str(error)) from None
    needed = ", ".join(f"{name} ({of_key})" for name, of_key in sorted(prints.items()))
    click.echo(f"Copied and checked: {file}, {file.stat().st_size} bytes.")
    click.echo(f"It needs these keys, which are not in it: {needed or 'not known'}.")
