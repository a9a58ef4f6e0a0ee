"""The commands for keys: how they stand, a new one, one that is put aside."""

import click
from flask.cli import AppGroup, with_appcontext

import clock
import key_files
import keys
from operations import key_check, key_lock, key_use, renewal, retirement, rotation, sealing
from operations.installation_row import Installation

group = AppGroup("keys", help="Look at the keys, make new ones, put old ones aside.")


@group.command("status")
@with_appcontext
def status_command() -> None:
    """Tell of each key since when it is known and what needs it.

    Exits with 1 if something needs a key that is not there.
    """
    ring, uses, row = keys.load(key_check.folder()), key_use.every(), Installation.shown()
    for name, of_key in sorted(ring.prints.items(), key=lambda one: key_files.order(one[0])):
        since = row.knows_since(name) if row else None
        is_newest = key_files.parts(name)[1] == ring.newest(key_files.parts(name)[0])
        known = row is not None and name in (row.key_prints or {})
        state = "makes" if is_newest else "opens"
        told = f"since {since:%Y-%m-%d %H:%M} UTC" if since else "since before that was noted"
        told = told if known else "not used yet: flask --app app keys rotate"
        click.echo(f"{name:<10} {of_key}  {state}  {_needed(name, uses[name])}; {told}")
    missing = sorted(set(uses) - set(ring.prints))
    for name in missing:
        click.echo(f"MISSING    {name}; {_needed(name, uses[name])}")
    raise SystemExit(1 if missing else 0)


def _needed(name: str, count: int) -> str:
    purpose = name.partition("-")[0]
    if purpose == "signing":
        return "signs and verifies"
    return f"{'lists of backup codes' if purpose == 'pepper' else 'sealed values'}: {count}"


@group.command("rotate")
@click.argument("purpose", type=click.Choice(key_files.PURPOSES), default="seal")
@click.option("--renew", is_flag=True, help="Pepper: end the lists of backup codes before it.")
@with_appcontext
def rotate_command(purpose: str, renew: bool) -> None:
    """Make a new key and use it, while Onward runs. Killed, it is run again and goes on."""
    if renew and purpose != "pepper":
        raise click.ClickException("--renew is for the pepper: only backup codes depend on it.")
    with key_lock.alone():
        name = rotation.begin(purpose, _unfinished(purpose, renew), clock.now())
        click.echo(
            f"Everything is made with {name} from now on. Back it up apart from the database."
        )
        if purpose == "seal":
            _seal_anew()
        if renew:
            _renew()


def _unfinished(purpose: str, renew: bool) -> rotation.Unfinished:
    if purpose == "seal":
        return sealing.has_old_values
    return renewal.has_old_lists if renew else lambda _: False


def _seal_anew() -> None:
    closed = sealing.seal_anew(lambda column, count: click.echo(f"{column}: {count} sealed anew"))
    if closed:
        raise click.ClickException(
            f"These do not open and stay as they are: {', '.join(closed)}. "
            'Somebody or something altered them: see "Upgrade" in docs/deploy.md.'
        )
    click.echo("Nothing needs an older key any more.")


def _renew() -> None:
    ended = 0
    for count in renewal.renew(clock.now()):
        ended += count
        click.echo(f"{ended} lists of backup codes ended")
    click.echo(
        "Their owners are told by mail, once Onward runs or by: flask --app app mail deliver"
    )


@group.command("retire")
@click.argument("name")
@with_appcontext
def retire_command(name: str) -> None:
    """Put the key NAME aside, such as seal-1 or pepper; a number alone is that of a seal."""
    try:
        wanted = key_files.name_of(*key_files.parts(f"seal-{name}" if name.isdecimal() else name))
    except ValueError as error:
        raise click.ClickException(f"{error}.") from None
    with key_lock.alone():
        done = retirement.retire(wanted, clock.now())
    where = key_check.folder() / key_files.RETIRED / f"{wanted}.key"
    if done.is_variable:
        click.echo(f"Nothing needs {wanted} any more. Take it out of the environment, and keep it.")
    else:
        click.echo(f"{wanted} lies in {where} now. Nothing needs it any more but old copies.")
    if done.backup:
        click.echo(
            f"The newest backup that needs it is {done.backup.file} "
            f"of {done.backup.made_at:%Y-%m-%d %H:%M} UTC."
        )
