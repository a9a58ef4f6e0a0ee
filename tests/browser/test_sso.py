"""Sign in by SSO in real Chromium, at a real provider that nobody here wrote."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import text

from db import db
from tests.browser.conftest import Count, Opens
from tests.browser.mailbox import Mailbox
from tests.browser.site import Site, serving
from tests.browser.test_flows import PHONE, SCRIPTS, set_up_with_codes
from tests.browser.visitor import Visitor
from tests.browser.watch import axe_faults
from tests.person import PASSWORD
from tests.sso import evil_provider, real_provider

BUTTON = "Sign in with Example SSO"
SECURITY = "Two-factor authentication"
REQUIRED = "Set up two-factor authentication"
CODE, MFA, UNTOLD = "password", "password and code", "untold"


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_provider.serving(tmp_path_factory.mktemp("provider") / "log") as url:
        yield url


@pytest.fixture
def site(
    request: pytest.FixtureRequest, tmp_path: Path, mailbox: Mailbox, provider: str
) -> Iterator[Site]:
    """A site whose settings know the provider; a parameter changes the provider's table."""
    instance = tmp_path / "instance"
    instance.mkdir()
    changes: dict[str, Any] = getattr(request, "param", {})
    (instance / "onward.toml").write_text(evil_provider.toml(provider, **changes))
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": mailbox.port}
    with serving(instance, **mail) as site:
        yield site


def new_browser(
    opens: Opens, provider: str, email: str = "alice@example.com", **options: Any
) -> Visitor:
    visitor = opens(**options)
    visitor.email = email
    assert visitor.watch is not None
    visitor.watch.elsewhere = (f"{provider}/",)
    return visitor


def sign_in_there(visitor: Visitor, how: str = CODE) -> None:
    """Fill in the provider's own page."""
    visitor.page.get_by_label("Who").fill(visitor.email)
    visitor.page.get_by_label("How").select_option(how)
    visitor.press("Go on")


def come(visitor: Visitor, how: str = CODE) -> None:
    """Sign in by SSO from the sign-in page."""
    visitor.page.goto("/signin")
    visitor.press(BUTTON)
    sign_in_there(visitor, how)


def tie(visitor: Visitor) -> None:
    visitor.sees("Is this your account?")
    visitor.page.get_by_label("Password", exact=True).fill(PASSWORD)
    visitor.press("Continue")


def change(site: Site, statement: str) -> None:
    with site.app.app_context():
        db.session.execute(text(statement))
        db.session.commit()


@SCRIPTS
def test_a_newcomer_of_an_organisation_that_enforces_comes_in_and_leaves_again(
    opens: Opens, provider: str, count: Count, options: dict[str, Any]
) -> None:
    visitor = new_browser(opens, provider, "nora@example.com", **options)

    come(visitor)
    visitor.sees(SECURITY)
    visitor.page.goto("/setup/required")
    visitor.sees(SECURITY)
    assert count("identities") == 1

    visitor.press("Sign out")
    visitor.press("Sign out there")
    visitor.sees("Sign in")
    visitor.page.goto("/security")
    visitor.sees("Sign in")

    visitor.press(BUTTON)
    expect(visitor.page.get_by_label("Who")).to_be_visible()  # it forgot her as well
    visitor.press("Stop")
    visitor.sees("Sign in")
    visitor.refused("The sign-in at Example SSO was stopped. You can start again.")
    assert count("sign_ins WHERE ended_at IS NULL") == 0


def test_an_account_is_tied_by_its_password_and_code_and_then_no_code_is_asked(
    opens: Opens, provider: str, count: Count
) -> None:
    visitor = new_browser(opens, provider, "carol@example.com")
    set_up_with_codes(visitor)
    visitor.sign_out()

    come(visitor)
    tie(visitor)
    visitor.sees("Enter your code")
    assert count("identities") == 0
    visitor.page.goto("/security")
    visitor.sees("Enter your code")
    visitor.enter_code(steps=1)
    visitor.sees(SECURITY)
    assert count("identities") == 1

    visitor.page.context.clear_cookies()
    come(visitor)
    visitor.sees(SECURITY)


def test_the_enforcement_page_offers_sso_and_its_sign_in_ties_without_a_second_question(
    opens: Opens, provider: str, count: Count
) -> None:
    visitor = new_browser(opens, provider, "alice@example.com")
    visitor.sign_in()
    visitor.sees(REQUIRED)

    visitor.press(BUTTON)
    sign_in_there(visitor)

    visitor.sees(SECURITY)
    assert count("identities") == 1
    visitor.page.context.clear_cookies()
    visitor.sign_in()
    visitor.sees(REQUIRED)  # the sign-in by SSO is exempt, not the person


