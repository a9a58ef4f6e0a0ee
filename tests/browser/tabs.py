"""A whole browser of one's own: its tabs go hidden, are discarded, duplicated, restored.

Playwright makes every page visible for ever, so here Chromium runs by itself and is spoken
to as it is. An extension does what only the browser can do to a tab.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright

from tests.browser import chromium
from tests.browser.conftest import MILLISECONDS
from tests.browser.site import Site
from tests.browser.visitor import ARGUMENTS, Visitor

EXTENSION = Path(__file__).parent / "tabs_extension"
START_SECONDS = 60
"""How long a browser may take to start and to end."""


def until(
    check: Callable[[], bool], page: Page | None = None, seconds: float = MILLISECONDS / 1000
) -> None:
    """Wait for something; a page given meanwhile hears of what happens in its browser."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not come"
        if page is not None:
            page.wait_for_timeout(50)
        else:
            time.sleep(0.05)


class Tabs:
    """A whole browser with its own profile, whose tabs are hidden, discarded, brought back."""

    def __init__(self, browser: Browser, url: str, site: Site) -> None:
        self.browser, self.url, self.site = browser, url, site
        self.context: BrowserContext = browser.contexts[0]
        self.context.set_default_timeout(MILLISECONDS)
        line = browser.new_browser_cdp_session()
        line.send("Extensions.loadUnpacked", {"path": str(EXTENSION)})
        workers = self.context.service_workers
        worker = workers[0] if workers else self.context.wait_for_event("serviceworker")
        # From then on it hears what is asked.
        until(lambda: worker.evaluate("typeof acts") == "object")
        self.visitor = Visitor(self.context.new_page(), url=site.url)

    def forget_discards(self) -> None:
        """Be a browser that tells no page of having been discarded, like Safari and Firefox."""
        self.context.add_init_script("delete Document.prototype.wasDiscarded")

    def ask(self, act: str) -> None:
        """Let the browser do something to the set-up's tab, which another tab hides."""
        self.context.new_page().goto(f"{self.site.url}/help#{act}")

    def gone(self, act: str) -> None:
        """Do something after which the set-up's tab is gone."""
        with self.visitor.page.expect_event("close"):
            self.ask(act)

    def brought(self, act: str) -> Page:
        """Do something that brings a tab of the set-up, and return it."""
        with self.context.expect_page(lambda page: "/setup" in page.url) as tab:
            self.ask(act)
        page: Page = tab.value
        return page

    def restored(self, loaded: int) -> Page:
        """Return the set-up's tab of the session before, which was loaded so often till then."""
        self.ask("show")
        until(lambda: self.site.line.gets.count("/setup") > loaded)
        # Playwright does not see a tab that had no page yet when it came: so it comes again.
        again = self.browser.browser_type.connect_over_cdp(self.url, no_defaults=True)
        found: list[Page] = []

        def is_there() -> bool:
            found[:] = [page for page in again.contexts[0].pages if "/setup" in page.url]
            return bool(found)

        until(is_there, self.visitor.page)
        return found[0]

    def asks_by_hand(self, proof: str) -> tuple[int, str]:
        """Ask the server to go on as the script of a discarded page does."""
        return tuple(self.visitor.page.evaluate(BY_HAND, proof))


BY_HAND = """async (proof) => {
  const csrf_token = document.querySelector("#step [name=csrf_token]").value;
  const body = new URLSearchParams({ proof, csrf_token });
  const headers = { "HX-Request": "true" };
  const answer = await fetch("/setup/resume", { method: "POST", body, headers });
  return [answer.status, await answer.text()];
}"""


@contextmanager
def browser(playwright: Playwright, profile: Path, site: Site, *more: str) -> Iterator[Tabs]:
    """Run a browser whose pages really go hidden: Playwright makes its own visible for ever."""
    told = profile / "DevToolsActivePort"
    told.unlink(missing_ok=True)
    command = [chromium.path(), *ARGUMENTS, "--headless=new", f"--user-data-dir={profile}", *more]
    command += ["--remote-debugging-port=0", "--enable-unsafe-extension-debugging", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port_in(told)}"
            until(lambda: has_page(url), seconds=START_SECONDS)
            connected = playwright.chromium.connect_over_cdp(url, no_defaults=True)
            yield Tabs(connected, url, site)
            with suppress(Error):  # it may be gone before it answers
                connected.new_browser_cdp_session().send("Browser.close")
            process.wait(START_SECONDS)
        finally:
            process.kill()


def has_page(url: str) -> bool:
    """Tell whether a browser that starts has its first page."""
    with urlopen(f"{url}/json/list") as answer:
        return any(target["type"] == "page" for target in json.load(answer))


def port_in(told: Path) -> str:
    """Return the port that a browser which starts tells in a file of its profile."""
    until(lambda: told.exists() and "\n" in told.read_text(), seconds=START_SECONDS)
    return told.read_text().split()[0]
