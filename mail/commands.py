"""The mail commands: preview, lint, deliver; those for the queue are in queue.py."""

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext
from werkzeug.serving import run_simple

import clock
import runs
from db import db
from mail import pause, postman, preview, queue, samples
from mail.lint import lint
from mail.postman import Delivery

group = AppGroup("mail", help="Look at mails, check them, send what waits.")
for command in (queue.list_command, queue.retry_command, queue.forget_command):
    group.add_command(command)


@group.command("lint")
@with_appcontext
def lint_command() -> None:
    """Check every sample of every message; exit with 1 if one is not fit to be sent."""
    faults = seen = 0
    for sample in samples.every():
        seen += 1
        for finding in lint(sample.message()):
            faults += 1
            click.echo(f"{sample.kind}, {sample.name}: {finding.rule}: {finding.what}")
    click.echo(f"{seen} mails, {faults} findings.")
    raise SystemExit(1 if faults else 0)


@group.command("deliver")
@with_appcontext
def deliver_command() -> None:
    """Send what is due; exit with 1 if something of it could not be sent."""
    at = clock.now()
    outcomes = [postman.deliver(outbox_id) for outbox_id in postman.due(at)]
    sent = outcomes.count(Delivery.SENT)
    others = outcomes.count(Delivery.NOT_OURS)
    runs.note(runs.Work.DELIVER, clock.now())
    db.session.commit()
    click.echo(f"{sent} of {len(outcomes) - others} due mails sent.")
    if (on := pause.current(clock.now())) is not None:
        click.echo(f"The mail server is silent. Next try after {on.until:%H:%M:%S} UTC.")
    queue.tell_trouble(at)
    raise SystemExit(0 if sent + others == len(outcomes) else 1)


@group.command("preview")
@click.option("--port", type=click.IntRange(1, 65535), default=5001)
@with_appcontext
def preview_command(port: int) -> None:
    """Serve the gallery of all mails on this machine; it touches no database."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy's own way
    preview.open_alone(app)
    click.echo(f"The gallery of mails: http://127.0.0.1:{port}/mail/ (end it with Ctrl+C)")
    run_simple("127.0.0.1", port, app, use_reloader=True, reloader_interval=3, threaded=True)
