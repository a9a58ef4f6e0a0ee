"""A phone discards the page while its owner reads the code in the app: the set-up goes on.

The server brings back only what had gone hidden and was not shown since. Everything else
that looks like it, a reload, a copy of the tab, one opened again, a restored session, stays
void, in the browser and for whoever asks by hand.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright

from tests.browser.conftest import MILLISECONDS, Count
from tests.browser.mailbox import Mailbox
from tests.browser.site import Site
from tests.browser.tabs import Tabs, browser, until
from tests.browser.test_forward_only import STEPS, fill, reach
from tests.browser.visitor import Visitor

AGAIN = "Set-up has started again"
ON = "Two-factor authentication is on"
HIDDEN = "wizards WHERE hidden_at IS NOT NULL"
LIVE = "wizards WHERE voided_at IS NULL"


def becomes(count: Count, table: str, expected: int) -> None:
    """Wait for what a beacon brings about."""
    until(lambda: count(table) == expected)


def hide(tabs: Tabs, count: Count) -> None:
    """Look at something else, as somebody does who reads a code in the app."""
    tabs.ask("")
    becomes(count, HIDDEN, 1)


def proof_of(visitor: Visitor) -> str:
    proof = visitor.page.locator("#step").get_attribute("data-proof")
    assert proof
    return proof


def is_void_and_told(tabs: Tabs, proof: str, count: Count) -> None:
    """The page says so, and the server gives nothing back, whoever asks."""
    tabs.visitor.sees(AGAIN)
    tabs.visitor.reads("delete the record “alice@example.com”")
    becomes(count, "wizards WHERE sealed_secret IS NULL AND sealed_kept IS NULL", 1)
    status, text = tabs.asks_by_hand(proof)
    assert (status, AGAIN in text) == (409, True)
    assert count(LIVE) == count("authenticators") == 0


@pytest.fixture(params=["Chromium", "no wasDiscarded"])
def knows(request: pytest.FixtureRequest, tabs: Tabs) -> None:
    """Both kinds of browser: those that tell a page of having been discarded, and others."""
    if request.param == "no wasDiscarded":
        tabs.forget_discards()


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
    hide(tabs, count)
    tabs.gone("discard")

    visitor.page = tabs.brought("show")

    visitor.sees(STEPS[step])
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


@pytest.mark.usefixtures("knows")
def test_it_goes_on_in_every_browser(tabs: Tabs, mailbox: Mailbox, count: Count) -> None:
    """Nothing but having been hidden is asked of the page."""
    visitor = tabs.visitor
    reach(visitor, "verify")
    for _ in range(2):
        hide(tabs, count)
        tabs.gone("discard")
        visitor.page = tabs.brought("show")
        visitor.sees(STEPS["verify"])
    finish(visitor, "verify", mailbox)


def test_going_to_the_app_and_back_sends_two_beacons_and_changes_nothing(
    tabs: Tabs, site: Site, mailbox: Mailbox, count: Count
) -> None:
    visitor = tabs.visitor
    reach(visitor, "verify")
    proof, site.line.posts = proof_of(visitor), []
    hide(tabs, count)
    tabs.ask("show")
    becomes(count, HIDDEN, 0)

    visitor.sees(STEPS["verify"])
    assert proof_of(visitor) == proof
    assert site.line.posts == ["/setup/visibility"] * 2
    assert count("wizards WHERE turn = 2") == 1
    finish(visitor, "verify", mailbox)


def test_an_answer_that_came_while_nobody_looked_goes_on_too(
    tabs: Tabs, site: Site, mailbox: Mailbox, count: Count
) -> None:
    visitor = tabs.visitor
    reach(visitor, "scan")
    site.line.await_second_post(MILLISECONDS / 1000)
    visitor.button("Next").click()
    assert site.line.first_post.wait(MILLISECONDS / 1000)
    tabs.ask("")  # its beacon lets the answer through
    becomes(count, f"{HIDDEN} AND turn = 2", 1)
    site.line.seconds_for_second_post = 0
    tabs.gone("discard")

    visitor.page = tabs.brought("show")

    visitor.sees(STEPS["verify"])
    finish(visitor, "verify", mailbox)


def test_a_reload_by_hand_gives_nothing_back(tabs: Tabs, count: Count) -> None:
    visitor = tabs.visitor
    reach(visitor, "verify")
    proof = proof_of(visitor)

    visitor.page.reload()

    is_void_and_told(tabs, proof, count)


def test_nor_does_one_after_the_page_was_hidden_and_shown(tabs: Tabs, count: Count) -> None:
    visitor = tabs.visitor
    reach(visitor, "verify")
    proof = proof_of(visitor)
    hide(tabs, count)
    tabs.ask("show")
    becomes(count, HIDDEN, 0)

    visitor.page.reload()

    is_void_and_told(tabs, proof, count)


@pytest.mark.usefixtures("knows")
@pytest.mark.parametrize("act", ["duplicate", "duplicateShown"])
def test_a_duplicated_tab_does_not_go_on(tabs: Tabs, count: Count, act: str) -> None:
    """It has a copy of the proof, and the page that it copies is hidden, but lives."""
    visitor = tabs.visitor
    reach(visitor, "verify")
    first, proof = visitor.page, proof_of(visitor)
    hide(tabs, count)

    visitor.page = tabs.brought(act)

    is_void_and_told(tabs, proof, count)
    visitor.page = first
    first.bring_to_front()
    visitor.enter_code()
    visitor.sees(AGAIN)
    assert count("authenticators") == 0


@pytest.mark.usefixtures("knows")
@pytest.mark.parametrize("act", ["close", "closeShown"])
def test_a_tab_that_is_opened_again_does_not_go_on(tabs: Tabs, count: Count, act: str) -> None:
    visitor = tabs.visitor
    reach(visitor, "verify")
    proof = proof_of(visitor)
    hide(tabs, count)
    tabs.gone(act)
    becomes(count, f"{HIDDEN} AND voided_at IS NULL", 0)

    visitor.page = tabs.brought("reopen")

    is_void_and_told(tabs, proof, count)


@pytest.mark.parametrize("is_hidden", [False, True], ids=["shown", "hidden"])
def test_a_restored_session_does_not_go_on(
    playwright: Playwright, tmp_path: Path, site: Site, count: Count, is_hidden: bool
) -> None:
    """A browser that ends hides its pages, and may end before they can say more."""
    with browser(playwright, tmp_path / "profile", site) as before:
        reach(before.visitor, "verify")
        proof = proof_of(before.visitor)
        if is_hidden:
            hide(before, count)
        loaded = site.line.gets.count("/setup")
    with browser(playwright, tmp_path / "profile", site, "--restore-last-session") as after:
        after.visitor.page = after.restored(loaded)
        is_void_and_told(after, proof, count)