def test_no_soft_prompt_comes_after_sso(opens: Opens, site: Site, provider: str) -> None:
    change(site, "UPDATE organisations SET enforcement = 'soft'")
    visitor = new_browser(opens, provider, "alice@example.com")

    come(visitor)
    tie(visitor)
    visitor.sees(SECURITY)
    for path in ("/security", "/", "/security"):
        visitor.page.goto(path)
        visitor.sees(SECURITY)


@pytest.mark.parametrize("site", [{"require_amr": ["mfa"]}], indirect=True, ids=["mfa"])
def test_what_the_provider_does_not_say_is_asked_here(
    opens: Opens, site: Site, provider: str
) -> None:
    """S-182: present, absent, and lower than demanded; oidc-provider enforces none of it."""
    visitor = new_browser(opens, provider, "nora@example.com")
    for how, heading in ((MFA, SECURITY), (UNTOLD, REQUIRED), (CODE, REQUIRED)):
        visitor.page.context.clear_cookies()
        come(visitor, how)
        visitor.sees(heading)

    visitor.start()
    visitor.press("Next")
    visitor.enter_code()
    visitor.press("Backup codes")
    visitor.sees("Save your backup codes")
    visitor.tick("Yes, I have saved the backup codes")
    visitor.press("Done")
    visitor.sees("Two-factor authentication is on")

    for how, heading in ((MFA, SECURITY), (UNTOLD, "Enter your code"), (CODE, "Enter your code")):
        visitor.page.context.clear_cookies()
        come(visitor, how)
        visitor.sees(heading)
    visitor.page.goto("/security")
    visitor.sees("Enter your code")
    visitor.enter_code(steps=1)
    visitor.sees(SECURITY)


def test_somebody_with_sso_alone_proves_it_there_sets_a_password_and_sets_up(
    opens: Opens, provider: str, count: Count
) -> None:
    """S-183: the provider asks again although it knows her, and says when she answered."""
    visitor = new_browser(opens, provider, "nora@example.com")
    come(visitor)
    visitor.sees(SECURITY)

    visitor.page.goto("/setup")
    visitor.sees("Set a password first")
    visitor.press("Set a password")
    visitor.sees("Confirm it is you")
    visitor.press(BUTTON)
    sign_in_there(visitor)
    visitor.sees("Set a password")
    visitor.page.get_by_label("New password").fill(PASSWORD)
    visitor.press("Set the password")
    visitor.sees("Get an authenticator app")
    assert count("accounts WHERE password_hash IS NULL") == 0


def pages_of_sso(visitor: Visitor, provider: str) -> Iterator[str]:
    """Show every page that SSO has, one after the other."""
    page = visitor.page
    page.goto("/signin")
    yield "sign-in"
    page.route(f"{provider}/**", lambda route: route.abort("aborted"))  # so that the page stays
    visitor.press(BUTTON)
    visitor.sees("Going to Example SSO")
    yield "leaving"
    page.unroute_all()
    come(visitor)
    visitor.sees("Is this your account?")
    yield "tie"
    page.get_by_label("Password", exact=True).fill("wrong")
    visitor.press("Continue")
    visitor.refused("That password does not match.")
    yield "tie refused"
    visitor.sign_in()
    visitor.sees(REQUIRED)
    yield "enforcement"
    visitor.press(BUTTON)
    visitor.sees(SECURITY)
    page.goto("/signin/confirm")
    yield "proof"
    page.route(f"{provider}/**", lambda route: route.abort("aborted"))
    visitor.press("Sign out")
    visitor.sees("You are signed out here")
    yield "signed out"
    page.unroute_all()
    page.context.clear_cookies()
    visitor.email = "nora@example.com"
    come(visitor)
    page.goto("/setup")
    visitor.sees("Set a password first")
    yield "password first"
    page.goto("/security/first-password")
    visitor.sees("Set a password")
    yield "first password"


def test_every_page_of_sso_fits_a_phone_and_axe_is_content_with_it(
    opens: Opens, provider: str
) -> None:
    visitor = new_browser(opens, provider, "alice@example.com", **PHONE)
    assert visitor.watch is not None

    faults = {}
    for name in pages_of_sso(visitor, provider):
        visitor.watch.inspect(visitor.page)
        faults[name] = axe_faults(visitor.page)

    assert {name: found for name, found in faults.items() if found} == {}
    assert len(faults) == 9
