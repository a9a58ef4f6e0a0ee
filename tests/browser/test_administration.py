"""The room of the administrators in a real browser: every page, in both schemes and on a phone."""

from collections.abc import Generator, Iterator

from flask import Flask

from tests.administration import add
from tests.browser.conftest import Opens
from tests.browser.site import Site
from tests.browser.test_flows import PHONE
from tests.browser.visitor import Visitor
from tests.browser.watch import axe_faults


def people(app: Flask) -> None:
    """Add an owner, and somebody with two-factor on who is to be reset."""
    add(app, "dora", "Hartley & Sons", "owner")
    mia = add(app, "mia", "Hartley & Sons")
    mia.sign_in()
    mia.set_up()


def walk(visitor: Visitor) -> Iterator[str]:
    """Go through every page of administration; each name says which one is shown now."""
    page = visitor.page
    visitor.sign_in()
    visitor.start()
    visitor.press("Next")
    visitor.sees("Enter the code from your app")
    visitor.enter_code()
    visitor.sees("Add a backup way to sign in")
    visitor.press("Backup codes")
    visitor.sees("Save your backup codes")
    visitor.tick("Yes, I have saved the backup codes")
    visitor.press("Done")
    visitor.sees("Two-factor authentication is on")
    page.goto("/security")
    visitor.follow("Administration")
    visitor.sees("People")
    yield "people"
    yield from _adding(visitor)
    page.get_by_role("searchbox", name="Name or email", exact=True).fill("mia")
    visitor.press("Search")
    visitor.reads("mia@example.com")
    yield "people-search"
    code = yield from _person(visitor)
    yield from _asking(visitor)
    visitor.follow("Progress")
    visitor.sees("Progress")
    yield "progress"
    visitor.follow("Audit log")
    visitor.sees("Audit log")
    yield "audit"
    visitor.sign_out()
    yield from _asked_to_join(Visitor(page, "bob@example.com", visitor.watch))
    yield from _set_up_again(Visitor(page, "mia@example.com", visitor.watch), code)


def _adding(visitor: Visitor) -> Iterator[str]:
    visitor.follow("Add people")
    visitor.sees("Add people")
    yield "adding"
    lines = ("Erin Ellis, erin@example.com", "nobody", "Al, al@example.com, queen")
    visitor.type("People", "\n".join([*lines, "Bert, bob@example.com"]))
    visitor.press("Add people")
    visitor.refused("Lines that added nobody: 2.")
    yield "adding-refused"
    visitor.follow("Back to the people")
    visitor.sees("People")


def _asking(visitor: Visitor) -> Iterator[str]:
    """What the organisation asks, and a reminder of it."""
    page = visitor.page
    visitor.follow("Enforcement")
    visitor.sees("Enforcement")
    yield "enforcement"
    page.get_by_role("radio", name="Soft", exact=True).check()
    page.get_by_label("Hard from this date on", exact=True).fill("2031-05-06")
    visitor.press("Continue")
    visitor.sees("Who is concerned")
    yield "enforcement-confirm"
    visitor.press("Confirm")
    visitor.sees("Enforcement")
    visitor.follow("People")
    visitor.press("Send reminder")
    visitor.sees("Send reminder")
    yield "reminder"
    visitor.press("Send reminder")
    visitor.reads("on their way")


def _person(visitor: Visitor) -> Generator[str, None, str]:
    """Reset Mia; return the reset code."""
    visitor.follow("Mia")
    visitor.sees("Mia")
    yield "person"
    visitor.press("Reset two-factor authentication")
    visitor.sees("Reset two-factor authentication")
    yield "reset"
    visitor.type("Reason", "Lost phone and codes, seen at the front desk")
    visitor.press("Reset two-factor authentication")
    visitor.sees("Two-factor authentication was reset")
    yield "reset-done"
    code = visitor.page.locator("#reset-code").inner_text()
    visitor.follow("Back to Mia")
    visitor.sees("Mia")
    yield "person-reset"
    return code


def _asked_to_join(bob: Visitor) -> Iterator[str]:
    """Somebody of another organisation is asked, and says no."""
    bob.sign_in()
    bob.reads("Hartley & Sons asks you to join.")
    yield "security-asked"
    bob.follow("Look at it and answer")
    bob.sees("Your organisations")
    yield "organisations"
    bob.press("Decline")
    bob.sees("Your organisations")
    bob.sign_out()


def _set_up_again(mia: Visitor, code: str) -> Iterator[str]:
    mia.sign_in()
    mia.press("Set up two-factor authentication")
    mia.sees("Enter your reset code")
    yield "reset-code"
    mia.type("Reset code", "ABCD")
    mia.press("Continue")
    mia.refused("A reset code has 16 letters and numbers.")
    yield "reset-code-refused"
    mia.type("Reset code", code.lower())
    mia.press("Continue")
    mia.sees("Get an authenticator app")


def test_every_page_fits_a_phone_and_axe_is_content(opens: Opens, site: Site) -> None:
    people(site.app)
    visitor = opens(**PHONE)
    visitor.email = "dora@example.com"
    assert visitor.watch is not None

    faults = {}
    for name in walk(visitor):
        visitor.watch.inspect(visitor.page)
        faults[name] = axe_faults(visitor.page)

    assert {name: found for name, found in faults.items() if found} == {}
    assert len(faults) == 17
