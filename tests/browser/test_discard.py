"""A phone discards the page while its owner reads the code in the app: the set-up goes on.

Only a really discarded tab resumes (`document.wasDiscarded`), by the proof that it kept.
A duplicated tab, one that is opened again and a restored session look alike to the
server, and stay void.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright

from tests.browser.conftest import Count
from tests.browser.mailbox import Mailbox
from tests.browser.site import Site
from tests.browser.tabs import Tabs, browser
from tests.browser.test_forward_only import STEPS, fill, reach
from tests.browser.visitor import Visitor

AGAIN = "Set-up has started again"
ON = "Two-factor authentication is on"


@pytest.fixture
def tabs(playwright: Playwright, tmp_path: Path, site: Site) -> Iterator[Tabs]:
    with browser(playwright, tmp_path / "profile", site) as opened:
        yield opened


@pytest.mark.parametrize("step", ["scan", "verify", "codes", "email_code"])
def test_a_discarded_tab_goes_on_with_the_same_secret(
    tabs: Tabs, mailbox: Mailbox, count: Count, step: str
) -> None:
    visitor, loads = tabs.visitor, tabs.site.line.gets
    reach(visitor, step)
    if step == "codes":
        visitor.note_codes()
    codes, loaded = visitor.codes, loads.count("/setup")
    tabs.gone("discard")

    visitor.page = tabs.brought("show")

    visitor.sees(STEPS[step])
    assert visitor.page.evaluate("document.wasDiscarded") is True
    assert loads.count("/setup") == loaded + 1  # it was loaded, and so voided, meanwhile
    assert visitor.page.evaluate("document.activeElement.id") == "heading"
    if step == "scan":
        key = visitor.key
        visitor.note_key()
        assert visitor.key == key
    if step == "codes":
        visitor.note_codes()
        assert visitor.codes == codes
    finish(visitor, step, mailbox)
    assert count("authenticators WHERE label = 'alice@example.com'") == 1
    assert count("wizards") == 1


def finish(visitor: Visitor, step: str, mailbox: Mailbox) -> None:
    """Go on to the end from where one is, and only forward."""
    ways = {"scan": "verify", "verify": "backup", "backup": "codes"}
    while True:
        visitor.press(fill(visitor, step, mailbox))
        if step not in ways:
            break
        step = ways[step]
        visitor.sees(STEPS[step])
    visitor.sees(ON)


def test_it_keeps_the_proof_in_its_tab_and_no_secret(tabs: Tabs) -> None:
    visitor = tabs.visitor
    reach(visitor, "verify")
    kept = visitor.page.evaluate("Object.entries(sessionStorage)")
    assert [name for name, _ in kept if name != "htmx-current-path-for-history"] == [
        "onward-resume"
    ]
    assert visitor.key not in str(kept)
    first = dict(kept)["onward-resume"]
    visitor.enter_code()
    visitor.sees(STEPS["backup"])
    assert visitor.page.evaluate("sessionStorage.getItem('onward-resume')") != first
    assert visitor.page.evaluate("Object.keys(localStorage)") == []


def test_a_duplicated_tab_does_not_go_on(tabs: Tabs, count: Count) -> None:
    """It has a copy of the proof, but was never discarded."""
    visitor = tabs.visitor
    reach(visitor, "verify")
    first = visitor.page

    visitor.page = tabs.brought("duplicate")

    visitor.sees(AGAIN)
    visitor.reads("delete the record “alice@example.com”")
    visitor.page = first
    first.bring_to_front()
    visitor.enter_code()
    visitor.sees(AGAIN)
    assert count("authenticators") == 0


def test_a_tab_that_is_opened_again_does_not_go_on(tabs: Tabs, count: Count) -> None:
    visitor = tabs.visitor
    reach(visitor, "verify")
    tabs.gone("close")

    visitor.page = tabs.brought("reopen")

    visitor.sees(AGAIN)
    assert visitor.page.evaluate("document.wasDiscarded") is False
    assert count("wizards WHERE voided_at IS NULL") == 0


def test_a_restored_session_does_not_go_on(
    playwright: Playwright, tmp_path: Path, site: Site, count: Count
) -> None:
    with browser(playwright, tmp_path / "profile", site) as before:
        reach(before.visitor, "verify")
        loaded = site.line.gets.count("/setup")
    with browser(playwright, tmp_path / "profile", site, "--restore-last-session") as after:
        after.visitor.page = after.restored(loaded)
        after.visitor.sees(AGAIN)
    assert count("wizards WHERE voided_at IS NULL") == 0
