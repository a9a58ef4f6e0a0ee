"""The protocol of the wizard, event by event: forward only, and told (DESIGN.md section 4).

Each test walks with htmx and without script. "Nothing changed" is said of the
whole database. The secret of a set-up that was voided never lets anybody in,
and the person is told which record to delete.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from tests.person import Page, Person, app_code, never_shown

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]

AGAIN = "Set-up has started again"
OUT_OF_DATE = "This page is out of date"
ON = "Two-factor authentication is on"
STATE = "Two-factor authentication"
LABEL = "alice@example.com"
STEPS = ("scan", "verify", "backup", "codes", "email", "email_code")
COOKIE = "onward"


def walk(person: Person, step: str) -> Page:
    """Go from the introduction to `step`."""
    person.start()
    if step == "scan":
        return person.page
    person.next()
    if step == "verify":
        return person.page
    person.next(code=app_code(person.key))
    if step == "backup":
        return person.page
    person.next(way="codes" if step == "codes" else "email")
    return person.next(address="alice@home.example") if step == "email_code" else person.page


def leave(person: Person, fields: dict[str, str]) -> TestResponse:
    """Send what the script sends when a page is left."""
    return person.client.post("/setup/leave", data=fields)


def tell(page: Page, label: str = LABEL, why: str = "") -> None:
    """Make sure that the page tells of the end and names the record to delete."""
    assert page.heading == AGAIN, page.words
    assert f"In your app, delete the record “{label}”. It no longer works." in page.words
    assert why in page.words


def elsewhere(person: Person) -> Person:
    """Return the same person in a second browser, signed in."""
    second = Person(person.app, person.email, person.htmx)
    second.sign_in()
    return second


def address_of(page: Page) -> str:
    """Return the path that the shown page came from."""
    return str(page.response.request.path)


def now() -> datetime:
    return datetime.now(UTC)


# Opening, starting, going on


def test_it_makes_nothing_when_set_up_is_opened(alice: Person, snapshot: Snapshot) -> None:
    before = snapshot()

    assert alice.visit("/setup").heading == "Get an authenticator app"

    assert snapshot() == before


def test_it_answers_documents_with_202_and_fragments_with_200(alice: Person) -> None:
    """Chromium keeps no page of status 202 in its back/forward cache."""
    assert alice.visit("/setup").status == 202
    expected = 200 if alice.htmx else 202
    assert alice.next().status == expected
    assert alice.next().status == expected


def test_it_answers_a_step_with_the_fragment_or_sends_to_a_one_time_view(alice: Person) -> None:
    alice.visit("/setup")

    answer = alice.post("/setup", alice.page.hidden())

    if alice.htmx:
        assert answer.status_code == 200
        assert "<html" not in answer.text
        assert Page(answer).heading == "Scan the QR code"
    else:
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/setup/view/")
        assert alice.show(answer).heading == "Scan the QR code"


def test_it_turns_the_ticket_with_every_step(alice: Person, rows: Rows) -> None:
    first = alice.start().value("ticket")
    second = alice.next().value("ticket")

    assert first != second
    assert rows("SELECT turn, step FROM wizards") == [(2, "verify")]


def test_it_shows_a_wrong_code_with_its_reason_at_the_same_step(alice: Person, rows: Rows) -> None:
    before = alice.to_verify().value("ticket")

    page = alice.next(code=never_shown(alice.key))

    assert page.status == (422 if alice.htmx else 202)
    assert page.heading == "Enter the code from your app"
    assert f"Check that you are reading the record “{LABEL}”." in page.error
    assert "<title>Error: " in page.text
    assert page.value("ticket") != before
    assert rows("SELECT turn, step, wrong_codes FROM wizards") == [(3, "verify", 1)]
    assert alice.next(code=app_code(alice.key)).heading == "Add a backup way to sign in"


# The same POST again


@pytest.mark.parametrize("step", STEPS)
def test_it_answers_a_double_click_with_the_same_step(
    alice: Person, snapshot: Snapshot, step: str
) -> None:
    walk(alice, step)
    fields = alice.page.hidden() | {
        "code": app_code(alice.key),
        "way": "codes",
        "address": "alice@home.example",
    }
    if step == "codes":
        fields |= {"saved": ""}  # refused: the finishing POST has its own tests
    first = alice.post("/setup", fields)
    before = snapshot()

    second = alice.post("/setup", fields)

    assert snapshot() == before
    assert second.status_code == first.status_code
    assert second.headers.get("Location") == first.headers.get("Location")
    assert Page(second).value("ticket") == Page(first).value("ticket")
    assert alice.show(second).heading not in {AGAIN, OUT_OF_DATE}


def test_it_counts_a_wrong_code_once_however_often_it_is_sent(alice: Person, rows: Rows) -> None:
    alice.to_verify()
    fields = alice.page.hidden() | {"code": never_shown(alice.key)}

    alice.post("/setup", fields)
    answer = alice.post("/setup", fields)

    assert rows("SELECT turn, wrong_codes FROM wizards") == [(3, 1)]
    assert "does not match" in alice.show(answer).error


def test_it_begins_one_set_up_from_a_doubled_start(
    alice: Person, rows: Rows, snapshot: Snapshot
) -> None:
    alice.visit("/setup")
    first = alice.post("/setup", alice.page.hidden())
    before = snapshot()

    second = alice.post("/setup", alice.page.hidden())

    assert snapshot() == before
    assert rows("SELECT count(*) FROM wizards") == [(1,)]
    assert second.headers.get("Location") == first.headers.get("Location")
    assert alice.show(second).label == LABEL


def test_it_voids_when_the_introduction_is_sent_again_later(alice: Person, rows: Rows) -> None:
    alice.visit("/setup")
    introduction = alice.page
    alice.next()
    alice.next()

    page = alice.show(alice.post("/setup", introduction.hidden()))

    assert page.status == 409
    tell(page, why="You went back to an earlier page.")
    assert rows("SELECT void_reason, sealed_secret FROM wizards") == [("back", None)]


def test_it_serves_an_unseen_view_again_but_not_after_a_minute(alice: Person) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        alice.start()
        fields = alice.page.hidden()
        first = alice.post("/setup", fields)
        clock.shift(timedelta(seconds=60))
        assert alice.post("/setup", fields).status_code == first.status_code
        clock.shift(timedelta(seconds=1))

        late = alice.post("/setup", fields)

    # With htmx the retry of a lost answer has no such limit: its page waits for it.
    assert late.status_code == (200 if alice.htmx else 409)


def test_it_voids_a_late_second_post_once_its_view_was_seen(alice: Person) -> None:
    alice.start()
    fields = alice.page.hidden()
    alice.next()

    answer = alice.show(alice.post("/setup", fields))

    if alice.htmx:
        assert answer.heading == "Enter the code from your app"
    else:
        assert answer.status == 409
        tell(answer, why="You went back to an earlier page.")


# Every other way in voids


@pytest.mark.parametrize("step", STEPS)
def test_it_voids_on_reload(alice: Person, rows: Rows, step: str) -> None:
    walk(alice, step)

    page = alice.visit(address_of(alice.page))

    assert page.status == 202
    tell(page, why="The page was opened again")
    assert f"The new one will be called “{LABEL} #2”." in page.words
    assert rows("SELECT void_reason, sealed_secret, sealed_codes FROM wizards") == [
        ("loaded", None, None)
    ]


def test_it_shows_a_view_until_its_stylesheet_is_asked_for(app: Flask, rows: Rows) -> None:
    alice = Person(app, LABEL)
    alice.sign_in()
    alice.visit("/setup")
    view = alice.post("/setup", alice.page.hidden()).headers["Location"]

    shown = [alice.client.get(view) for _ in range(2)]

    assert [Page(page).heading for page in shown] == ["Scan the QR code"] * 2
    assert rows("SELECT voided_at, view_seen_at FROM wizards") == [(None, None)]
    tell_nothing_yet = alice.visit(view)  # this one asks for the stylesheet
    assert tell_nothing_yet.heading == "Scan the QR code"
    tell(alice.visit(view))


def test_it_names_no_record_if_the_qr_code_was_never_shown(app: Flask) -> None:
    alice = Person(app, LABEL)
    alice.sign_in()
    alice.visit("/setup")
    alice.post("/setup", alice.page.hidden())  # the answer is lost

    page = alice.visit("/setup")

    assert page.heading == AGAIN
    assert "delete the record" not in page.words


def test_it_voids_when_an_older_ticket_is_sent(alice: Person, rows: Rows) -> None:
    older = alice.start().hidden()
    alice.next()
    alice.next(code=app_code(alice.key))

    page = alice.show(alice.post("/setup", older))

    assert page.status == 409
    tell(page, why="You went back to an earlier page.")
    assert rows("SELECT void_reason, sealed_secret FROM wizards") == [("back", None)]
    assert rows("SELECT count(*) FROM authenticators") == [(0,)]


@pytest.mark.parametrize("step", STEPS)
def test_it_voids_when_the_page_is_left(alice: Person, rows: Rows, step: str) -> None:
    walk(alice, step)

    answer = leave(alice, alice.page.hidden())

    assert answer.status_code == 204
    assert rows("SELECT void_reason, sealed_secret FROM wizards") == [("left", None)]
    tell(alice.visit("/setup"), why="You left the page before the end.")


def test_it_ignores_the_beacon_of_a_page_already_replaced(
    alice: Person, snapshot: Snapshot
) -> None:
    replaced = alice.start().hidden()
    alice.next()
    before = snapshot()

    assert leave(alice, replaced).status_code == 204

    assert snapshot() == before


def test_it_ignores_the_beacon_of_a_page_that_a_reload_has_voided(
    alice: Person, snapshot: Snapshot
) -> None:
    """On a reload the GET arrives before the beacon of the old page."""
    left = alice.to_verify().hidden()
    alice.visit("/setup")
    alice.next()
    before = snapshot()

    assert leave(alice, left).status_code == 204

    assert snapshot() == before


@pytest.mark.parametrize("ticket", [None, "", "rubbish"])
def test_it_ignores_a_beacon_without_a_ticket_of_ours(
    alice: Person, snapshot: Snapshot, ticket: str | None
) -> None:
    fields = alice.start().hidden()
    del fields["ticket"]
    before = snapshot()

    answer = leave(alice, fields | ({} if ticket is None else {"ticket": ticket}))

    assert answer.status_code == 204
    assert snapshot() == before


def test_it_ignores_a_beacon_from_another_sign_in(alice: Person, snapshot: Snapshot) -> None:
    second = elsewhere(alice)
    ticket = alice.start().hidden()["ticket"]
    before = snapshot()

    assert leave(second, second.page.hidden() | {"ticket": ticket}).status_code == 204

    assert snapshot() == before


def test_it_tells_on_every_visit_in_every_browser_until_start_again(alice: Person) -> None:
    second = elsewhere(alice)
    alice.start()
    for person in (alice, second, second, alice):
        tell(person.visit("/setup"), why="The page was opened again")

    second.next()

    assert second.page.label == f"{LABEL} #2"


def test_it_starts_again_at_the_scan_step(alice: Person) -> None:
    alice.to_verify()
    alice.visit("/setup")

    assert alice.next().heading == "Scan the QR code"
    assert alice.page.label == f"{LABEL} #2"


def test_it_gives_a_new_qr_code_to_whoever_asks_and_says_what_that_means(
    alice: Person, rows: Rows
) -> None:
    alice.to_verify()

    page = alice.next(act="again")

    assert page.status == (200 if alice.htmx else 202)
    tell(page, why="You asked for a new QR code.")
    assert rows("SELECT void_reason, sealed_secret FROM wizards") == [("asked", None)]
    assert alice.next().label == f"{LABEL} #2"


# After a while


def test_it_is_void_fifteen_minutes_after_the_last_turn(alice: Person, rows: Rows) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        alice.start()
        clock.shift(timedelta(minutes=14, seconds=59))
        assert alice.next().heading == "Enter the code from your app"
        clock.shift(timedelta(minutes=15))

        page = alice.next(code=app_code(alice.key))

        assert page.status == 409
        tell(page, why="It took longer than 15 minutes.")
        assert rows("SELECT void_reason, sealed_secret FROM wizards") == [("expired", None)]
        tell(alice.visit("/setup"), why="It took longer than 15 minutes.")


def test_it_tells_at_the_next_load_that_it_took_too_long(alice: Person, rows: Rows) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        alice.start()
        clock.shift(timedelta(minutes=15))

        tell(alice.visit("/setup"), why="It took longer than 15 minutes.")

    assert rows("SELECT void_reason, sealed_secret FROM wizards") == [("expired", None)]


def test_it_is_void_half_an_hour_after_the_secret_was_made(alice: Person, rows: Rows) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        alice.start()
        for seconds in (600, 600, 599):
            clock.shift(timedelta(seconds=seconds))
            assert alice.next(code="").heading == "Enter the code from your app"
        clock.shift(timedelta(seconds=1))

        page = alice.next(code=app_code(alice.key))

        assert page.status == 409
        assert page.heading == AGAIN
    assert rows("SELECT void_reason FROM wizards") == [("expired",)]
    assert rows("SELECT count(*) FROM authenticators") == [(0,)]


@pytest.mark.parametrize("waits", [[900], [600, 600, 600]], ids=["idle", "overall"])
def test_it_replays_nothing_of_a_set_up_that_took_too_long(
    alice: Person, rows: Rows, waits: list[int]
) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        alice.start()
        for seconds in waits:
            spent_last = alice.page.hidden()
            alice.next(code="")
            clock.shift(timedelta(seconds=seconds))

        page = alice.show(alice.post("/setup", spent_last))

    assert page.status == 409
    tell(page, why="It took longer than 15 minutes.")
    assert rows("SELECT void_reason, sealed_secret FROM wizards") == [("expired", None)]


# Two tabs, two browsers


@pytest.mark.parametrize("same_browser", [True, False], ids=["second tab", "second browser"])
def test_it_voids_the_first_for_the_account_when_a_second_begins(
    alice: Person, snapshot: Snapshot, rows: Rows, same_browser: bool
) -> None:
    second = alice if same_browser else elsewhere(alice)
    old, old_key = alice.to_verify(), alice.key
    tell(second.visit("/setup"))
    second.next()
    new = second.page
    before = snapshot()

    told = alice.show(alice.post("/setup", old.hidden() | {"code": app_code(old_key)}))

    assert told.status == 409
    tell(told)
    assert snapshot() == before
    second.page, second.key = new, new.key
    second.next()
    assert second.next(code=app_code(second.key)).heading == "Add a backup way to sign in"
    assert rows("SELECT count(*) FROM wizards WHERE voided_at IS NULL") == [(1,)]


def test_it_never_voids_the_second_silently_when_the_first_starts_again(alice: Person) -> None:
    second = elsewhere(alice)
    alice.start()
    second.visit("/setup")
    second.next()
    alice.next()  # told: its set-up is void
    tell(alice.page)

    page = alice.next()  # "Start again" finds the second one alive

    assert page.status == 409
    tell(page, f"{LABEL} #2", "Set-up was started a second time, in another tab or browser.")
    assert alice.next().label == f"{LABEL} #3"
    tell(second.next(), f"{LABEL} #2")


# Loads that no person made


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
        ("Purpose", "prefetch"),
        ("X-Moz", "prefetch"),
        ("Purpose", "preview"),
    ],
)
def test_it_answers_a_prefetch_with_503_and_no_change(
    alice: Person, snapshot: Snapshot, header: str, value: str
) -> None:
    alice.to_verify()
    before = snapshot()

    for path in ("/setup", address_of(alice.page)):
        answer = alice.client.get(path, headers={header: value})
        assert answer.status_code == 503
        assert answer.data == b""

    assert snapshot() == before
    tell(alice.visit("/setup"))  # the later click works


@pytest.mark.parametrize("kind", ["image", "iframe", "frame", "script", "empty", "style"])
def test_it_answers_what_is_no_document_with_403_and_no_change(
    alice: Person, snapshot: Snapshot, kind: str
) -> None:
    alice.to_verify()
    before = snapshot()

    for path in ("/setup", address_of(alice.page)):
        assert alice.client.get(path, headers={"Sec-Fetch-Dest": kind}).status_code == 403

    assert snapshot() == before


def test_it_takes_only_a_style_request_for_the_sign_that_a_view_was_seen(
    app: Flask, snapshot: Snapshot
) -> None:
    alice = Person(app, LABEL)
    alice.sign_in()
    alice.visit("/setup")
    view = alice.post("/setup", alice.page.hidden()).headers["Location"]
    style = view.replace("view", "seen") + ".css"
    before = snapshot()

    for kind in ("document", "image", "empty"):
        alice.client.get(style, headers={"Sec-Fetch-Dest": kind})
    alice.client.head(style, headers={"Sec-Fetch-Dest": "style"})

    assert snapshot() == before
    alice.client.get(style, headers={"Sec-Fetch-Dest": "style"})
    assert snapshot() != before


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_it_shows_the_introduction_to_a_link_elsewhere_and_changes_nothing(
    alice: Person, snapshot: Snapshot, site: str
) -> None:
    alice.to_verify()
    here = alice.page.hidden()
    before = snapshot()

    page = alice.visit("/setup", Sec_Fetch_Site=site)

    assert page.heading == "Get an authenticator app"
    assert snapshot() == before
    alice.show(alice.post("/setup", here | {"code": app_code(alice.key)}))
    assert alice.page.heading == "Add a backup way to sign in"


def test_it_tells_whoever_starts_from_there_while_a_set_up_lives(alice: Person, rows: Rows) -> None:
    alice.to_verify()
    alice.visit("/setup", Sec_Fetch_Site="cross-site")

    page = alice.next()

    assert page.status == 409
    tell(page, why="Set-up was started a second time")
    assert rows("SELECT void_reason, sealed_secret FROM wizards") == [("second", None)]
    assert alice.next().label == f"{LABEL} #2"


def test_it_tells_whoever_starts_from_there_of_an_end_not_yet_told(
    alice: Person, rows: Rows
) -> None:
    alice.to_verify()
    leave(alice, alice.page.hidden())
    alice.visit("/setup", Sec_Fetch_Site="cross-site")

    page = alice.next()

    assert page.status == 409
    tell(page, why="You left the page before the end.")
    assert rows("SELECT count(*) FROM wizards") == [(1,)]


def test_it_changes_nothing_for_head(alice: Person, snapshot: Snapshot) -> None:
    alice.to_verify()
    before = snapshot()

    for path in ("/setup", address_of(alice.page)):
        assert alice.client.head(path).status_code in {202, 303}

    assert snapshot() == before


# After the end


def test_it_leads_from_every_old_page_to_the_security_page_after_the_end(
    alice: Person, snapshot: Snapshot
) -> None:
    alice.visit("/setup")
    pages = [alice.page]
    pages.append(alice.next())
    pages.append(alice.next())
    pages.append(alice.next(code=app_code(pages[1].key)))
    pages.append(alice.next(way="codes"))
    codes = alice.page.codes
    pages.append(alice.next(saved="1"))
    assert alice.page.heading == ON
    before = snapshot()

    for page in pages[:-2]:
        alice.show(alice.post("/setup", page.hidden()))
        assert alice.page.heading == STATE
        assert not any(code in alice.page.text for code in codes)
    for path in ["/setup", *(address_of(page) for page in pages)]:
        assert alice.client.get(path).status_code == 303
        assert alice.visit(path).heading == STATE

    assert snapshot() == before


def test_it_never_shows_the_codes_again_to_the_finishing_post(alice: Person, rows: Rows) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        codes = alice.to_codes().codes
        fields = alice.page.hidden() | {"saved": "1"}
        alice.next(saved="1")
        before = rows("SELECT * FROM wizards"), rows("SELECT * FROM backup_codes")
        early = alice.show(alice.post("/setup", fields))
        clock.shift(timedelta(seconds=60))
        late = alice.show(alice.post("/setup", fields))

    assert early.heading == (ON if alice.htmx else STATE)
    assert late.heading == STATE
    assert not any(code in early.text + late.text for code in codes)
    assert (rows("SELECT * FROM wizards"), rows("SELECT * FROM backup_codes")) == before


def test_it_gives_the_lost_answer_of_the_finishing_post_again(
    alice: Person, snapshot: Snapshot
) -> None:
    codes = alice.to_codes().codes
    fields = alice.page.hidden() | {"saved": "1"}
    spent = cookie(alice)
    alice.post("/setup", fields)  # the answer, and its cookie with it, is lost
    alice.client.set_cookie(COOKIE, spent)
    before = snapshot()

    answer = alice.post("/setup", fields)

    assert snapshot() == before
    assert cookie(alice) != spent
    assert alice.show(answer).heading == ON
    assert not any(code in alice.page.text for code in codes)
    assert alice.visit("/security").heading == STATE


def test_it_opens_nothing_else_to_the_spent_token(alice: Person, snapshot: Snapshot) -> None:
    """S-111: what was renewed is dead, but for the one POST that renewed it."""
    older = alice.to_backup().hidden()
    alice.next(way="codes")
    fields = alice.page.hidden() | {"saved": "1"}
    spent = cookie(alice)
    alice.post("/setup", fields)
    before = snapshot()

    for path, sent in [
        ("/setup", older),
        ("/setup", older | {"ticket": "rubbish"}),
        ("/setup", {"csrf_token": older["csrf_token"]}),
        ("/setup/leave", fields),
        ("/setup/visibility", fields | {"word": "hidden", "page": "ab12", "number": "1"}),
        ("/setup/backup-codes", fields),
        ("/security/devices/remove-all", fields),
        ("/signin/confirm", fields),
    ]:
        alice.client.set_cookie(COOKIE, spent)
        is_turned_away(alice.post(path, sent))
    for path in ("/security", "/setup", "/setup/codes", "/setup/required"):
        alice.client.set_cookie(COOKIE, spent)
        is_turned_away(alice.client.get(path))
    alice.client.set_cookie(COOKIE, spent)
    with time_machine.travel(now() + timedelta(seconds=61)):
        is_turned_away(alice.post("/setup", fields))

    assert snapshot() == before


def cookie(person: Person) -> str:
    found = person.client.get_cookie(COOKIE)
    assert found is not None
    return found.value


def is_turned_away(answer: TestResponse) -> None:
    """Make sure that the answer sends an anonymous visitor to the sign-in page."""
    target = answer.headers.get("HX-Redirect") or answer.headers.get("Location")
    assert answer.status_code in {303, 401}
    assert target == "/signin"


# Tickets that are not one's own


def test_it_takes_no_ticket_of_another_sign_in(alice: Person, snapshot: Snapshot) -> None:
    second = elsewhere(alice)
    ticket = alice.to_verify().hidden()["ticket"]
    before = snapshot()

    fields = second.page.hidden() | {"ticket": ticket, "code": app_code(alice.key)}
    page = second.show(second.post("/setup", fields))

    assert (page.status, page.heading) == (409, OUT_OF_DATE)
    assert snapshot() == before


def test_it_takes_no_ticket_of_another_person(
    alice: Person, bob: Person, snapshot: Snapshot
) -> None:
    ticket = alice.to_verify().hidden()["ticket"]
    bob.htmx = alice.htmx
    before = snapshot()

    fields = bob.page.hidden() | {"ticket": ticket, "code": app_code(alice.key)}
    page = bob.show(bob.post("/setup", fields))

    assert (page.status, page.heading) == (409, OUT_OF_DATE)
    assert snapshot() == before


def test_it_starts_nothing_from_an_introduction_of_another_sign_in(
    alice: Person, bob: Person, snapshot: Snapshot
) -> None:
    entry = alice.visit("/setup").hidden()["entry"]
    bob.htmx = alice.htmx
    second = elsewhere(alice)
    before = snapshot()

    for person in (bob, second):
        page = person.show(person.post("/setup", person.page.hidden() | {"entry": entry}))
        assert (page.status, page.heading) == (409, OUT_OF_DATE)

    assert snapshot() == before


@pytest.mark.parametrize("kind", ["missing", "empty", "rubbish", "changed", "entry", "twice"])
def test_it_takes_no_forged_ticket(alice: Person, snapshot: Snapshot, kind: str) -> None:
    entry = alice.visit("/setup").hidden()["entry"]
    alice.next()
    alice.next()
    fields = alice.page.hidden() | {"code": app_code(alice.key)}
    ticket = fields.pop("ticket")
    changed = ticket[:-1] + ("A" if ticket[-1] != "A" else "E")
    forged: dict[str, object] = {
        "empty": "",
        "rubbish": "rub.bish\0" * 500,
        "changed": changed,
        "entry": entry,
        "twice": [ticket, ticket],
    }
    before = snapshot()

    sent = fields | ({"ticket": forged[kind]} if kind in forged else {})
    page = alice.show(alice.post("/setup", sent))

    assert (page.status, page.heading) == (409, OUT_OF_DATE)
    assert snapshot() == before


# After each voiding: the old secret is dead, the record is named, one clean run leads on


@pytest.mark.parametrize("way", ["reload", "leave"])
@pytest.mark.parametrize("step", STEPS)
def test_it_leads_from_a_void_step_by_one_clean_run_to_the_end(
    alice: Person, rows: Rows, step: str, way: str
) -> None:
    walk(alice, step)
    old, old_key = alice.page.hidden(), alice.key
    if way == "leave":
        leave(alice, old)
    tell(alice.visit("/setup"))
    told = alice.page
    saved = {"saved": "1", "way": "codes", "address": "alice@home.example"}

    refused = alice.show(alice.post("/setup", old | saved | {"code": app_code(old_key)}))

    assert refused.status == 409
    tell(refused)
    assert rows("SELECT count(*) FROM authenticators") == [(0,)]
    alice.page = told
    alice.next()
    assert alice.page.label == f"{LABEL} #2"
    assert alice.page.key != old_key
    alice.key = alice.page.key
    alice.next()
    assert f"delete “{LABEL}”. Use “{LABEL} #2”." in alice.next(code=app_code(old_key)).error
    alice.next(code=app_code(alice.key))
    alice.next(way="codes")
    alice.next(saved="1")
    assert alice.page.heading == ON
    assert rows("SELECT label FROM authenticators") == [(f"{LABEL} #2",)]
    alice.sign_out()
    alice.sign_in()
    assert alice.press("/signin/code", code=app_code(old_key, steps=1)).status == 422
    assert alice.press("/signin/code", code=app_code(alice.key, steps=1)).heading == STATE
