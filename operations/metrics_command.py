"""The command that serves metrics to a Prometheus on this machine."""

import click
from flask import current_app
from flask.cli import with_appcontext
from prometheus_client import CollectorRegistry, start_http_server

from operations.metrics import Metrics

ADDRESS = "127.0.0.1"
"""Nobody else is told how an installation does."""


@click.command("metrics")
@click.option("--port", type=click.IntRange(1, 65535), default=9109, show_default=True)
@with_appcontext
def metrics_command(port: int) -> None:
    """Serve metrics for Prometheus on this machine, until it is ended.

    Each scrape reads the database. Nothing in it names anybody.
    """
    registry = CollectorRegistry()
    registry.register(Metrics(current_app._get_current_object()))  # type: ignore[attr-defined]  # the proxy's own way
    try:
        _, serving = start_http_server(port, ADDRESS, registry)
    except OSError as error:
        raise click.ClickException(f"Port {port} can't be used: {error.strerror}.") from None
    click.echo(f"Metrics: http://{ADDRESS}:{port}/metrics")
    serving.join()
