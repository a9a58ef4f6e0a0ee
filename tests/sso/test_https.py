"""Every form of SSO over https, where Flask-WTF wants a Referer and cookies are __Host- cookies."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from db import db
from tests.conftest import install
from tests.person import PASSWORD, HttpsClient, mailed_code
from tests.sso import evil_provider
from tests.sso.comer import SECURITY, START, Comer
from tests.sso.evil_provider import Evil, query_of

FIRST = "/security/first-password"


@pytest.fixture
def public(tmp_path: Path, evil: Evil) -> Iterator[Flask]:
    """An application that the world opens by https, with the provider in its settings."""
    folder = tmp_path / "public"
    folder.mkdir()
    (folder / "onward.toml").write_text(evil_provider.toml(evil.url))
    app = install(folder, BASE_URL=HttpsClient.address)
    app.test_client_class = HttpsClient
    yield app
    with app.app_context():
        db.engine.dispose()


class Stranger(Comer):
    """Comes back from the provider as from another site."""

    def sent_back(self, address: str) -> str:
        return super().sent_back(address).removeprefix(HttpsClient.address)


def test_every_form_of_sso_works_over_https(public: Flask, evil: Evil) -> None:
    alice = Stranger(public, "alice@example.com")
    back = query_of(alice.leave())["redirect_uri"]
    assert back == f"{HttpsClient.address}/signin/sso/example/callback"
    assert alice.come().heading == "Is this your account?"
    assert alice.press("/signin/tie", password=PASSWORD).heading == SECURITY

    evil.person |= {"sub": "nora", "email": "nora@example.com"}
    nora = Stranger(public, "nora@example.com")
    assert nora.come(START).heading == SECURITY
    nora.visit("/setup")
    assert nora.press(FIRST).heading == "Confirm it is you"
    assert nora.come("/signin/confirm/sso").heading == "Confirm it is you"
    nora.press("/signin/confirm/mail")
    assert nora.press("/signin/confirm", code=mailed_code(public)).heading == "Set a password"
    evil.person["auth_time"] = int(time.time())
    nora.visit("/signin/confirm")
    assert nora.come("/signin/confirm/sso").heading == SECURITY
    nora.visit(FIRST)
    assert nora.press(FIRST, password="four words are enough").heading == "Get an authenticator app"
    assert nora.press("/signout").heading == "You are signed out here"
