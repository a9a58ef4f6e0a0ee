"""Demo people for `make run`: one who must set up, one who may, one who has, one admin."""

import json
import os
import secrets
import socket
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

import clock
from accounts import password
from accounts.models import Account, Enforcement, Membership, Organisation, Role
from accounts.sign_in import end_all
from db import db
from factors import backup_codes, totp
from factors.authenticator import Authenticator
from factors.diagnosis import Record
from operations import making_ready
from serving import DEMO_MARK, DEVELOPMENT

THREADS = 8


@dataclass
class Person:
    """A demo person, with the password made at the first run."""

    name: str
    email: str
    situation: str
    organisation: str
    role: Role = Role.MEMBER
    password: str = ""
    key: str = ""


PEOPLE = (
    Person("Alice Archer", "alice@example.com", "must set up", "Hartley & Sons"),
    Person("Bob Baker", "bob@example.com", "may set up", "Reading Room"),
    Person(
        "Carol Cook",
        "carol@example.com",
        "already set up, with the key",
        "Hartley & Sons",
    ),
    Person(
        "Dora Dean",
        "dora@example.com",
        "administrator, already set up, with the key",
        "Reading Room",
        Role.OWNER,
    ),
)
ORGANISATIONS = {"Hartley & Sons": Enforcement.HARD, "Reading Room": Enforcement.OFF}


@click.command("demo", hidden=True)
@click.option("--port", type=click.IntRange(1, 65535), default=5000)
@with_appcontext
def command(port: int) -> None:
    """Prepare the demo and serve it; `make run` calls this."""
    _check_port(port)
    making_ready.prepare()
    people = _people()
    click.echo("\nOnward's demo people (EMAIL PASSWORD situation):")
    for person in people:
        key = f" {person.key}" if person.key else ""
        click.echo(f"{person.email} {person.password} {person.situation}{key}")
    outbox = Path(current_app.instance_path) / "outbox"
    click.echo(f"\nMails are caught in {os.path.relpath(outbox)}/ as .eml files, newest last.")
    click.echo(f"Look at every mail, caught or not: {current_app.config['BASE_URL']}/mail/")
    click.echo(f"Onward serves {current_app.config['BASE_URL']} (end it with Ctrl+C)")
    sys.stdout.flush()
    _serve(port)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise click.ClickException(
                f"Port {port} is taken. Choose another one: make run PORT={port + 1}"
            ) from None


def _people() -> list[Person]:
    """Return the demo people, made and written down at the first run."""
    file = Path(current_app.instance_path) / DEMO_MARK
    if not file.exists():
        people = [_made(person) for person in PEOPLE]
        _write(file, people)
    else:
        people = [Person(**stored) for stored in json.loads(file.read_text("utf-8"))]
        caught_up = [_catch_up(person) for person in people]
        if any(caught_up):
            _write(file, people)
    db.session.commit()
    return people


def _write(file: Path, people: list[Person]) -> None:
    """Write the people down, in one step: a run that is killed leaves the old file or the new."""
    beside = file.with_suffix(".new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        json.dump([asdict(person) for person in people], out, indent=1)
    beside.replace(file)


def _catch_up(person: Person) -> bool:
    """Set up an administrator of a demo from before administration needed two factors."""
    account = db.session.query(Account).filter_by(email=person.email).one_or_none()
    if person.role == Role.MEMBER or person.key or account is None:
        return False
    if Authenticator.of_account(account.id) is not None:
        return False  # with an app of her own, whose key is nowhere but there
    at = clock.now()
    person.situation = next(one.situation for one in PEOPLE if one.role is not Role.MEMBER)
    _set_up(person, account, at)
    end_all(account.id, at)
    return True


def _made(person: Person) -> Person:
    """Add one demo person to the running transaction."""
    at = clock.now()
    person.password = secrets.token_urlsafe(9)
    account = Account.create(person.email, person.name, password.hashed(person.password), at)
    organisation = db.session.query(Organisation).filter_by(name=person.organisation).one_or_none()
    if organisation is None:
        organisation = Organisation(
            name=person.organisation,
            enforcement=ORGANISATIONS[person.organisation],
            created_at=at,
        )
        db.session.add(organisation)
        db.session.flush()
    Membership.begin(account.id, organisation.id, person.role, at)
    if "already set up" in person.situation:
        _set_up(person, account, at)
    return person


def _set_up(person: Person, account: Account, at: datetime) -> None:
    """Bind an app with a key that is printed, and give backup codes that nobody has."""
    person.key = totp.new_secret()
    record = Record(account.next_label, person.key)
    account.records_issued += 1
    Authenticator.bind(account.id, record, totp.step_at(at) - 2, at)
    backup_codes.issue(account.id, backup_codes.new_codes(), at)


def _serve(port: int) -> None:
    """Become the server that a real installation runs too."""
    arguments = ["-m", "gunicorn", "app:create_app()", "--bind", f"127.0.0.1:{port}"]
    arguments += [
        "--worker-class",
        "gthread",
        "--threads",
        str(THREADS),
        "--no-control-socket",
    ]
    os.execve(  # noqa: S606  # our own interpreter with our own arguments
        sys.executable,
        [sys.executable, *arguments, "--log-level", "warning"],
        os.environ | {DEVELOPMENT: "1"},
    )
