"""The mail commands: preview, lint, deliver."""

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext
from werkzeug.serving import run_simple

import clock
from db import db
from mail import postman, preview, samples
from mail.lint import lint
from mail.outbox import Outbox

group = AppGroup("mail", help="Look at mails, check them, send what waits.")


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
    """Send what waits and is due; tell what failed and what may have left."""
    at = clock.now()
    ids = postman.due(at)
    sent = sum(postman.deliver(outbox_id) for outbox_id in ids)
    click.echo(f"{sent} of {len(ids)} due mails sent.")
    for row in postman.stuck(at):
        click.echo(f"Mail {row.id} ({row.kind}): the server stopped while sending it. It may have")
        click.echo("  left, so it is not sent again.")
    for row in db.session.query(Outbox).filter(Outbox.failed_at.is_not(None)).order_by(Outbox.id):
        click.echo(f"Mail {row.id} ({row.kind}) has failed: {row.error}.")
    if sent < len(ids):
        raise SystemExit(1)


@group.command("preview")
@click.option("--port", default=5001)
@with_appcontext
def preview_command(port: int) -> None:
    """Serve the gallery of all mails on this machine; it touches no database."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy's own way
    preview.open_alone(app)
    click.echo(f"The gallery of mails: http://127.0.0.1:{port}/mail/ (end it with Ctrl+C)")
    run_simple("127.0.0.1", port, app, use_reloader=True, reloader_interval=3, threaded=True)
