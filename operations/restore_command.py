"""The command that lets a database be served which was put back."""

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import func, select

import clock
import keys
from accounts.models import Account
from db import db, reading
from operations import compromise, key_check, key_lock, mark, restore, schema
from operations.restore import Restored
from operations.start import RETIRED

NOT_UNDONE = (
    "Ended as well: every authenticator app and every backup email. All keys are new.",
    "What nobody can undo:",
    "- Names, addresses and the log were read. So were the hashes of passwords: weak ones will",
    "  be guessed. Until somebody has set up anew, the password alone signs them in.",
    "- Administrators in that copy may have changed it: look over the roles.",
)
LOST = (
    "Each app's next code works in a minute.",
    "Nobody can know what happened after that:",
    "- A password, an app or a backup email that was changed is the old one again, and a",
    "  device or a person that was removed is back. It must be done again.",
    "- People who joined, left or got another role: look over your administrators first.",
    "- An app that was set up after it shows codes that no longer count: that person needs",
    "  flask --app app account reset",
)


@click.command("restore")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--current", is_flag=True, help="This is no old copy: only write the mark anew.")
@click.option("--compromised", is_flag=True, help="Somebody else has the database and its keys.")
@with_appcontext
def restore_command(yes: bool, current: bool, compromised: bool) -> None:
    """Make an old copy of the database safe: end what it brings back, tell people.

    Put the copy and its keys back first, then run init, then this. Stop the service before.
    With --compromised everybody sets up anew, with new keys, in an old copy or in today's.
    """
    if current and compromised:
        raise click.ClickException("--current changes nothing, and --compromised everything.")
    _check()
    if current:
        _take_as_current(yes)
        return
    people = db.session.scalar(select(func.count()).where(Account.are_people())) or 0
    db.session.rollback()
    ends = "every second factor" if compromised else "their backup codes and all trust"
    if not yes:
        click.confirm(f"Sign {people} people out everywhere, and end {ends}?", abort=True)
    _restore(compromised)


def _restore(compromised: bool) -> None:
    at = clock.now()
    with key_lock.alone():
        fresh = compromise.fresh_purposes() if compromised else set()
        found = restore.restore(at, compromised=compromised)
        told = restore.tell_everybody(found.copied_at, at, compromised=compromised)
        closed = restore.use_todays_keys(at)
        left = compromise.change_keys(fresh, at) if compromised else []
    restore.let_serve()
    _tell(found, told, NOT_UNDONE if compromised else LOST)
    if left:
        click.echo(f"Take these keys out of the environment: {', '.join(left)}.")
    if closed:
        click.echo(f"These do not open any more: {', '.join(closed)}.")


def _check() -> None:
    """End with a sentence unless schema and keys are those of this database."""
    with reading() as connection:
        is_upgraded = schema.version(connection) == schema.wanted()
    if not is_upgraded or not (prints := key_check.stored_prints()):
        raise click.ClickException("Run flask --app app init first, then this again.")
    ring = key_check.with_retired()
    if sentence := key_check.misfit(ring, prints):
        raise click.ClickException(sentence)
    keys.hold(current_app, ring)


def _take_as_current(yes: bool) -> None:
    if restore.behind():
        raise click.ClickException(
            "The mark says that this database is an old copy. Run: flask --app app restore"
        )
    if sentence := key_check.misfit(keys.load(key_check.folder()), key_check.stored_prints()):
        raise click.ClickException(f"{sentence} {RETIRED}")
    db.session.rollback()  # nobody waits for the answer
    if not yes:
        click.confirm("Is this the newest state of the database, and no older copy?", abort=True)
    restore.let_serve()
    click.echo(f"Wrote the mark {mark.path()}. You can start Onward.")


def _tell(found: Restored, told: int, lines: tuple[str, ...]) -> None:
    """Print what was done and what nobody can know."""
    click.echo(
        "Ended: every sign-in, all trust, set-ups under way, mailed codes and links, reset "
        "codes and all backup codes."
    )
    if found.copied_at is not None and lines is LOST:
        click.echo(f"The copy ends at {found.copied_at:%Y-%m-%d %H:%M:%S} UTC.")
    for line in lines:
        click.echo(line)
    if found.invitations:
        click.echo(f"Invitations that are void now: {found.invitations}. Send them again.")
    click.echo(
        f"People who are told by mail: {told}, once Onward runs or by: flask --app app mail deliver"
    )
    click.echo("Look at it with flask --app app doctor, then start Onward.")
