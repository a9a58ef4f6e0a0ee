"""The commands for organisations: add, set, end, and remind."""

from datetime import UTC, datetime

import click
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import select

import bounds
import clock
import runs
from accounts import enforcement, events, identity, organisation_end, reminders
from accounts.models import Enforcement, Organisation
from db import db
from mail import postman

group = AppGroup("organisation", help="Organisations and what they require.")


@group.command("add")
@click.argument("name")
@click.option("--enforcement", type=click.Choice([str(e) for e in Enforcement]), default="off")
def add_organisation(name: str, enforcement: str) -> None:
    """Add an organisation."""
    if not bounds.is_line(name, bounds.NAME):
        raise click.ClickException(
            f"A name is one line of plain text of 1 to {bounds.NAME} characters."
        )
    if db.session.scalar(select(Organisation).where(Organisation.name == name)):
        raise click.ClickException(f"There is an organisation {name!r} already.")
    at = clock.now()
    organisation = Organisation(name=name, enforcement=Enforcement(enforcement), created_at=at)
    db.session.add(organisation)
    db.session.flush()
    result = f"{name}: {enforcement}"
    events.record("organisation added", None, at, result=result, organisation=organisation.id)
    db.session.commit()
    click.echo(f"Added {name}: two-factor authentication is {enforcement}.")


@group.command("set")
@click.argument("name")
@click.option("--enforcement", "level", type=click.Choice([str(e) for e in Enforcement]))
@click.option("--hard-from", help="Date (UTC) from which soft becomes hard: 2031-05-06.")
@click.option(
    "--grace-days", type=click.IntRange(0, bounds.MOST_DAYS), help="Days that new members have."
)
@with_appcontext
def set_command(
    name: str, level: str | None, hard_from: str | None, grace_days: int | None
) -> None:
    """Change what an organisation requires; it counts at once."""
    organisation = named(name)
    chosen = Enforcement(level) if level else organisation.enforcement
    moment = _moment(hard_from) if hard_from else None
    if level is None and hard_from is None:
        moment = organisation.hard_from
    refusal = enforcement.set_policy(organisation, chosen, moment, None, clock.now(), grace_days)
    if refusal is not None:
        raise click.ClickException(str(refusal.text) % refusal.values)
    db.session.commit()
    date = f", hard from {moment:%Y-%m-%d %H:%M} UTC" if moment else ""
    click.echo(f"{name}: two-factor authentication is {chosen}{date}.")


@group.command("end")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def end_command(name: str, yes: bool) -> None:
    """End an organisation; its people stay, and it asks nothing of them any more."""
    organisation = named(name)
    members = enforcement.consequences(organisation.id, clock.now()).members
    db.session.rollback()  # nobody waits for the answer
    if not yes:
        click.confirm(f"End {name} with {members} members?", abort=True)
    ended = organisation_end.end(organisation, clock.now())
    db.session.commit()
    click.echo(f"Ended {name}; {ended.people} people stay.")
    if ended.invited:
        click.echo(f"{ended.invited} of them never answered their invitation, which is void now.")
    for provider in identity.providers().values():
        if name in provider.organisations:
            click.echo(f"The settings of {provider.name} (SSO) still name it: take it out there.")


group.add_command(end_command, "remove")  # as it was called before


def named(name: str) -> Organisation:
    """Return the organisation of this name; the command ends with a sentence if there is none."""
    query = select(Organisation).where(Organisation.name == name)
    found = db.session.scalar(query) if name.isprintable() else None
    if found is None:
        raise click.ClickException(f"There is no organisation {name!r}.")
    return found


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.ClickException(f"{text!r} is not a date like 2031-05-06.") from None
    at = found if found.tzinfo else found.replace(tzinfo=UTC)
    if not bounds.is_moment(at):
        first, last = bounds.EARLIEST.year, bounds.LATEST.year
        raise click.ClickException(f"{text!r} is not within the years {first} to {last}.")
    return at.astimezone(UTC)


@click.command("remind")
@click.option("--dry-run", is_flag=True, help="Only tell who would get one.")
@with_appcontext
def remind_command(dry_run: bool) -> None:
    """Mail the reminders that are due: weekly where it is soft, daily where it is a must."""
    at, count = clock.now(), 0
    for outbox_id in [] if dry_run else postman.due(at):
        postman.deliver(outbox_id)
    for person in list(reminders.due(at)):
        if dry_run or _remind(person, at):
            count += 1
            period = "daily" if person.demand.is_must else "weekly"
            # A timer's output goes into the log of the machine: a number instead of an address.
            who = person.email if dry_run else f"account {person.account_id}"
            click.echo(f"{who}  {period}  asked by {person.demand.asked_by}")
    if not dry_run:
        runs.note(runs.Work.REMIND, clock.now())
        db.session.commit()
    click.echo(f"{count} would be reminded." if dry_run else f"{count} reminded.")


def _remind(person: reminders.Due, at: datetime) -> bool:
    """Remind one person and send the mail; what does not leave is tried again later."""
    if not reminders.put(person, at):
        db.session.rollback()
        return False
    db.session.commit()
    postman.deliver_from_command()
    return True
