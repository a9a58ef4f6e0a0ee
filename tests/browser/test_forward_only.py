"""Forward only, in real Chromium with its back/forward cache on, with script and without.

At every step that holds a secret: whatever a person does but the next button voids the
secret, tells which record to delete, and one clean run from there succeeds. What the
network does (double clicks, lost answers) voids nothing.
"""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import Count, Opens
from tests.browser.mailbox import Mailbox
from tests.browser.site import Site
from tests.browser.visitor import Visitor
from tests.browser.watch import LOST
from tests.person import app_code

STEPS = {
    "scan": "Scan the QR code",
    "verify": "Enter the code from your app",
    "backup": "Add a backup way to sign in",
    "codes": "Save your backup codes",
    "email_code": "Check your email",
}
SCRIPTS = pytest.mark.parametrize(
    "options", [{}, {"java_script_enabled": False}], ids=["htmx", "no script"]
)
NO_SCRIPT: dict[str, Any] = {"java_script_enabled": False}
WITH_CODE = pytest.mark.parametrize("step", ["verify", "codes"])
"""The steps whose button spends a code, and ends the set-up; all others go the same way."""
DONE = "Two-factor authentication is on"
ADDRESS = "alice@home.example"
Event = Callable[[Visitor], None]


def fill(visitor: Visitor, step: str, mailbox: Mailbox) -> str:
    """Fill in a step and return the name of the button that leads on."""
    if step == "verify":
        visitor.type("Code", app_code(visitor.key))
    elif step == "codes":
        visitor.tick("Yes, I have saved the backup codes")
    elif step == "email_code":
        visitor.type("Code from the email", mailbox.code(ADDRESS))
    return {
        "scan": "Next",
        "verify": "Continue",
        "backup": "Backup codes",
        "codes": "Done",
        "email_code": "Confirm the code",
    }[step]


def reach(visitor: Visitor, step: str) -> None:
    """Sign in and go to a step."""
    visitor.sign_in()
    visitor.start()
    go_on(visitor, step)


def go_on(visitor: Visitor, step: str) -> None:
    """Go from the scan step to another one."""
    if step == "scan":
        return
    visitor.press("Next")
    visitor.sees(STEPS["verify"])
    if step == "verify":
        return
    visitor.enter_code()
    visitor.sees(STEPS["backup"])
    if step == "codes":
        visitor.press("Backup codes")
        visitor.sees(STEPS["codes"])
    elif step == "email_code":
        visitor.press("Backup email")
        visitor.sees("Add a backup email")
        visitor.type("Backup email address", ADDRESS)
        visitor.press("Send me the code")
        visitor.sees(STEPS["email_code"])


AFTER = {
    "scan": STEPS["verify"],
    "verify": STEPS["backup"],
    "backup": STEPS["codes"],
    "codes": DONE,
    "email_code": DONE,
}


def finish(visitor: Visitor, heading: str) -> None:
    """Go from what follows a step to the end."""
    if heading == STEPS["verify"]:
        visitor.enter_code()
        visitor.sees(STEPS["backup"])
    if heading in {STEPS["verify"], STEPS["backup"]}:
        visitor.press("Backup codes")
        visitor.sees(STEPS["codes"])
    if heading != DONE:
        visitor.tick("Yes, I have saved the backup codes")
        visitor.press("Done")
        visitor.sees(DONE)


def move_in_history(page: Page, by: int) -> None:
    """Press Back or Forward. Playwright's own waits for ever for a restored page."""
    session = page.context.new_cdp_session(page)
    history = session.send("Page.getNavigationHistory")
    entry = history["entries"][history["currentIndex"] + by]
    with page.expect_event("framenavigated"):
        session.send("Page.navigateToHistoryEntry", {"entryId": entry["id"]})
    session.detach()


def reload(visitor: Visitor) -> None:
    visitor.page.reload()


def go_back(visitor: Visitor) -> None:
    """Back, and from wherever that leads to set-up again."""
    move_in_history(visitor.page, -1)
    open_again(visitor)


def go_back_and_forward(visitor: Visitor) -> None:
    move_in_history(visitor.page, -1)
    move_in_history(visitor.page, +1)


def leave_by_a_link_and_come_back(visitor: Visitor) -> None:
    visitor.follow("Help")
    expect(visitor.page).to_have_title("Help – Onward")
    move_in_history(visitor.page, -1)


def close_and_open(visitor: Visitor) -> None:
    context = visitor.page.context
    visitor.page.close()
    visitor.page = context.new_page()
    visitor.page.goto("/")
    open_again(visitor)


def type_the_address(visitor: Visitor) -> None:
    visitor.page.goto("/setup")


def open_second_tab(visitor: Visitor) -> None:
    """Open set-up in another tab; the first one is told at its next button."""
    first = visitor.page
    visitor.page = first.context.new_page()
    visitor.page.goto("/setup")
    expect(first.get_by_role("heading", level=1)).not_to_have_text("Set-up has started again")
    first.locator("#form button").first.click()
    expect(first.get_by_role("heading", level=1)).to_have_text("Set-up has started again")
    first.close()


