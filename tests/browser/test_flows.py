"""Whole flows in real Chromium: set-up and every sign-in, read by role and name.

With and without JavaScript, on a desktop, a narrow phone in the dark, and in forced colours.
"""

import datetime
import re
from typing import Any

import pytest
import time_machine
from playwright.sync_api import expect

from tests.browser.conftest import Opens
from tests.browser.mailbox import Mailbox
from tests.browser.visitor import Visitor
from tests.person import app_code

DESKTOP: dict[str, Any] = {}
NO_SCRIPT: dict[str, Any] = {"java_script_enabled": False}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "is_mobile": True,
    "has_touch": True,
    "color_scheme": "dark",
}
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
    visitor = opens(axe=True, **options)
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
    visitor.sees("Enter a backup code")
    visitor.reads("You used that backup code on")
