"""A person at a browser, over HTTP: with htmx or without JavaScript, by the front door."""

import re
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PASSWORD = "correct horse battery staple"  # every made-up person has it


def app_code(key: str, at: datetime | None = None, steps: int = 0) -> str:
    """Return the code that an app shows: computed by oathtool, not by us.

    `at` is the phone's clock (default: now), `steps` time steps later or earlier.
    """
    command = ["oathtool", "--totp", "-b", key.replace(" ", "")]
    moment = (at or datetime.now().astimezone()) + timedelta(seconds=30 * steps)
    command += ["-N", f"@{int(moment.timestamp())}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@dataclass
class Page:
    """What the browser shows."""

    response: TestResponse

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def text(self) -> str:
        return unescape(self.response.text)

    @property
    def heading(self) -> str:
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.text, re.S)
        return " ".join(found.group(1).split()) if found else ""

    @property
    def key(self) -> str:
        """The key shown on the scan step."""
        found = re.search(r'<code id="key">([^<]*)<', self.text)
        assert found, self.text
        return found.group(1).replace(" ", "")

    @property
    def label(self) -> str:
        """The record's name shown on the scan step."""
        found = re.search(r"It will appear as</span> <b>[^:<]*: ([^<]*)</b>", self.text)
        assert found, self.text
        return found.group(1)

    @property
    def codes(self) -> list[str]:
        """The backup codes shown."""
        return re.findall(r"<li><code>([\d ]+)</code></li>", self.text)

    @property
    def error(self) -> str:
        found = re.search(r'<div class="alert"[^>]*>(.*?)</div>', self.text, re.S)
        return " ".join(re.sub(r"<[^>]+>", " ", found.group(1)).split()) if found else ""

    def value(self, name: str) -> str | None:
        found = re.search(rf'name="{name}" value="([^"]*)"', self.response.text)
        return unescape(found.group(1)) if found else None

    def hidden(self) -> dict[str, str]:
        """The hidden fields of the page's first form with a ticket."""
        names = ("csrf_token", "ticket", "entry")
        return {n: v for n in names if (v := self.value(n)) is not None}


class Person:
    """Somebody with an email, a browser, and perhaps an authenticator app."""

    def __init__(self, app: Flask, email: str, htmx: bool = False) -> None:
        self.app, self.email, self.htmx = app, email, htmx
        self.client: FlaskClient = app.test_client()
        self.key = ""
        self.codes: list[str] = []
        self.page = Page(self.client.get("/help"))

    def visit(self, path: str, **headers: str) -> Page:
        """Load a document, follow redirects, and ask for its stylesheets as browsers do."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self.client.get(path, headers=names)
        for _ in range(4):
            target = response.headers.get("Location")
            if response.status_code != 303 or target is None:
                break
            response = self.client.get(target, headers=names)
        self.page = Page(response)
        self._load_styles()
        return self.page

    def _load_styles(self) -> None:
        for path in re.findall(r'href="(/setup/seen/[^"]+)"', self.page.response.text):
            self.client.get(path, headers={"Sec-Fetch-Dest": "style"})

    def post(self, path: str, data: dict[str, Any]) -> TestResponse:
        """Send a POST as this browser does, without following its answer."""
        uses_htmx = self.htmx and path.startswith("/setup") and "backup-codes" not in path
        return self.client.post(
            path, data=data, headers={"HX-Request": "true"} if uses_htmx else {}
        )

    def press(self, path: str, **fields: Any) -> Page:
        """Fill in the page's form and send it; show what comes."""
        return self.show(self.post(path, self.page.hidden() | fields))

    def next(self, **fields: Any) -> Page:
        """Press the button of the wizard's step."""
        return self.press("/setup", **fields)

    def show(self, response: TestResponse) -> Page:
        """Show an answer as the browser would."""
        target = response.headers.get("HX-Redirect") or response.headers.get("Location")
        if target is not None:
            return self.visit(target)
        self.page = Page(response)
        self._load_styles()
        return self.page

    def sign_in(self, password: str = PASSWORD) -> Page:
        self.visit("/signin")
        return self.press("/signin", email=self.email, password=password)

    def sign_out(self) -> Page:
        if "csrf_token" not in self.page.hidden():
            self.visit("/")
        return self.press("/signout")

    def start(self) -> Page:
        """Open set-up and go to the scan step."""
        self.visit("/setup")
        self.next()
        self.key = self.page.key
        return self.page

    def to_verify(self) -> Page:
        self.start()
        return self.next()

    def to_backup(self, at: datetime | None = None) -> Page:
        self.to_verify()
        return self.next(code=app_code(self.key, at))

    def to_codes(self, at: datetime | None = None) -> Page:
        self.to_backup(at)
        return self.next(way="codes")

    def set_up(self, at: datetime | None = None) -> list[str]:
        """Go the whole way with backup codes; return them."""
        codes = self.to_codes(at).codes
        self.next(saved="1")
        assert self.page.heading == "Two-factor authentication is on", self.page.text
        return codes
