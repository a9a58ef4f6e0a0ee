"""Pictures of the pages: `python -m tests.screenshots` renews those of the README in docs/.

With `--all FOLDER` every page is written there, narrow and wide, light and dark.
"""

import argparse
import datetime
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import time_machine
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from mail import preview
from tests.browser import chromium
from tests.browser.mailbox import code_in, letter_from
from tests.browser.site import Site, serving
from tests.browser.visitor import ARGUMENTS, Visitor
from tests.conftest import uninstalled
from tests.person import app_code
from tests.png import slim

DOCS = Path(__file__).parents[1] / "docs"
WIDE, README_WIDTH, NARROW = 1100, 700, 360
IN_README = ("sign-in", "required", "scan", "verify", "codes", "finished", "security")
Scheme = Literal["light", "dark"]


def walk(visitor: Visitor, mailed: Callable[[], str], site: Site) -> Iterator[str]:
    """Go through every page; each name says which one is shown now.

    `mailed` returns the code in the newest mail.
    """
    page = visitor.page
    page.goto("/signin")
    yield "sign-in"
    visitor.press("Sign in")
    visitor.refused("do not match")
    yield "sign-in-refused"
    visitor.sign_in()
    visitor.sees("Set up two-factor authentication")
    yield "required"
    yield from _set_up(visitor)
    visitor.follow("Continue")
    visitor.sees("Two-factor authentication")
    yield "security"
    visitor.sign_out()
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=2)
    with time_machine.travel(later, tick=True):
        yield from _challenge(visitor)
        yield from _email(visitor, mailed)
        yield from _own(visitor, mailed, site)
    page.context.clear_cookies()
    yield from _restart(Visitor(page, "bob@example.com"))
    page.context.clear_cookies()
    yield from _asked(Visitor(page, "bob@example.com"), site)
    page.goto("/help")
    yield "help"
    page.goto("/no-such-page")
    yield "not-found"


def _set_up(visitor: Visitor) -> Iterator[str]:
    visitor.press("Set up two-factor authentication")
    visitor.sees("Get an authenticator app")
    yield "app"
    visitor.press("Next")
    visitor.sees("Scan the QR code")
    visitor.note_key()
    yield "scan"
    visitor.page.get_by_text("Can’t scan it?").click()
    yield "scan-key"
    visitor.press("Next")
    visitor.sees("Enter the code from your app")
    yield "verify"
    visitor.type("Code", "12345")
    visitor.press("Continue")
    visitor.refused("You typed 5")
    yield "verify-refused"
    visitor.enter_code()
    visitor.sees("Add a backup way to sign in")
    yield "backup"
    visitor.press("Backup codes")
    visitor.sees("Save your backup codes")
    visitor.note_codes()
    yield "codes"
    visitor.press("Done")
    visitor.page.locator("#error").wait_for()
    yield "codes-refused"
    visitor.tick("Yes, I have saved the backup codes")
    visitor.press("Done")
    visitor.sees("Two-factor authentication is on")
    yield "finished"


def _challenge(visitor: Visitor) -> Iterator[str]:
    visitor.sign_in()
    visitor.sees("Enter your code")
    yield "code"
    visitor.type("Code", f"{(int(app_code(visitor.key)) + 1) % 10**6:06}")
    visitor.press("Continue")
    visitor.page.locator("#error").wait_for()
    yield "code-refused"
    visitor.follow("Use another way")
    visitor.sees("Use another way")
    yield "another-way"
    visitor.follow("Backup code")
    visitor.sees("Enter a backup code")
    yield "backup-code"
    visitor.follow("Use another way")
    visitor.follow("Back to the app code")
    visitor.tick("Trust this device for 30 days")
    visitor.enter_code()
    visitor.sees("Two-factor authentication")
    yield "security-trusted"


def _restart(visitor: Visitor) -> Iterator[str]:
    """Reload in the middle, as somebody who need not set up."""
    visitor.sign_in()
    visitor.sees("Two-factor authentication")
    yield "security-off"
    visitor.press("Set up two-factor authentication")
    visitor.sees("Get an authenticator app")
    visitor.press("Next")
    visitor.sees("Scan the QR code")
    visitor.page.reload()
    visitor.sees("Set-up has started again")
    yield "restart"


