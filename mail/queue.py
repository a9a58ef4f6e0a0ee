"""The queue of mails as an operator sees it: what waits, what is stuck, what has failed."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import click
from flask.cli import with_appcontext
from sqlalchemy import case, func, select

import clock
from db import db
from mail.outbox import Outbox
from mail.postman import STUCK


class State(StrEnum):
    """Where a mail stands that has not left."""

    DUE = "due"
    WAITING = "waiting"
    """For its next try."""
    SENDING = "sending"
    STUCK = "stuck"
    """Its sender died while sending: it may have left."""
    FAILED = "failed"


def state_of(row: Outbox, at: datetime) -> State:
    """Return where the mail stands."""
    if row.failed_at is not None:
        return State.FAILED
    if row.claimed_at is not None:
        return State.STUCK if row.claimed_at <= at - STUCK else State.SENDING
    return State.WAITING if row.next_try_at is not None and row.next_try_at > at else State.DUE


def unsent() -> list[Outbox]:
    """Return the mails that have not left, the oldest first."""
    query = select(Outbox).where(Outbox.sent_at.is_(None)).order_by(Outbox.id)
    return list(db.session.scalars(query))


def counts(at: datetime) -> dict[State, tuple[int, datetime]]:
    """Return how many mails stand in each state, and since when the oldest waits; one statement.

    It says what `state_of` says of one mail.
    """
    state = case(
        (Outbox.failed_at.is_not(None), State.FAILED.value),
        (Outbox.claimed_at <= at - STUCK, State.STUCK.value),
        (Outbox.claimed_at.is_not(None), State.SENDING.value),
        (Outbox.next_try_at > at, State.WAITING.value),
        else_=State.DUE.value,
    )
    query = select(state, func.count(), func.min(Outbox.made_at)).where(Outbox.sent_at.is_(None))
    rows = db.session.execute(query.group_by(state))
    return {State(row[0]): (row[1], row[2]) for row in rows}


def tell_trouble(at: datetime) -> None:
    """Print how many mails need an operator, if any do."""
    numbers = counts(at)
    stuck, failed = (numbers.get(state, (0, at))[0] for state in (State.STUCK, State.FAILED))
    if stuck or failed:
        click.echo(f"{stuck} stuck, {failed} failed: see flask --app app mail list.")


@click.command("list")
@click.option("--state", type=click.Choice([str(state) for state in State]))
@with_appcontext
def list_command(state: str | None) -> None:
    """List the mails that have not left: number, state, kind, recipient, age, tries, error.

    "stuck" means that the server stopped while sending: such a mail may have left.
    """
    at = clock.now()
    rows = [row for row in unsent() if state is None or state_of(row, at) == state]
    for row in rows:
        minutes = int((at - row.made_at).total_seconds() // 60)
        facts = f"{row.id}  {state_of(row, at)}  {row.kind}  {row.recipient}  {minutes} min"
        click.echo(f"{facts}  {row.tries} tries" + (f"  {row.error}" if row.error else ""))
    click.echo(f"{len(rows)} mails.")


def _chosen(ids: Iterable[int], is_all: bool) -> list[Outbox]:
    """Return the stuck and failed mails that were named; end with a sentence if one is neither."""
    at, wanted = clock.now(), set(ids)
    troubled = {State.STUCK, State.FAILED}
    rows = [row for row in unsent() if state_of(row, at) in troubled]
    if is_all:
        return rows
    if not wanted:
        raise click.UsageError("Name the mails by their numbers, or give --all.")
    if unknown := wanted - {row.id for row in rows}:
        raise click.ClickException(f"Mail {min(unknown)} is neither stuck nor failed.")
    return [row for row in rows if row.id in wanted]


@click.command("retry")
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Every stuck and every failed one.")
@with_appcontext
def retry_command(ids: tuple[int, ...], is_all: bool) -> None:
    """Make stuck and failed mails due again. A stuck one may arrive twice.

    Codes are not sent again: people ask for a new one.
    """
    again = gone = 0
    for row in _chosen(ids, is_all):
        if row.is_code or row.sealed_message is None:
            gone += 1
            click.echo(f"Mail {row.id} can't be sent again: its text is gone.")
        else:
            row.put_back()
            again += 1
    db.session.commit()
    click.echo(f"{again} mails are due again. Send them: flask --app app mail deliver")
    raise SystemExit(1 if gone and not again else 0)


@click.command("forget")
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Every stuck and every failed one.")
@with_appcontext
def forget_command(ids: tuple[int, ...], is_all: bool) -> None:
    """Delete stuck and failed mails with their texts."""
    rows = _chosen(ids, is_all)
    for row in rows:
        db.session.delete(row)
    db.session.commit()
    click.echo(f"{len(rows)} mails forgotten.")
