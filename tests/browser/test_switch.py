"""An organisation turns from soft to hard while people are in the middle of something."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Opens
from tests.browser.site import Site
from tests.browser.test_flows import DESKTOP, NO_SCRIPT, set_up_with_codes
from tests.browser.visitor import Visitor

SCRIPTS = pytest.mark.parametrize("options", [DESKTOP, NO_SCRIPT], ids=["htmx", "no script"])
PROMPT = "Set up two-factor authentication"


def asked_softly(opens: Opens, site: Site, options: dict[str, Any]) -> Visitor:
    site.ask("soft")
    visitor = opens(**options)
    visitor.email = "bob@example.com"
    visitor.sign_in()
    visitor.sees(PROMPT)
    visitor.reads("Reading Room asks everyone for this")
    return visitor


@SCRIPTS
def test_in_mid_session_the_next_page_is_a_must(
    opens: Opens, site: Site, options: dict[str, Any]
) -> None:
    visitor = asked_softly(opens, site, options)
    visitor.press("Not now")
    visitor.sees("Two-factor authentication")

    site.ask("hard")

    visitor.page.reload()
    visitor.sees(PROMPT)
    expect(visitor.button("Not now")).to_have_count(0)
    expect(visitor.button("Sign out")).to_be_visible()


@SCRIPTS
def test_not_now_on_a_page_from_before_leads_to_the_must(
    opens: Opens, site: Site, options: dict[str, Any]
) -> None:
    visitor = asked_softly(opens, site, options)

    site.ask("hard")

    visitor.press("Not now")
    visitor.sees(PROMPT)
    expect(visitor.button("Not now")).to_have_count(0)


@SCRIPTS
def test_in_mid_wizard_the_set_up_goes_on_with_its_secret(
    opens: Opens, site: Site, options: dict[str, Any]
) -> None:
    visitor = asked_softly(opens, site, options)
    visitor.start()

    site.ask("hard")

    visitor.press("Next")
    visitor.sees("Enter the code from your app")
    visitor.enter_code()
    visitor.press("Backup codes")
    visitor.tick("Yes, I have saved the backup codes")
    visitor.press("Done")
    visitor.sees("Two-factor authentication is on")
    visitor.follow("Continue")
    visitor.sees("Two-factor authentication")


@SCRIPTS
def test_in_mid_challenge_the_code_is_still_what_is_asked(
    opens: Opens, site: Site, options: dict[str, Any]
) -> None:
    visitor = opens(**options)
    site.ask("soft", "Hartley & Sons")
    set_up_with_codes(visitor)
    visitor.sign_out()
    visitor.sign_in()
    visitor.sees("Enter your code")

    site.ask("hard", "Hartley & Sons")

    visitor.enter_code(steps=1)
    visitor.sees("Two-factor authentication")
    visitor.reads("On.")
