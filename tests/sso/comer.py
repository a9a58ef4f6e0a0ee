"""Somebody who signs in by SSO, and the application with that provider in its settings."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import requests
from flask import Flask
from jinja2 import FileSystemBytecodeCache

from app import create_app
from db import db
from tests.conftest import CHEAP
from tests.person import PASSWORD, Page, Person
from tests.sso import evil_provider
from tests.sso.evil_provider import Evil

Rows = Callable[[str], list[tuple[object, ...]]]
START, BACK = "/signin/sso/example", "/signin/sso/example/callback"
SECURITY = "Two-factor authentication"
REQUIRED = "Set up two-factor authentication"


def again(folder: Path, evil: Evil, **changes: Any) -> Iterator[Flask]:
    """Start the application with the provider in its settings."""
    (folder / "instance" / "onward.toml").write_text(evil_provider.toml(evil.url, **changes))
    app = create_app({"INSTANCE": str(folder / "instance"), **CHEAP})
    compiled = folder.parent / "compiled"  # the templates, once for all tests
    compiled.mkdir(exist_ok=True)
    app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(compiled))
    yield app
    with app.app_context():
        db.engine.dispose()


def restarted(app: Flask, evil: Evil, **changes: Any) -> Flask:
    """Return the application after a restart with other settings; the same database."""
    return next(again(Path(app.instance_path).parent, evil, **changes))


def address_in(page: str) -> str:
    """Return where a page sends the browser."""
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page)
    assert found, page
    return unescape(found[1])


class Comer(Person):
    """Somebody who signs in by SSO; the provider asks nothing."""

    def leave(self, start: str = START) -> str:
        """Press the button; return where the browser is sent."""
        if start not in self.page.text:
            self.visit("/signin")
        self.press(start)
        return address_in(self.page.response.text)

    def press_start(self) -> Page:
        self.visit("/signin")
        return self.press(START)

    def answered(self, start: str = START) -> str:
        """Return where the provider sends the browser back to."""
        return self.sent_back(self.leave(start))

    def sent_back(self, address: str) -> str:
        """Return where the provider sends a browser that comes to this address."""
        sent = requests.get(address, allow_redirects=False, timeout=5)
        return str(sent.headers["Location"]).removeprefix("http://127.0.0.1:5000")

    def back_from(self, address: str) -> Page:
        return self.visit(self.sent_back(address))

    def come(self, start: str = START) -> Page:
        return self.visit(self.answered(start))

    def tied(self) -> "Comer":
        """Tie the account by its password, then sign out."""
        self.come()
        self.press("/signin/tie", password=PASSWORD)
        self.press("/signout")
        return self


def ended(rows: Rows) -> list[tuple[object, ...]]:
    """Return how the last sign-in or proof ended; of nobody it is counted only."""
    counted = rows("SELECT kind, factor, result FROM refusal_counts ORDER BY rowid DESC LIMIT 1")
    return counted or rows("SELECT kind, factor, result FROM events ORDER BY id DESC LIMIT 1")
