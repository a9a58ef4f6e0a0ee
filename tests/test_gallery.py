"""The gallery of mails: what it shows, and that it exists nowhere but on a maintainer's machine."""

import json
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from accounts import gate
from app import create_app
from db import db
from mail import preview
from mail.message import MESSAGES
from tests.conftest import uninstalled
from tests.live import free_port
from tests.person import Page
from tests.test_mail_delivery import Box, server

MAIL = "/mail/verification_code/usual"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Flask]:
    """As `flask mail preview` serves it: an instance folder that does not even exist."""
    app = uninstalled(tmp_path / "nothing")
    preview.open_alone(app)
    yield app
    with app.app_context():
        db.engine.dispose()
    assert not (tmp_path / "nothing").exists()


@pytest.fixture
def gallery(alone: Flask) -> FlaskClient:
    return alone.test_client()


def test_it_shows_every_message_at_a_glance(gallery: FlaskClient) -> None:
    page = Page(gallery.get("/mail/"))
    assert (page.status, page.heading) == (200, "Mails")
    for kind in MESSAGES:
        assert f'href="/mail/{kind}/usual"' in page.text
        assert gallery.get(f"/mail/{kind}/usual").status_code == 200
    assert "finding" not in page.words


def test_the_whole_state_stands_in_the_address(gallery: FlaskClient) -> None:
    state = "?part=text&width=320&scheme=dark&images=off"
    page = Page(gallery.get(MAIL + state))
    assert "Enter this code to sign in:" in page.text
    for other in ("part=html", "width=600", "scheme=forced", "images=on"):
        name = other.partition("=")[0]
        kept = [pair for pair in state[1:].split("&") if not pair.startswith(name)]
        link = next(line for line in page.text.split('href="') if other in line.partition('"')[0])
        assert all(pair in link for pair in kept)
    assert "wrapped" not in page.text
    assert Page(gallery.get(f"{MAIL}?part=x&width=1&scheme=y&images=z")).status == 200


@pytest.mark.parametrize("part", ["source", "headers"])
def test_it_shows_source_and_headers(gallery: FlaskClient, part: str) -> None:
    text = gallery.get(f"{MAIL}?part={part}").text
    assert "Auto-Submitted" in text
    assert "Message-ID" in text


def test_the_frame_runs_and_loads_nothing(gallery: FlaskClient) -> None:
    answer = gallery.get(f"{MAIL}/body?scheme=dark&images=off")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none';")
    assert "img-src 'none'" in policy
    assert "script-src" not in policy
    assert "@media all" in answer.text
    assert "@media not all" in gallery.get(f"{MAIL}/body").text
    assert "invert(1)" in gallery.get(f"{MAIL}/body?scheme=forced").text


def test_a_sample_is_downloaded_as_it_would_arrive(gallery: FlaskClient) -> None:
    answer = gallery.get(f"{MAIL}.eml")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    letter = message_from_bytes(answer.data, policy=default)
    assert str(letter["Subject"]).startswith("Your code for Onward")
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    "path", ["/mail/nothing/usual", "/mail/wrong_code/nothing", "/mail/caught/x", "/signin", "/"]
)
def test_what_is_not_there_is_not_there(gallery: FlaskClient, path: str) -> None:
    assert gallery.get(path).status_code == 404


def test_a_test_is_sent_to_one_address(alone: Flask, gallery: FlaskClient) -> None:
    port, box = free_port(), Box()
    assert (
        "No mail server is set"
        in gallery.post(f"{MAIL}/send", data={"address": "a@b.example"}).text
    )
    alone.config["MAIL_SERVER"] = "127.0.0.1"
    alone.extensions["mail"].server, alone.extensions["mail"].port = "127.0.0.1", port
    refused = gallery.post(f"{MAIL}/send", data={"address": "a@b.example"})
    assert (refused.status_code, "It was not sent: ConnectionRefusedError." in refused.text) == (
        502,
        True,
    )
    with server(box, port):
        wrong = gallery.post(f"{MAIL}/send", data={"address": "nobody"})
        assert (wrong.status_code, "That is not an email address." in wrong.text) == (422, True)
        assert (
            "Sent to a@b.example."
            in gallery.post(f"{MAIL}/send", data={"address": "a@b.example"}).text
        )
    [letter] = box.mails
    assert letter["To"] == "a@b.example"


def test_a_foreign_page_can_not_send_a_test(alone: Flask, gallery: FlaskClient) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = gallery.post(f"{MAIL}/send", data={"address": "a@b.example"}, headers=headers)
        assert answer.status_code == 403


def test_the_gate_names_all_of_it(alone: Flask) -> None:
    assert {name for name in alone.view_functions if name.startswith("gallery.")} == gate.GALLERY


def test_it_is_no_part_of_an_installation(app: Flask) -> None:
    assert not [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/mail")]
    assert app.test_client().get("/mail/").status_code == 404


@pytest.mark.parametrize("lacks", ["mark", "people", "loopback"])
def test_a_development_run_is_what_make_run_starts_and_nothing_else(
    app: Flask, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    instance = Path(app.instance_path)
    if lacks != "people":
        (instance / "demo-people.json").write_text("[]")
    if lacks != "mark":
        monkeypatch.setenv("ONWARD_DEVELOPMENT", "1")
    config = {"INSTANCE": str(instance)}
    if lacks == "loopback":
        with pytest.raises(SystemExit):  # demo people never serve the world
            create_app(config | {"BASE_URL": "https://sign-in.example.org"})
        return
    assert create_app(config).test_client().get("/mail/").status_code == 404


def test_a_development_run_shows_what_it_caught(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Path(app.instance_path)
    (instance / "demo-people.json").write_text(json.dumps([]))
    monkeypatch.setenv("ONWARD_DEVELOPMENT", "1")
    made = create_app({"INSTANCE": str(instance)})
    client = made.test_client()
    assert "None yet." in client.get("/mail/").text
    (instance / "outbox").mkdir()
    for n, name in enumerate(("wrong_code", "verification_code")):
        (instance / "outbox" / f"2031-{n}.eml").write_bytes(
            client.get(f"/mail/{name}/usual.eml").data
        )

    page = client.get("/mail/").text
    assert page.index("/mail/caught/2031-1") < page.index("/mail/caught/2031-0")
    caught = client.get("/mail/caught/2031-1")
    assert "Nothing found." in caught.text
    assert "048213" in client.get("/mail/caught/2031-1/body").text
    assert (
        client.get("/mail/caught/2031-1.eml").data == (instance / "outbox/2031-1.eml").read_bytes()
    )
    assert client.get("/mail/caught/..%2f..%2fkeys").status_code == 404
    with made.app_context():
        db.engine.dispose()
