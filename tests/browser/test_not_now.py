"""The database takes no write for a while: it is said above the form, and the form stays."""

import re

import pytest
from playwright.sync_api import expect

import database_waits
from database_waits import Waits
from db import db
from tests.browser.conftest import Opens
from tests.browser.site import Site
from tests.browser.watch import axe_faults
from tests.person import app_code
from tests.test_database_faults import SORRY, locked

BUSY = re.compile(r"Failed to load resource: the server responded with a status of 503 ")


@pytest.fixture
def impatient(site: Site) -> Site:
    """The site, which waits for its database for a second."""
    with site.app.app_context():
        database_waits.limit(db.engine, Waits(1, 2, 4))
        db.engine.dispose()
    return site


def test_what_was_typed_is_still_there_and_goes_on_afterwards(
    impatient: Site, opens: Opens
) -> None:
    alice = opens()
    assert alice.watch is not None
    alice.watch.allows = BUSY
    alice.sign_in()
    alice.start()
    alice.press("Next")
    alice.sees("Enter the code from your app")
    code = app_code(alice.key)
    alice.type("Code", code)

    with locked(impatient.app):
        alice.press("Continue")
        alice.refused("What you typed is still here")

    expect(alice.page.get_by_role("alert")).to_be_focused()
    expect(alice.page.get_by_role("alert")).to_be_in_viewport()
    expect(alice.page.get_by_role("textbox", name="Code", exact=True)).to_have_value(code)
    alice.sees("Enter the code from your app")
    assert axe_faults(alice.page) == []

    alice.press("Continue")
    alice.sees("Add a backup way to sign in")
    expect(alice.page.get_by_role("alert")).to_have_count(0)


def test_without_script_a_reload_sends_the_form_again(impatient: Site, opens: Opens) -> None:
    alice = opens(java_script_enabled=False)
    assert alice.watch is not None
    alice.watch.allows = BUSY
    with locked(impatient.app):
        alice.sign_in()
        alice.sees(SORRY)

    alice.page.reload()

    alice.sees("Set up two-factor authentication")
