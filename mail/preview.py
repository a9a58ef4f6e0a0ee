"""The gallery: every mail, in every sample, width and scheme, before anybody receives it.

It exists in a development run and under `flask --app app mail preview` only, on this
machine. It reads templates and caught mails, never the database.
"""

import secrets
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, g, jsonify, request, url_for
from flask_babel import gettext

import addresses
import keys
import web
from mail import samples, shown, smtp
from mail.message import MESSAGES
from mail.samples import Sample
from mail.shown import SCHEMES, Shown
from mail.smtp import NotSent

bp = Blueprint("gallery", __name__, url_prefix="/mail")
PARTS = ("html", "text", "source", "headers")
WIDTHS = ("600", "320")
IMAGES = ("on", "off")
PAGE_POLICY = web.POLICY + "; frame-src 'self'"
FRAME_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src {images}; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)


def open_in(app: Flask) -> None:
    """Let the gallery stand beside the product, in a development run."""
    app.jinja_env.auto_reload = True
    app.register_blueprint(bp)
    app.extensions["csrf"].exempt(bp)  # it holds no session; the gate wants a post of its own


def open_alone(app: Flask) -> None:
    """Serve the gallery and nothing else: no database, no keys of an installation."""
    ring = keys.KeyRing({name: secrets.token_bytes(keys.KEY_BYTES) for name in keys.NAMES})
    keys.hold(app, ring)
    app.config["TRUSTED_HOSTS"] = ["127.0.0.1", "localhost", "::1"]  # served on this machine only

    @app.before_request
    def only_the_gallery() -> None:
        if request.endpoint != "static" and request.blueprint != "gallery":
            abort(404)

    open_in(app)


@bp.get("/")
def index() -> Response:
    """Show all messages at a glance, and below them the mails that were caught."""
    g.policy = PAGE_POLICY
    usual = [(kind, shown.of_sample(samples.samples_of(kind)[0])) for kind in MESSAGES]
    return web.render(
        "gallery/index.html",
        usual=usual,
        samples_of=samples.samples_of,
        when=samples.when,
        caught=list(shown.caught()),
    )


@bp.get("/<kind>/<sample>")
def show(kind: str, sample: str) -> Response:
    """Show one sample of a message, as the address says."""
    found = _sample(kind, sample)
    return _page(shown.of_sample(found), kind, found.path, samples.samples_of(kind))


@bp.get("/caught/<name>")
def show_caught(name: str) -> Response:
    """Show a mail that was caught."""
    return _page(_caught(name), "caught", name, [])


@bp.get("/<kind>/<sample>/body")
def body(kind: str, sample: str) -> Response:
    """Give the HTML part to the frame that shows it."""
    return _body(_shown(kind, sample))


@bp.get("/caught/<sample>.eml", defaults={"kind": "caught"})
@bp.get("/<kind>/<sample>.eml")
def download(kind: str, sample: str) -> Response:
    """Give the whole mail as a file."""
    name = f"{kind}-{sample}.eml"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(_shown(kind, sample).raw, mimetype="message/rfc822", headers=headers)


@bp.post("/<kind>/<sample>/send")
def send(kind: str, sample: str) -> Response:
    """Send the sample to one address, by the mail server of the settings."""
    found = _sample(kind, sample)
    try:
        address = addresses.canonical(request.form.get("address", ""))
    except addresses.AddressRefused:
        return _sent(found, gettext("That is not an email address."), 422)
    if not current_app.config["MAIL_SERVER"]:
        return _sent(found, gettext("No mail server is set: ONWARD_MAIL_SERVER."), 422)
    try:
        smtp.send(shown.of_sample(found, address).made)
    except NotSent as error:
        return _sent(found, gettext("It was not sent: %(why)s.", why=error), 502)
    return _sent(found, gettext("Sent to %(address)s.", address=address), 200)


@bp.get("/version")
def version() -> Response:
    """Tell what the gallery shows now, so that a page can tell when a template was saved."""
    folder = Path(current_app.root_path) / "templates" / "mail"
    files = [*folder.iterdir(), *(Path(current_app.instance_path) / "outbox").glob("*.eml")]
    state = sorted((file.name, file.stat().st_mtime_ns) for file in files)
    return jsonify(version=sha256(repr(state).encode()).hexdigest()[:16])


def _sent(sample: Sample, told: str, status: int) -> Response:
    every = samples.samples_of(sample.kind)
    page = _page(shown.of_sample(sample), sample.kind, sample.path, every, told)
    page.status_code = status
    return page


def _page(mail: Shown, kind: str, name: str, every: list[Sample], told: str = "") -> Response:
    g.policy = PAGE_POLICY
    state = {
        "part": _one_of("part", PARTS),
        "width": _one_of("width", WIDTHS),
        "scheme": _one_of("scheme", SCHEMES),
        "images": _one_of("images", IMAGES),
    }
    choices = {"part": PARTS, "width": WIDTHS, "scheme": SCHEMES, "images": IMAGES}
    itself: dict[str, Any] = {"kind": kind, "sample": name} if every else {"name": name}
    endpoint = "gallery.show" if every else "gallery.show_caught"
    return web.render(
        "gallery/mail.html",
        mail=mail,
        kind=kind,
        name=name,
        samples=every,
        when=samples.when(kind) if every else None,
        state=state,
        choices=choices,
        told=told,
        address_of=lambda **change: url_for(endpoint, **itself, **state | change),
    )


def _body(mail: Shown) -> Response:
    images = "data:" if _one_of("images", IMAGES) == "on" else "'none'"
    g.policy = FRAME_POLICY.format(images=images)
    return Response(mail.body(_one_of("scheme", SCHEMES)), mimetype="text/html")


def _one_of(name: str, choices: tuple[str, ...]) -> str:
    asked = request.args.get(name, choices[0])
    return asked if asked in choices else choices[0]


def _shown(kind: str, name: str) -> Shown:
    return _caught(name) if kind == "caught" else shown.of_sample(_sample(kind, name))


def _sample(kind: str, path: str) -> Sample:
    if kind not in MESSAGES:
        abort(404)
    found = next((s for s in samples.samples_of(kind) if s.path == path), None)
    return found or abort(404)


def _caught(name: str) -> Shown:
    return shown.of_caught(name) or abort(404)
