"""The commands for people: add, join, leave, role, unlock, reset, disable, enable."""

import sys

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import select

import addresses
import bounds
import clock
from accounts import events, join_answer, password, reset, upkeep
from accounts.models import Account, Membership, Role
from accounts.organisation_commands import named
from db import db
from factors.refusal import Refusal
from mail import postman

SET_UP = "/setup"
"""A command has no request to build the address of a page from."""
group = AppGroup("account", help="People who sign in.")


@group.command("add")
@click.argument("email")
@click.option("--name", required=True, help="How the person is called.")
@click.option("--organisation", help="An organisation that exists.")
@click.option("--role", type=click.Choice([str(r) for r in Role]), default="member")
def add_account(email: str, name: str, organisation: str | None, role: str) -> None:
    """Add a person. The password is read from standard input.

    \b
    flask --app app account add ann@example.org --name Ann --organisation Example --role owner
    """
    if organisation is None and role != "member":
        raise click.UsageError("--role needs --organisation.")
    address = _address(email)
    secret = _typed_line()
    try:
        password.check_strength(secret)
    except password.PasswordRefused as error:
        raise click.ClickException(str(error)) from None
    if not bounds.is_line(name, bounds.NAME):
        raise click.ClickException(
            f"A name is one line of plain text of 1 to {bounds.NAME} characters."
        )
    member_of = named(organisation) if organisation else None
    if db.session.scalar(select(Account).where(Account.email == address)):
        raise click.ClickException(f"There is a person with {address} already.")
    at = clock.now()
    account = Account.create(address, name, password.hashed(secret), at)
    facts: events.Facts = {}
    if member_of is not None:
        Membership.begin(account.id, member_of.id, Role(role), at)
        facts = {"result": f"in {member_of.name} as {role}", "organisation": member_of.id}
    events.record("account made", account.id, at, **facts)
    db.session.commit()
    click.echo(f"Added {address}.")


@group.command("join")
@click.argument("email")
@click.option("--organisation", required=True, help="An organisation that exists.")
@click.option("--role", type=click.Choice([str(r) for r in Role]), default="member")
@with_appcontext
def join_organisation(email: str, organisation: str, role: str) -> None:
    """Make a person who is here already one of an organisation as well."""
    account, joined = person(email), named(organisation)
    if db.session.get(Membership, (account.id, joined.id)):
        raise click.ClickException(f"{account.email} is in {joined.name} already.")
    at = clock.now()
    join_answer.settle(account.id, joined.id, at)
    Membership.begin(account.id, joined.id, Role(role), at)
    result = f"to {joined.name} as {role}"
    events.record("added", account.id, at, result=result, organisation=joined.id)
    db.session.commit()
    click.echo(f"{account.email} is in {joined.name} now.")


@group.command("leave")
@click.argument("email")
@click.option("--organisation", required=True, help="An organisation that the person is in.")
@with_appcontext
def leave_organisation(email: str, organisation: str) -> None:
    """Take a person out of an organisation; the account stays as it is."""
    account, left = person(email), named(organisation)
    if db.session.get(Membership, (account.id, left.id)) is None:
        raise click.ClickException(f"{account.email} is not in {left.name}.")
    if refusal := upkeep.leave(account, left, clock.now()):
        raise click.ClickException(plain(refusal))
    db.session.commit()
    click.echo(f"{account.email} is in {left.name} no more.")


@group.command("role")
@click.argument("email", metavar="PERSON")
@click.argument("organisation")
@click.argument("role", type=click.Choice([str(r) for r in Role]))
@click.option(
    "--leave-without-owner", is_flag=True, help="Also if the organisation has no owner then."
)
@with_appcontext
def role_command(email: str, organisation: str, role: str, leave_without_owner: bool) -> None:
    """Make a member, an admin or an owner of somebody in an organisation.

    \b
    flask --app app account role ann@example.org "Example Ltd" owner
    """
    account, theirs = person(email), named(organisation)
    if db.session.get(Membership, (account.id, theirs.id)) is None:
        raise click.ClickException(f"{account.email} is not in {theirs.name}: use account join.")
    refusal = upkeep.change_role(
        account, theirs.id, Role(role), None, clock.now(), last_owner_may_go=leave_without_owner
    )
    if refusal is not None:
        raise click.ClickException(f"{plain(refusal)} Or give --leave-without-owner.")
    db.session.commit()
    click.echo(f"{account.email} is {role} of {theirs.name} now.")


@group.command("unlock")
@click.argument("email")
@with_appcontext
def unlock_account(email: str) -> None:
    """End every pause of a person's second factor; wrong codes count anew."""
    account = person(email)
    upkeep.unlock(account, None, clock.now())
    db.session.commit()
    click.echo(f"Unlocked {account.email}.")


@group.command("reset")
@click.argument("email")
@click.option("--reason", required=True, help="Why; it is kept and mailed to the person.")
@with_appcontext
def reset_account(email: str, reason: str) -> None:
    """End a person's factors, sign-ins and trust, and print their reset code."""
    account = person(email)
    code = reset.reset(account, reason, reset.new_nonce(), None, clock.now())
    if isinstance(code, Refusal):
        raise click.ClickException(plain(code) + _instead(code))
    db.session.commit()
    postman.deliver_from_command()
    click.echo(f"Reset {account.email}. Their reset code, shown only now: {reset.shown(code)}")
    click.echo("Hand it over in person or by phone. Setting up again needs it.")


@group.command("disable")
@click.argument("email")
@with_appcontext
def disable_account(email: str) -> None:
    """Keep a person out and end their sign-ins."""
    account = person(email)
    if refusal := upkeep.disable(account, None, clock.now()):
        raise click.ClickException(plain(refusal))
    db.session.commit()
    click.echo(f"Disabled {account.email}.")


@group.command("enable")
@click.argument("email")
@with_appcontext
def enable_account(email: str) -> None:
    """Let a disabled person sign in again."""
    account = person(email)
    upkeep.enable(account, None, clock.now())
    db.session.commit()
    click.echo(f"Enabled {account.email}.")


def _instead(refusal: Refusal) -> str:
    """Return what helps somebody who has nothing to reset."""
    if refusal.reason != "nothing_to_reset":
        return ""
    address = f"{current_app.config['BASE_URL']}{SET_UP}"
    return f" They set it up at {address} after signing in."


def _typed_line() -> str:
    """Return the line of standard input, which must be UTF-8."""
    try:
        line = sys.stdin.readline().rstrip("\r\n")
        line.encode()
    except UnicodeError:
        raise click.ClickException("The password can't be read: it must be UTF-8.") from None
    return line


def plain(refusal: Refusal) -> str:
    """Return the sentence of a refusal, as a command prints it."""
    return str(refusal.text) % refusal.values


def person(email: str) -> Account:
    """Return whose address this is; the command ends with a sentence if it is nobody's."""
    account = db.session.scalar(select(Account).where(Account.email == _address(email)))
    if account is None:
        raise click.ClickException(f"There is nobody with {email!r}.")
    return account


def _address(typed: str) -> str:
    try:
        return addresses.canonical(typed)
    except addresses.AddressRefused as error:
        raise click.ClickException(f"{typed!r} is no email address: {error}") from None
