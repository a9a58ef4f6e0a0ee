"""Whole flows in real Chromium: set-up and every sign-in, read by role and name.

With and without JavaScript, on a desktop, a narrow phone in the dark, and in forced colours.
"""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Opens
from tests.browser.mailbox import Mailbox
from tests.browser.visitor import Visitor
from tests.person import PASSWORD, app_code, never_shown

DESKTOP: dict[str, Any] = {}
NO_SCRIPT: dict[str, Any] = {"java_script_enabled": False}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "is_mobile": True,
    "has_touch": True,
    "color_scheme": "dark",
}
SMALL: dict[str, Any] = {"viewport": {"width": 320, "height": 600}, "device_scale_factor": 2}
SCRIPTS = pytest.mark.parametrize("options", [DESKTOP, NO_SCRIPT], ids=["htmx", "no script"])
BACKUP_ADDRESS = "alice@home.example"


def set_up_to_backup(visitor: Visitor) -> None:
    """Sign in, be led to set-up, scan with a camera and type the app's code."""
    visitor.sign_in()
    visitor.sees("Set up two-factor authentication")
    visitor.press("Set up two-factor authentication")
    visitor.sees("Get an authenticator app")
    visitor.press("Next")
    visitor.sees("Scan the QR code")
    visitor.scan()
    visitor.press("Next")
    visitor.sees("Enter the code from your app")
    visitor.enter_code()
    visitor.sees("Add a backup way to sign in")


def set_up_with_codes(visitor: Visitor) -> None:
    set_up_to_backup(visitor)
    visitor.press("Backup codes")
    visitor.sees("Save your backup codes")
    visitor.note_codes()
    visitor.tick("Yes, I have saved the backup codes")
    visitor.press("Done")
    visitor.sees("Two-factor authentication is on")
    visitor.follow("Continue")
    visitor.sees("Two-factor authentication")


def set_up_with_email(visitor: Visitor, mailbox: Mailbox) -> None:
    set_up_to_backup(visitor)
    visitor.press("Backup email")
    visitor.sees("Add a backup email")
    visitor.type("Backup email address", BACKUP_ADDRESS)
    visitor.press("Send me the code")
    visitor.sees("Check your email")
    visitor.type("Code from the email", mailbox.code(BACKUP_ADDRESS))
    visitor.press("Confirm the code")
    visitor.sees("Two-factor authentication is on")
    visitor.follow("Continue")
    visitor.sees("Two-factor authentication")


def give_backup_code(visitor: Visitor, code: str) -> None:
    visitor.sign_in()
    visitor.sees("Enter your code")
    visitor.follow("Use another way")
    visitor.sees("Use another way")
    visitor.follow("Backup code")
    visitor.sees("Enter a backup code")
    visitor.type("Backup code", code)
    visitor.press("Continue")


@SCRIPTS
def test_it_sets_up_with_backup_codes_and_signs_in_by_each_factor(
    opens: Opens, options: dict[str, Any]
) -> None:
    visitor = opens(**options)
    set_up_with_codes(visitor)
    visitor.sign_out()

    visitor.sign_in()
    visitor.sees("Enter your code")
    visitor.enter_code(steps=1)
    visitor.sees("Two-factor authentication")
    visitor.sign_out()

    give_backup_code(visitor, visitor.codes[0])
    visitor.sees("Two-factor authentication")
    visitor.reads("9 of 10 left")
    visitor.sign_out()

    give_backup_code(visitor, visitor.codes[0])
    visitor.refused("You used that backup code on")
    visitor.sees("Enter a backup code")


@SCRIPTS
def test_a_trusted_device_spares_the_code(opens: Opens, options: dict[str, Any]) -> None:
    visitor = opens(**options)
    set_up_with_codes(visitor)
    visitor.sign_out()
    visitor.sign_in()
    trust = visitor.page.get_by_role("checkbox", name="Trust this device for 30 days", exact=True)
    expect(trust).not_to_be_checked()
    trust.check()
    visitor.enter_code(steps=1)
    visitor.sees("Two-factor authentication")
    visitor.sign_out()

    visitor.sign_in()

    visitor.sees("Two-factor authentication")
    other = opens(**options)
    other.sign_in()
    other.sees("Enter your code")


@SCRIPTS
def test_it_sets_up_with_a_backup_email_and_signs_in_by_a_mailed_code(
    opens: Opens, mailbox: Mailbox, options: dict[str, Any]
) -> None:
    visitor = opens(**options)
    set_up_with_email(visitor, mailbox)
    visitor.sign_out()

    visitor.sign_in()
    visitor.follow("Use another way")
    visitor.follow("Backup email")
    visitor.sees("Get a code by email")
    visitor.reads("a•••@home.example")
    visitor.press("Send me the code")
    visitor.sees("Check your email")
    visitor.type("Code from the email", mailbox.code(BACKUP_ADDRESS, 2))
    visitor.press("Confirm the code")

    visitor.sees("Two-factor authentication")