def open_again(visitor: Visitor) -> None:
    """Start from the enforcement page, if that is what is shown."""
    heading = visitor.page.get_by_role("heading", level=1)
    if heading.inner_text() == "Set up two-factor authentication":
        visitor.press("Set up two-factor authentication")


LOADS: list[Event] = [reload, type_the_address, open_second_tab]
LEAVES: list[Event] = [
    go_back,
    go_back_and_forward,
    leave_by_a_link_and_come_back,
    close_and_open,
]
EACH_WAY = [
    pytest.param(options, "verify", events, id=f"verify, {how}, {script}")
    for how, events in (("loaded again", LOADS), ("left", LEAVES))
    for script, options in (("htmx", {}), ("no script", NO_SCRIPT))
]
"""Every event, with script and without, at the step whose code the person is looking up."""
AT_EACH_STEP = [
    pytest.param({}, "scan", [reload, close_and_open], id="scan, htmx"),
    pytest.param(NO_SCRIPT, "backup", [type_the_address, go_back], id="backup, no script"),
    pytest.param({}, "codes", [open_second_tab, go_back_and_forward], id="codes, htmx"),
    pytest.param(NO_SCRIPT, "codes", [reload, go_back], id="codes, no script"),
    pytest.param({}, "email_code", [reload, go_back], id="email_code, htmx"),
]
"""A load and a leave at each other step. tests/test_protocol.py does each at every step."""


@pytest.mark.parametrize(("options", "step", "events"), EACH_WAY + AT_EACH_STEP)
def test_every_other_way_than_forward_voids_and_tells(
    opens: Opens,
    count: Count,
    subtests: pytest.Subtests,
    options: dict[str, Any],
    step: str,
    events: list[Event],
) -> None:
    """S-040, S-041: each void set-up is told, and one clean run after them succeeds."""
    visitor = opens(**options)
    reach(visitor, "scan")
    void: dict[str, str] = {}  # the key of each void record by its name
    for number, event in enumerate(events, 2):
        go_on(visitor, step)
        void[visitor.label] = visitor.key
        with subtests.test(event=event.__name__):
            void_by(visitor, event, number)
    assert count("wizards WHERE voided_at IS NOT NULL AND sealed_secret IS NULL") == len(events)
    assert visitor.key not in void.values()

    visitor.press("Next")
    visitor.sees(STEPS["verify"])
    for label, key in void.items():
        visitor.type("Code", app_code(key))
        visitor.press("Continue")
        # Its own name: what the code before was told would be seen at once, and the next
        # code typed into a form that is about to go.
        visitor.refused(f"“{label}”")
        visitor.sees(STEPS["verify"])
    assert count("authenticators") + count("backup_codes") + count("backup_emails") == 0
    finish(visitor, STEPS["verify"])

    assert count(f"authenticators WHERE label = '{visitor.label}'") == 1
    assert count("backup_codes") == 10


def void_by(visitor: Visitor, event: Event, number: int) -> None:
    """Do something other than going forward, be told, and start again at the scan step."""
    old_form, old_code = form_of(visitor), app_code(visitor.key)
    old, new = visitor.label, f"alice@example.com #{number}"
    event(visitor)

    visitor.sees("Set-up has started again")
    visitor.reads(f"delete the record “{old}”")
    visitor.reads(f"The new one will be called “{new}”")
    visitor.press("Start again")
    visitor.sees("Scan the QR code")
    visitor.note_key()
    assert visitor.label == new
    assert send(visitor, old_form | {"code": old_code, "saved": "1"}) == 409


def form_of(visitor: Visitor) -> dict[str, str]:
    """The hidden fields of the step's form, as somebody could have kept them."""
    fields = visitor.page.locator("#form input[type=hidden]").all()
    return {
        field.get_attribute("name") or "": field.get_attribute("value") or "" for field in fields
    }


def send(visitor: Visitor, form: dict[str, Any]) -> int:
    """Post a kept form with the browser's cookies; return the status."""
    sent = visitor.page.context.request.post("/setup", form=form, max_redirects=0)
    return sent.status


@SCRIPTS
@WITH_CODE
def test_a_double_click_counts_once(
    opens: Opens, site: Site, count: Count, mailbox: Mailbox, options: dict[str, Any], step: str
) -> None:
    visitor = opens(**options)
    reach(visitor, step)
    button = visitor.button(fill(visitor, step, mailbox))
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    site.line.await_second_post(10 if options else 0.7)

    visitor.page.mouse.click(*middle)
    assert site.line.first_post.wait(10)
    visitor.page.mouse.click(*middle)
    visitor.sees(AFTER[step])

    site.line.seconds_for_second_post = 0
    # Without script the browser sends both: the second one is answered as the first was.
    assert site.line.posts.count("/setup") == (2 if options else 1)
    finish(visitor, AFTER[step])
    assert count("authenticators WHERE label = 'alice@example.com'") == 1
    assert count("wizards WHERE voided_at IS NULL") == count("wizards") == 1


