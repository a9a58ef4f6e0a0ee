"""What must hold on every page, whoever looks at it: no fault, nothing foreign, axe content."""

import re
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, WebError

REFUSALS = re.compile(
    r"Failed to load resource: the server responded with a status of (409|422|429) "
)
"""Chromium writes a line for each refusal; nothing else may be written."""
LOST = re.compile(
    r"Failed to load resource: net::ERR_EMPTY_RESPONSE|htmx:afterRequest|htmx:sendError"
)
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DOUBLE_IDS = """() => {
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  return ids.filter((id, place) => ids.indexOf(id) !== place);
}"""
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
State = tuple[str, bool, str]
"""Heading, whether something was refused, and the colour scheme."""


class Watch:
    """Looks at all pages of a browser context; `troubles` must stay empty."""

    def __init__(self, context: BrowserContext, url: str, known: set[State], axe: bool) -> None:
        self.url, self.known, self.axe = url, known, axe
        self.allows: re.Pattern[str] | None = None
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
        if not request.url.startswith((self.url + "/", "otpauth:")):
            self.troubles.append(f"request to {request.url}")

    def inspect(self, page: Page) -> None:
        """Look at the page that is shown; axe looks once at each state, light and dark."""
        assert page.evaluate(DOUBLE_IDS) == []
        assert page.evaluate(SIDEWAYS) <= 0, "the page scrolls sideways"
        assert self.troubles == []
        if self.axe:
            schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
            for scheme in schemes:
                self._ask_axe(page, scheme)
            page.emulate_media(color_scheme=None)

    def _ask_axe(self, page: Page, scheme: Literal["light", "dark"]) -> None:
        state = page.locator("h1").inner_text(), page.locator("#error").count() > 0, scheme
        if state in self.known:
            return
        self.known.add(state)
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options={"runOnly": AXE_TAGS}).response["violations"]
        faults = [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found]
        assert faults == [], f"axe on {state}"
