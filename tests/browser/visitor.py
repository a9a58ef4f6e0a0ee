"""Somebody at a real browser: finds everything by role and name, as people do."""

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, unquote, urlsplit

from playwright.sync_api import Locator, Page, expect

from tests.browser.watch import Watch
from tests.person import PASSWORD, app_code

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RESOLVE = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
"""No name leads anywhere: what asks another host fails, and is seen to have asked."""
ARGUMENTS = [*FLAGS, f"--host-resolver-rules={RESOLVE}"]
KEEP_BACK_FORWARD_CACHE = ["--disable-back-forward-cache"]
"""Playwright's own argument that must go: with it the tests are blind to restored pages."""


def read_qr(picture: bytes) -> str:
    """Return what a phone reads in a picture."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "qr.png"
        file.write_bytes(picture)
        read = ["zbarimg", "-q", "--raw", str(file)]
        return subprocess.run(read, capture_output=True, text=True, check=True).stdout.strip()


class Visitor:
    """A person before a page; `key` is what the authenticator app holds."""

    def __init__(
        self,
        page: Page,
        email: str = "alice@example.com",
        watch: Watch | None = None,
        url: str = "",
    ) -> None:
        self.page, self.email, self.watch, self.url = page, email, watch, url
        self.key = self.label = ""
        self.codes: list[str] = []

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def press(self, name: str) -> None:
        self.button(name).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()

    def type(self, label: str, text: str) -> None:
        self.page.get_by_role("textbox", name=label, exact=True).fill(text)

    def tick(self, label: str) -> None:
        self.page.get_by_role("checkbox", name=label, exact=True).check()

    def sees(self, heading: str) -> None:
        """Wait for the page or step with this heading."""
        found = self.page.get_by_role("heading", level=1, name=heading, exact=True)
        expect(found).to_be_visible()
        if self.watch is not None:
            self.watch.inspect(self.page)

    def reads(self, text: str) -> None:
        expect(self.page.get_by_role("main")).to_contain_text(text)

    def refused(self, text: str) -> None:
        """Wait for the reason why the page did not go on."""
        expect(self.page.get_by_role("alert")).to_contain_text(text)

    def sign_in(self) -> None:
        self.page.goto(f"{self.url}/signin")
        self.type("Email", self.email)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.press("Sign in")

    def sign_out(self) -> None:
        self.press("Sign out")
        self.sees("Sign in")

    def start(self) -> None:
        """Go from the enforcement page to the scan step."""
        self.press("Set up two-factor authentication")
        self.sees("Get an authenticator app")
        self.press("Next")
        self.sees("Scan the QR code")
        self.note_key()

    def note_key(self) -> None:
        """Take over the record by the link for this phone: key and label."""
        link = self.page.get_by_role("link", name="Open in an app on this phone", exact=True)
        self.take(link.get_attribute("href") or "")

    def scan(self) -> None:
        """Take over the record with a phone's camera."""
        picture = self.page.get_by_role("img", name="QR code for your authenticator app")
        picture.scroll_into_view_if_needed()
        self.take(read_qr(picture.screenshot()))

    def take(self, uri: str) -> None:
        assert uri.startswith("otpauth://totp/"), uri
        self.key = parse_qs(urlsplit(uri).query)["secret"][0]
        self.label = unquote(urlsplit(uri).path).rpartition(":")[2]

    def enter_code(self, steps: int = 0) -> None:
        self.type("Code", app_code(self.key, steps=steps))
        self.press("Continue")

    def note_codes(self) -> None:
        self.codes = self.page.locator("#codes code").all_inner_texts()
        assert len(self.codes) == 10
        assert all(re.fullmatch(r"\d{4} \d{4}", code) for code in self.codes)