@SCRIPTS
@WITH_CODE
def test_a_lost_answer_is_given_again(
    opens: Opens, site: Site, count: Count, mailbox: Mailbox, options: dict[str, Any], step: str
) -> None:
    visitor = opens(**options)
    assert visitor.watch is not None
    visitor.watch.allows = LOST
    reach(visitor, step)
    button = fill(visitor, step, mailbox)
    site.line.loses_answers, site.line.posts = True, []

    visitor.button(button).click(no_wait_after=True)
    if options:
        # Chromium sends the form again by itself before it gives up and says so.
        expect(visitor.page).to_have_url("chrome-error://chromewebdata/")
        site.line.loses_answers = False
        visitor.page.reload()  # sends the form once more
    else:
        answer = visitor.page.get_by_role("status")
        expect(answer).to_have_text("No answer. Press the button again.")
        site.line.loses_answers = False
        visitor.press(button)
    visitor.sees(AFTER[step])

    assert site.line.posts.count("/setup") >= 2
    finish(visitor, AFTER[step])
    assert count("authenticators WHERE label = 'alice@example.com'") == 1
    assert count("wizards WHERE voided_at IS NULL") == count("wizards") == 1


@SCRIPTS
@pytest.mark.parametrize("step", ["scan", "codes"])
def test_a_page_of_the_wizard_is_never_restored(
    opens: Opens, site: Site, options: dict[str, Any], step: str
) -> None:
    """S-052: Chromium restores even no-store pages without asking; status 202 forbids it."""
    visitor = opens(**options)
    documents: list[Response] = []
    visitor.page.on("response", lambda response: documents.append(response))
    reach(visitor, step)
    visitor.follow("Help")
    expect(visitor.page).to_have_title("Help – Onward")
    site.line.gets = []

    move_in_history(visitor.page, -1)

    visitor.sees("Set-up has started again")
    assert site.line.gets[0].startswith("/setup")
    wizard = [
        r for r in documents if is_document(r) and "/setup" in r.url and "/required" not in r.url
    ]
    assert {r.status for r in wizard if r.status != 303} == {202}


def is_document(response: Response) -> bool:
    return response.request.resource_type == "document"


def test_the_back_forward_cache_of_this_browser_is_on(opens: Opens, site: Site) -> None:
    """Without it the test above would show nothing: an ordinary page is restored unasked."""
    visitor = opens()
    visitor.sign_in()
    visitor.sees("Set up two-factor authentication")
    visitor.follow("Help")
    expect(visitor.page).to_have_title("Help – Onward")
    site.line.gets = []

    move_in_history(visitor.page, -1)

    visitor.sees("Set up two-factor authentication")
    assert site.line.gets == []


def test_the_browser_keeps_nothing_of_a_set_up(opens: Opens) -> None:
    """S-136: no storage holds a page, a key, a code or a ticket."""
    visitor = opens()
    reach(visitor, "codes")
    visitor.note_codes()
    ticket = form_of(visitor)["ticket"]
    finish(visitor, STEPS["codes"])

    kept = visitor.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")

    assert "htmx-history-cache" not in kept
    for secret in (visitor.key, ticket, *visitor.codes):
        assert secret not in kept
    assert visitor.page.evaluate("indexedDB.databases()") == []
    assert visitor.page.evaluate("caches.keys()") == []


@SCRIPTS
def test_back_after_the_end_shows_no_codes(
    opens: Opens, count: Count, options: dict[str, Any]
) -> None:
    visitor = opens(**options)
    reach(visitor, "codes")
    visitor.note_codes()
    finish(visitor, STEPS["codes"])

    move_in_history(visitor.page, -1)

    expect(visitor.page.get_by_role("heading", level=1)).not_to_have_text(STEPS["codes"])
    assert visitor.codes[0] not in visitor.page.content()
    visitor.page.goto("/")
    visitor.sees("Two-factor authentication")
    assert count("authenticators") == 1


@SCRIPTS
def test_the_person_may_ask_for_the_qr_code_again(opens: Opens, options: dict[str, Any]) -> None:
    visitor = opens(**options)
    reach(visitor, "verify")
    visitor.press("I need the QR code again")
    visitor.sees("Set-up has started again")
    visitor.reads("You asked for a new QR code.")
    visitor.reads("delete the record “alice@example.com”")

    visitor.press("Start again")
    visitor.sees("Scan the QR code")
    visitor.note_key()
    visitor.press("Next")

    finish(visitor, STEPS["verify"])


def test_going_to_the_app_on_the_same_phone_keeps_the_set_up(opens: Opens, count: Count) -> None:
    """A click on the otpauth link fires beforeunload, though the page stays."""
    visitor = opens()
    reach(visitor, "scan")
    visitor.follow("Open in an app on this phone")
    visitor.sees("Scan the QR code")

    # A mouse would meet Chromium's question whether to open an app.
    visitor.button("Next").dispatch_event("click")

    visitor.sees(STEPS["verify"])
    assert count("wizards WHERE voided_at IS NULL") == count("wizards") == 1
