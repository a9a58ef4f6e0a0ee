"""The mails are right with any address and any name of the product, and so is what judges them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from db import db
from mail import preview, samples
from mail.lint import lint
from mail.message import MESSAGES
from mail.samples import samples_of
from tests.conftest import uninstalled
from tests.person import Page

ADDRESSES = {
    "https": "https://sign-in.example.org",
    "another port": "http://127.0.0.1:5001",
    "a slash at its end": "https://sign-in.example.org/",
    "a port over https": "https://sign-in.example.org:8443",
    "IPv6": "http://[::1]:5001",
    "capitals": "https://Sign-In.Example.org",
    "digits like a code": "https://123456.example.org",
    "umlauts": "https://anmeldung.xn--mller-kva.example",
    "long": "https://" + ".".join(["a-rather-long-part-of-a-name"] * 8) + ".example.org",
}
ISSUERS = {
    "umlauts and an ampersand": "Müller & Söhne Übersetzungsbüro",
    "lower case": "anmeldung der übersetzerinnen und dolmetscherinnen",
    "marks of HTML": "Fish <b>'n'</b> \"Chips\"",
    "a word of templates": "None of the Above",
    "very long": "Royal and Ancient Society for the Encouragement of Needlework " * 4 + "Ltd",
    "very long, lower case": "vereinigung zur verbreitung außergewöhnlicher bezeichnungen " * 4
    + "x",
}


def findings(app: Flask) -> list[tuple[str, str, str]]:
    with app.app_context():
        return [
            (sample.kind, sample.name, f"{finding.rule}: {finding.what}")
            for sample in samples.every()
            for finding in lint(sample.message())
        ]


@pytest.mark.parametrize("kind", ADDRESSES)
def test_the_lint_finds_nothing_at_any_address(app: Flask, kind: str) -> None:
    app.config["BASE_URL"] = ADDRESSES[kind]
    assert findings(app) == []


@pytest.mark.parametrize("kind", ISSUERS)
def test_the_lint_finds_nothing_in_any_name_of_the_product(app: Flask, kind: str) -> None:
    app.config["ISSUER"] = ISSUERS[kind]
    assert findings(app) == []
    for message in MESSAGES:
        with app.app_context():
            assert ISSUERS[kind] in samples_of(message)[0].message().text


def test_the_lint_still_finds_a_foreign_address(app: Flask) -> None:
    """The samples follow the settings, a link of a template that is written out does not."""
    app.config["BASE_URL"] = "https://sign-in.example.org"
    with app.app_context():
        sample = samples_of("password_reset")[0]
        assert sample.values["link"].startswith("https://sign-in.example.org/signin/reset/")
        message = sample.message()
        app.config["BASE_URL"] = "https://other.example.org"
        assert {finding.rule for finding in lint(message)} == {"links"}


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://sign-in.example.org/", "sign-in.example.org"),
        ("https://Sign-In.Example.org:8443", "sign-in.example.org"),
        ("http://[::1]:5001", "::1"),
    ],
)
def test_a_code_is_bound_to_the_host_alone(app: Flask, address: str, host: str) -> None:
    """The last line of a code mail lets a phone offer the code on our pages only."""
    app.config["BASE_URL"] = address
    with app.app_context():
        text = samples_of("verification_code")[0].message().text
    assert text.rstrip().splitlines()[-1] == f"@{host} #048213"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Flask]:
    """`flask mail preview` with the settings of an installation that the world can reach."""
    app = uninstalled(tmp_path / "nothing", BASE_URL="https://sign-in.example.org")
    preview.open_alone(app)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("kind", ADDRESSES)
def test_the_gallery_shows_every_mail_for_any_address(alone: Flask, kind: str) -> None:
    alone.config["BASE_URL"], client = ADDRESSES[kind], alone.test_client()
    assert "finding" not in Page(client.get("/mail/")).words
    for message in ("verification_code", "reminder_soft", "password_reset"):
        for part in ("html", "text", "source", "headers"):
            page = client.get(f"/mail/{message}/usual?part={part}")
            assert (page.status_code, "Nothing found." in page.text) == (200, True)


def test_the_gallery_opens_on_this_machine_whatever_the_address(alone: Flask) -> None:
    here = "http://127.0.0.1:5001"
    client = alone.test_client()
    page = Page(client.get("/mail/", base_url=here))
    assert page.status == 200
    assert "finding" not in page.words
    for kind in MESSAGES:
        assert "Nothing found." in client.get(f"/mail/{kind}/usual", base_url=here).text
    sent = client.post(
        "/mail/wrong_code/usual/send",
        base_url=here,
        headers={"Origin": here},
        data={"address": "a@b.example"},
    )
    assert (sent.status_code, "No mail server is set" in sent.text) == (422, True)
    assert client.get("/mail/", base_url="http://evil.example").status_code == 400


def test_a_mail_caught_at_another_port_is_judged_by_its_own_address(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Path(app.instance_path)
    (instance / "demo-people.json").write_text(json.dumps([]))
    (instance / "outbox").mkdir()
    monkeypatch.setenv("ONWARD_DEVELOPMENT", "1")
    for name, port in (("before", 5000), ("now", 5001)):
        made = create_app({"INSTANCE": str(instance), "BASE_URL": f"http://127.0.0.1:{port}"})
        client = made.test_client()
        mail = client.get("/mail/password_reset/usual.eml").data
        (instance / "outbox" / f"{name}.eml").write_bytes(mail)
        with made.app_context():
            db.engine.dispose()
    evil = mail.replace(b"http://127.0.0.1:5001/signin", b"http://evil.example/signin")
    (instance / "outbox" / "evil.eml").write_bytes(evil)

    for name in ("before", "now"):
        assert "Nothing found." in client.get(f"/mail/caught/{name}").text
    assert "leads off our domain: http://evil.example/" in client.get("/mail/caught/evil").text
