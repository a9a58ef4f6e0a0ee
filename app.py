"""Onward's application factory: settings, extensions, gate, blueprints, commands."""

import os
from collections.abc import Mapping
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, send_from_directory
from flask_babel import Babel
from flask_wtf import CSRFProtect
from htmx_flask import Htmx
from werkzeug.middleware.proxy_fix import ProxyFix

import clock
import commands
import cookies
import database_faults
import database_waits
import logs
import serving
import settings
import sweeper
import web
import web_address
from accounts import (
    challenge,
    first_password,
    gate,
    hash_queue,
    joining,
    passwords,
    proof,
    reset_page,
    security,
    signin,
    sso,
    sso_kept,
    turning_off,
    unsubscribe,
    visitor,
)
from admin import pages as admin_pages
from db import alembic, db
from mail import carrier, postman, preview, smtp
from operations import health
from wizard import views as wizard_views

ROOT = Path(__file__).parent
BLUEPRINTS = (
    signin.bp,
    challenge.bp,
    proof.bp,
    reset_page.bp,
    sso.bp,
    first_password.bp,
    security.bp,
    joining.bp,
    turning_off.bp,
    passwords.bp,
    unsubscribe.bp,
    wizard_views.bp,
    admin_pages.bp,
)


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Return the application. For a command it opens neither the database nor the keys.

    `config` overrides settings by name; INSTANCE is the folder of the
    installation. Exits with a sentence if a setting can't be used, or if it is
    about to serve a database without its keys, or one that must not be served.
    """
    config = dict(config or {})
    instance = Path(
        config.pop("INSTANCE", None) or os.environ.get("ONWARD_INSTANCE") or ROOT / "instance"
    )
    app = cookies.Application(__name__, instance_path=str(instance.resolve()))
    try:
        app.config.update(settings.load(instance.resolve()))
        app.config.update(config)
        _configure(app)
    except settings.SettingError as error:
        serving.refuse(str(error))
    serving.check(app)
    _extend(app)
    serving.check_database(app)
    _pages(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    if serving.is_development(app):
        preview.open_in(app)
    commands.init_app(app)
    return app


def _configure(app: Flask) -> None:
    """Derive what Flask and the extensions want from our settings."""
    settings.check(app.config)
    base = urlsplit(app.config["BASE_URL"])
    secure = base.scheme == "https"
    address = app.config["DATABASE_URL"] or f"sqlite:///{app.instance_path}/onward.sqlite"
    app.config.update(cookies.configuration(secure))
    app.config.update(
        SQLALCHEMY_ENGINES={
            "default": {
                "url": address.replace("postgresql://", "postgresql+psycopg://", 1),
                # An error's text goes into the log: without addresses and hashes (S-137).
                "hide_parameters": True,
                # A connection that a restart has ended is replaced before it is used.
                "pool_pre_ping": True,
                "pool_timeout": app.config["DATABASE_WAIT"],
            }
        },
        ALEMBIC={"script_location": str(ROOT / "migrations")},
        # One transaction for the whole upgrade, on SQLite too: db.py begins it there.
        ALEMBIC_CONTEXT={"transactional_ddl": True},
        WTF_CSRF_TIME_LIMIT=None,
        WTF_I18N_ENABLED=False,
        TRUSTED_HOSTS=["127.0.0.1", "localhost", "::1"]
        if web_address.is_loopback(app.config["BASE_URL"])
        else [base.hostname],
        MAX_CONTENT_LENGTH=64 * 1024,
    )


def _extend(app: Flask) -> None:
    logs.init_app(app)
    Babel(app)
    Htmx(app)
    db.init_app(app)
    # The extension closes its async sessions in a thread of their own, request by
    # request. Onward has none, and the thread costs more than it closes.
    app.teardown_appcontext_funcs[:] = [
        close for close in app.teardown_appcontext_funcs if not iscoroutinefunction(close)
    ]
    _limit_waits(app)
    alembic.init_app(app)
    smtp.mail.init_app(app)
    carrier.init_app(app)
    sso_kept.init_app(app)
    hash_queue.init_app(app)
    # Templates know the visitor as `me`, looked up only where it is used.
    visitor.login_manager.init_app(app, add_context_processor=False)
    # The order of these is the order in which they run: the gate before CSRF.
    web.init_app(app)
    database_faults.init_app(app)
    gate.init_app(app)
    CSRFProtect(app).exempt(unsubscribe.bp)
    app.after_request(postman.deliver_after)
    sweeper.init_app(app)
    health.init_app(app)
    hops = app.config["PROXY_HOPS"]
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]  # Flask's own way


def _limit_waits(app: Flask) -> None:
    """Let pages wait for the database for a while only; a command waits as long as it takes."""
    if not serving.is_about_to_serve():
        return
    names = ("DATABASE_WAIT", "DATABASE_CONNECT_WAIT", "DATABASE_WAITERS")
    waits = database_waits.Waits(*(app.config[name] for name in names))
    with app.app_context():
        database_waits.limit(db.engine, waits)


def _pages(app: Flask) -> None:
    """The few pages that belong to no room."""

    @app.get("/")
    def home() -> Response:
        return web.go(gate.home_of(visitor.visitor(), clock.now()))

    @app.get("/help")
    def help_page() -> Response:
        return web.render("help.html")

    @app.get("/health")
    def alive() -> Response:
        return Response("alive\n", mimetype="text/plain")

    @app.get("/health/ready")
    def ready() -> Response:
        is_ready = health.watch().is_ready()
        # What is wrong stands in the log, and `doctor` tells it: strangers learn nothing.
        words, status = ("ok", 200) if is_ready else ("not ok", 503)
        return Response(f"{words}\n", status, mimetype="text/plain")

    @app.get("/favicon.ico")
    def favicon() -> Response:
        return send_from_directory(ROOT / "static", "favicon.ico")