@pytest.mark.parametrize(
    "options",
    [PHONE, PHONE | NO_SCRIPT, {"forced_colors": "active"}, SMALL],
    ids=["phone in the dark", "phone without script", "forced colours", "320 px, 2 dots a pixel"],
)
def test_the_whole_way_goes_on_other_screens(opens: Opens, options: dict[str, Any]) -> None:
    """S-052: whatever the colours, a camera reads the QR code."""
    visitor = opens(**options)

    set_up_with_codes(visitor)

    assert visitor.label == "alice@example.com"


def test_the_step_that_comes_is_announced(opens: Opens) -> None:
    """Focus goes to the heading, or to what was wrong; the title says the same."""
    visitor = opens()
    visitor.sign_in()
    visitor.start()
    heading = visitor.page.get_by_role("heading", level=1)
    expect(heading).to_be_focused()
    visitor.press("Next")
    visitor.sees("Enter the code from your app")
    expect(heading).to_be_focused()

    visitor.type("Code", "12345")
    visitor.press("Continue")

    expect(visitor.page.get_by_role("alert")).to_be_focused()
    expect(visitor.page.get_by_role("alert")).to_contain_text(
        "The code has 6 numbers. You typed 5."
    )
    expect(visitor.page).to_have_title("Error: Enter the code from your app – Onward")
    field = visitor.page.get_by_role("textbox", name="Code", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    assert "error" in (field.get_attribute("aria-describedby") or "").split()

    visitor.enter_code()
    visitor.sees("Add a backup way to sign in")
    expect(heading).to_be_focused()


@SCRIPTS
def test_a_refused_sign_in_is_announced(opens: Opens, options: dict[str, Any]) -> None:
    visitor = opens(**options)
    visitor.page.goto("/signin")
    visitor.type("Email", "alice@example.com")
    visitor.page.get_by_label("Password", exact=True).fill("not the password")
    visitor.press("Sign in")

    visitor.refused("That email and password do not match.")
    expect(visitor.page).to_have_title("Error: Sign in – Onward")
    if not options:
        expect(visitor.page.get_by_role("alert")).to_be_focused()


def to_codes(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.start()
    visitor.press("Next")
    visitor.sees("Enter the code from your app")
    visitor.enter_code()
    visitor.press("Backup codes")
    visitor.sees("Save your backup codes")
    visitor.note_codes()


@SCRIPTS
def test_the_downloaded_file_holds_the_codes_shown(opens: Opens, options: dict[str, Any]) -> None:
    visitor = opens(**options)
    to_codes(visitor)

    with visitor.page.expect_download() as download:
        visitor.press("Download")

    text = download.value.path().read_text("utf-8")
    assert re.findall(r"^\d{4} \d{4}$", text, re.M) == visitor.codes
    assert download.value.suggested_filename.endswith(".txt")
    visitor.tick("Yes, I have saved the backup codes")
    visitor.press("Done")
    visitor.sees("Two-factor authentication is on")


def test_codes_and_key_can_be_copied(opens: Opens) -> None:
    visitor = opens(permissions=["clipboard-read", "clipboard-write"])
    page, copied = visitor.page, "navigator.clipboard.readText()"
    visitor.sign_in()
    visitor.start()
    page.get_by_text("Can’t scan it?").click()
    visitor.press("Copy the key")
    expect(page.get_by_role("status")).to_have_text("Copied.")
    assert page.evaluate(copied) == visitor.key

    visitor.press("Next")
    visitor.sees("Enter the code from your app")
    expect(page.get_by_role("status")).to_have_text("")
    visitor.enter_code()
    visitor.press("Backup codes")
    visitor.sees("Save your backup codes")
    visitor.note_codes()
    visitor.press("Copy")

    expect(page.get_by_role("status")).to_have_text("Copied.")
    assert page.evaluate(copied).splitlines() == visitor.codes


def test_the_print_holds_the_codes_and_whose_they_are(opens: Opens) -> None:
    visitor = opens()
    to_codes(visitor)
    visitor.page.evaluate("window.print = () => { document.body.dataset.printed = 'yes'; }")
    visitor.press("Print")
    assert visitor.page.locator("body").get_attribute("data-printed") == "yes"

    visitor.page.emulate_media(media="print")

    for code in visitor.codes:
        expect(visitor.page.get_by_text(code, exact=True)).to_be_visible()
    expect(visitor.page.get_by_text("alice@example.com")).to_be_visible()
    expect(visitor.button("Download")).to_be_hidden()
    expect(visitor.button("Done")).to_be_hidden()


def test_without_script_no_button_is_offered_that_needs_it(opens: Opens) -> None:
    visitor = opens(java_script_enabled=False)
    to_codes(visitor)

    expect(visitor.button("Download")).to_be_visible()
    expect(visitor.button("Copy")).to_be_hidden()
    expect(visitor.button("Print")).to_be_hidden()


def test_the_whole_way_goes_by_keyboard_alone(opens: Opens) -> None:
    """Tab, Enter and Space; whatever has focus is seen to have it."""
    visitor = opens()
    page, keys = visitor.page, visitor.page.keyboard
    page.goto("/signin")
    tab_to(visitor, "Email")
    keys.type("alice@example.com")
    tab_to(visitor, "Password")
    keys.type(PASSWORD)
    keys.press("Enter")
    visitor.sees("Set up two-factor authentication")
    use(visitor, "Set up two-factor authentication")
    visitor.sees("Get an authenticator app")
    use(visitor, "Next")
    visitor.sees("Scan the QR code")
    visitor.note_key()
    use(visitor, "Next")
    visitor.sees("Enter the code from your app")
    tab_to(visitor, "Code")
    keys.type(app_code(visitor.key))
    keys.press("Enter")
    visitor.sees("Add a backup way to sign in")
    use(visitor, "Backup codes")
    visitor.sees("Save your backup codes")
    tab_to(visitor, "Yes, I have saved the backup codes")
    keys.press("Space")
    use(visitor, "Done")
    visitor.sees("Two-factor authentication is on")


def test_a_step_that_htmx_had_no_hold_of_yet_goes_on(opens: Opens) -> None:
    """Somebody quick presses the button of a step that was just put in: a plain form is sent."""
    visitor = opens()
    visitor.sign_in()
    visitor.press("Set up two-factor authentication")
    visitor.sees("Get an authenticator app")
    visitor.press("Next")
    visitor.sees("Scan the QR code")
    visitor.note_key()
    with visitor.page.expect_navigation():
        visitor.page.evaluate(UNHELD)
        visitor.press("Next")
    visitor.sees("Enter the code from your app")
    visitor.page.wait_for_load_state("networkidle")
    visitor.sees("Enter the code from your app")
    visitor.type("Code", app_code(visitor.key))
    visitor.press("Continue")
    visitor.sees("Add a backup way to sign in")


UNHELD = """() => {
  const form = document.querySelector("#form");
  form.replaceWith(form.cloneNode(true));
}"""
"""Puts the form in anew, without what htmx has hung on it."""
FOCUSED = """() => {
  const element = document.activeElement;
  const name = element.labels?.[0]?.textContent ?? element.textContent;
  return [name.trim(), getComputedStyle(element).outlineStyle];
}"""


def tab_to(visitor: Visitor, name: str) -> None:
    """Press Tab until the thing with this name has focus."""
    for _ in range(40):
        visitor.page.keyboard.press("Tab")
        found, outline = visitor.page.evaluate(FOCUSED)
        if found == name:
            assert outline != "none", f"the focus on {name} can't be seen"
            return
    raise AssertionError(f"Tab never reaches {name}")


def use(visitor: Visitor, name: str) -> None:
    tab_to(visitor, name)
    visitor.page.keyboard.press("Enter")


def test_a_pause_counts_down_quietly_and_says_when_it_is_over(opens: Opens) -> None:
    visitor = opens()
    visitor.sign_in()
    visitor.start()
    visitor.press("Next")
    visitor.enter_code(-1)
    visitor.press("Backup codes")
    visitor.tick("Yes, I have saved the backup codes")
    visitor.press("Done")
    visitor.sees("Two-factor authentication is on")
    visitor.sign_out()
    visitor.sign_in()
    page, wrong = visitor.page, never_shown(visitor.key)
    page.clock.install()
    for _ in range(5):
        visitor.type("Code", wrong)
        visitor.press("Continue")
        page.locator("#error").wait_for()
    visitor.sees("Sign-in is paused")
    countdown = page.locator(".countdown")
    expect(countdown).to_have_text(re.compile(r"00:(30:00|29:5\d)"))
    assert countdown.get_attribute("aria-hidden") == "true"
    assert page.locator("#live").inner_text() == ""
    page.clock.fast_forward("29:00")
    expect(countdown).to_have_text(re.compile(r"00:0[01]:\d\d"))
    page.clock.fast_forward("01:01")
    expect(countdown).to_be_hidden()
    expect(page.locator("#live")).to_have_text("You can sign in now.")
