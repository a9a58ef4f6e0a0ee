"""A person at a browser, over HTTP: with htmx or without JavaScript, by the front door."""

import re
import subprocess
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import unescape
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mail.carrier import EXTENSION

PASSWORD = "correct horse battery staple"  # every made-up person has it


def app_code(key: str, at: datetime | None = None, steps: int = 0) -> str:
    """Return the code that an app shows: computed by oathtool, not by us.

    `at` is the phone's clock (default: now), `steps` time steps later or earlier.
    """
    command = ["oathtool", "--totp", "-b", key.replace(" ", "")]
    moment = (at or datetime.now().astimezone()) + timedelta(seconds=30 * steps)
    command += ["-N", f"@{int(moment.timestamp())}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


HOURS_26 = 26 * 120
"""Steps both ways in which the set-up looks for a wrong clock."""


def shown_within_26_hours(key: str, at: datetime | None = None) -> list[str]:
    """Return what the app shows at each step from 26 hours ago to 26 hours ahead."""
    start = int((at or datetime.now().astimezone()).timestamp()) - 30 * HOURS_26
    command = ["oathtool", "--totp", "-b", key, "-N", f"@{start}", "-w", str(2 * HOURS_26)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def never_shown(key: str, at: datetime | None = None) -> str:
    """Return six digits that the app shows at no moment of that time: just wrong."""
    shown = set(shown_within_26_hours(key, at))
    return next(code for code in map("{:06d}".format, range(10**6)) if code not in shown)


def beside(code: str) -> str:
    """Return a code of the same length that is not this one."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


def letters(app: Flask) -> list[EmailMessage]:
    """Return the mails that left, the newest last."""
    return letters_in(Path(app.instance_path) / "outbox")


def letters_in(outbox: Path) -> list[EmailMessage]:
    """Return the caught mails of a folder, the newest last."""
    files = sorted(outbox.glob("*.eml"))
    return [message_from_bytes(file.read_bytes(), policy=default) for file in files]


def text_of(letter: EmailMessage, kind: str = "plain") -> str:
    """Return one of the two texts of a mail."""
    part = letter.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def mailed_code(app: Flask, to: str = "") -> str:
    """Return the code of the newest mail that has one, of all or to one address."""
    found = [
        re.search(r"^(\d{6})$", text_of(letter), re.M)
        for letter in letters(app)
        if to in str(letter["To"])
    ]
    return [match.group(1) for match in found if match][-1]


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
    def words(self) -> str:
        """The text without its tags, on one line."""
        return " ".join(re.sub(r"<[^>]+>", "", self.text).split())

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
    def proof(self) -> str:
        """What the script keeps in its tab, for the day the phone discards the page."""
        found = re.search(r'<div id="step" data-proof="([^"]+)"', self.text)
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
        self.words = 0
        self.page = Page(self.client.get("/help"))

    def moved_to(self, app: Flask) -> "Person":
        """Return the same person, app and browser before a copy of the installation."""
        person = copy(self)
        person.app, person.client, person.codes = app, app.test_client(), list(self.codes)
        # Werkzeug has no other name for all that a browser keeps.
        person.client._cookies = dict(self.client._cookies or {})
        return person

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
        headers = {"HX-Request": "true"} if uses_htmx else {}
        # Buffered, so that the answer is closed as a server closes it: mail leaves then.
        return self.client.post(path, data=data, headers=headers, buffered=True)

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

    def say(self, word: str, /, **fields: Any) -> TestResponse:
        """Send what the page's script says of it: hidden, shown or gone; the number rises."""
        self.words += 1
        said = {"word": word, "page": "ab12", "number": self.words}
        return self.post("/setup/visibility", self.page.hidden() | said | fields)

    def come_back(self) -> str:
        """Load the page anew that a phone has discarded while it was hidden; return its proof."""
        proof = self.page.proof
        self.say("hidden")
        assert self.visit("/setup").heading == "Set-up has started again"
        return proof

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

    def set_up_by_email(self, address: str, at: datetime | None = None) -> None:
        """Go the whole way with a backup email."""
        self.to_backup(at)
        self.next(way="email")
        self.next(address=address)
        self.next(code=mailed_code(self.app, address))
        assert self.page.heading == "Two-factor authentication is on", self.page.text


class Client(FlaskClient):
    """A browser whose mails have left before it goes on: tests read them right away."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        self.application.extensions[EXTENSION].settle()
        return response


class HttpsClient(Client):
    """A browser at https://sign-in.example.org; it sends the Referer that a browser sends."""

    address = "https://sign-in.example.org"

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        kwargs.setdefault("base_url", self.address)
        headers = dict(kwargs.pop("headers", None) or {})
        if kwargs.get("method") == "POST":
            headers = {"Referer": f"{self.address}/", "Origin": self.address} | headers
        return super().open(*args, headers=headers, **kwargs)
