"""What must hold on every page, whoever looks at it: no fault, nothing foreign, axe content."""

import re
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, WebError

REFUSALS = re.compile(
    r"Failed to load resource: the server responded with a status of (409|422|429) "
)
"""Chromium writes a line for each refusal; nothing else may be written."""
LOST = re.compile(r"Failed to load resource: net::ERR_EMPTY_RESPONSE|htmx:(afterRequest|sendError)")
"""What is written when an answer is lost."""
MISSING = re.compile(r"Failed to load resource: the server responded with a status of (404|410) ")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DOUBLE_IDS = """() => {
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  return ids.filter((id, place) => ids.indexOf(id) !== place);
}"""
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


class Watch:
    """Looks at all pages of a browser context; `troubles` must stay empty."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.allows: re.Pattern[str] | None = None
        self.elsewhere: tuple[str, ...] = ()
        self.troubles: list[str] = []
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        is_allowed = REFUSALS.match(message.text) or (
            self.allows is not None and self.allows.match(message.text)
        )
        if message.type in {"error", "warning"} and not is_allowed:
            self.troubles.append(f"console: {message.text}")

    def _error(self, error: WebError) -> None:
        self.troubles.append(f"script: {error.error.message}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.url + "/", "otpauth:", *self.elsewhere)):
            self.troubles.append(f"request to {request.url}")

    def inspect(self, page: Page) -> None:
        """Look at the page that is shown."""
        assert page.evaluate(DOUBLE_IDS) == []
        assert page.evaluate(SIDEWAYS) <= 0, "the page scrolls sideways"
        assert self.troubles == []


def axe_faults(page: Page) -> list[tuple[str, str, list[str]]]:
    """Return what axe finds wrong with the page that is shown, in light and dark."""
    faults: list[tuple[str, str, list[str]]] = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options={"runOnly": AXE_TAGS}).response["violations"]
        faults += [(scheme, f["id"], [node["html"] for node in f["nodes"]]) for f in found]
    page.emulate_media(color_scheme=None)
    return faults
