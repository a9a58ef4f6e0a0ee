"""The command that shows whom nobody knows and nobody let in: `flask --app app refusals`."""

from datetime import timedelta

import click
from flask.cli import with_appcontext
from sqlalchemy import select

import clock
from accounts.refusals import KEPT, SPAN, RefusalCount
from db import db


@click.command("refusals")
@click.option(
    "--hours",
    type=click.IntRange(1, int(KEPT / SPAN)),
    default=24,
    show_default=True,
    help="How far to look back.",
)
@with_appcontext
def refusals_command(hours: int) -> None:
    """List refused sign-ins of addresses that nobody has, by hour and network.

    Those of an account stand in the audit log. The typed addresses are not kept.
    """
    since = clock.now() - timedelta(hours=hours)
    query = select(RefusalCount).where(RefusalCount.hour > since - SPAN)
    order = (RefusalCount.hour.desc(), RefusalCount.times.desc(), RefusalCount.network)
    total = 0
    for row in db.session.scalars(query.order_by(*order)):
        total += row.times
        times = f"{row.times} times" if row.times > 1 else "once"
        what = f"{row.kind} by {row.factor}, {row.result}"
        click.echo(f"{row.hour:%Y-%m-%d %H}h  {row.network}  {what}, {times}")
    click.echo(f"{total} in {hours} hours.")