def _email(visitor: Visitor, mailed: Callable[[], str]) -> Iterator[str]:
    """Add a backup email, then sign in by it."""
    page = visitor.page
    visitor.press("Add")
    visitor.sees("A backup email")
    yield "email-introduction"
    visitor.press("Next")
    visitor.sees("Add a backup email")
    yield "email"
    visitor.type("Backup email address", "alice@home.example")
    visitor.press("Send me the code")
    visitor.sees("Check your email")
    yield "email-code"
    visitor.type("Code from the email", mailed())
    visitor.press("Confirm the code")
    visitor.sees("Your backup email is confirmed")
    yield "email-finished"
    page.goto("/setup/codes")
    yield "codes-introduction"
    page.goto("/setup/authenticator")
    yield "authenticator-introduction"
    visitor.sign_out()
    page.context.clear_cookies()
    visitor.sign_in()
    visitor.follow("Use another way")
    yield "another-way-both"
    visitor.follow("Backup email")
    visitor.sees("Get a code by email")
    yield "backup-email"
    visitor.press("Send me the code")
    visitor.sees("Check your email")
    yield "sign-in-email-code"


def _own(visitor: Visitor, mailed: Callable[[], str], site: Site) -> Iterator[str]:
    """What people change of their own."""
    visitor.type("Code from the email", mailed())
    visitor.press("Confirm the code")
    visitor.sees("Two-factor authentication")
    site.ask("off", "Hartley & Sons")
    visitor.page.reload()
    yield "security-with-both"
    visitor.press("Turn off")
    visitor.sees("Turn off two-factor authentication")
    yield "turn-off"
    visitor.follow("Get a code by email")
    yield "turn-off-email"
    visitor.press("Send me the code")
    visitor.sees("Check your email")
    yield "turn-off-email-code"
    visitor.page.goto("/security/password")
    visitor.sees("Change your password")
    yield "change-password"


def _asked(visitor: Visitor, site: Site) -> Iterator[str]:
    """The soft prompt, and a password that was forgotten."""
    site.ask("soft")
    visitor.sign_in()
    visitor.sees("Set up two-factor authentication")
    yield "asked-softly"
    site.ask("off")
    visitor.page.context.clear_cookies()
    visitor.page.goto("/signin")
    visitor.follow("Forgot your password?")
    yield "forgot"
    visitor.type("Email", visitor.email)
    visitor.press("Send me a link")
    visitor.sees("Check your email")
    yield "link-mailed"
    visitor.page.goto("/signin/new-password")
    yield "link-dead"


def caught_code(site: Site) -> str:
    """Return the code in the newest caught mail."""
    newest = max((Path(site.app.instance_path) / "outbox").iterdir())
    code = code_in(letter_from(newest.read_bytes()))
    assert code is not None
    return code


def photograph(page: Page, width: int, scheme: Scheme) -> bytes:
    """Return a picture of the page, which stays as it is."""
    page.set_viewport_size({"width": width, "height": 400})
    page.mouse.move(0, 0)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    return page.screenshot(full_page=True)


def readme_picture(page: Page, name: str) -> None:
    if name in IN_README:
        (DOCS / f"{name}.png").write_bytes(slim(photograph(page, README_WIDTH, "light")))
    if name == "scan":
        (DOCS / "scan-phone-dark.png").write_bytes(slim(photograph(page, NARROW, "dark")))


def every_picture(page: Page, name: str, folder: Path) -> None:
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for width in (NARROW, WIDE):
        for scheme in schemes:
            file = folder / f"{name}-{width}-{scheme}.png"
            file.write_bytes(photograph(page, width, scheme))


@contextmanager
def gallery() -> Iterator[str]:
    """Serve the gallery of mails; yield its address."""
    with TemporaryDirectory() as instance:
        app = uninstalled(Path(instance), ISSUER="Onward Demo")
        preview.open_alone(app)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/mail/"
        finally:
            server.shutdown()
            thread.join()


def picture_of_gallery(page: Page, folder: Path) -> None:
    with gallery() as address:
        page.goto(f"{address}verification_code/usual")
        page.frame_locator("iframe").get_by_text("Enter this code").wait_for()
        (folder / "gallery.png").write_bytes(slim(photograph(page, WIDE, "light")))


def main() -> None:
    """Start a site with made-up people, walk through it and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every page, to look at")
    folder: Path | None = parser.parse_args().all
    (folder or DOCS).mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as instance,
        serving(Path(instance), ISSUER="Onward Demo") as site,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium.path(), args=ARGUMENTS) as browser,
    ):
        page = browser.new_page(base_url=site.url)
        page.set_default_timeout(5000)
        for name in walk(Visitor(page), lambda: caught_code(site), site):
            if folder is None:
                readme_picture(page, name)
            else:
                every_picture(page, name, folder)
            page.set_viewport_size({"width": WIDE, "height": 400})
        picture_of_gallery(page, folder or DOCS)
        browser.close()


if __name__ == "__main__":
    main()
