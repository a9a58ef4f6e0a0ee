"""The ways into administration: what leads there, what counts from when, and what does not."""

import time
from collections.abc import Callable

import pytest
from flask import Flask
from time_machine import Traveller

from tests.administration import press
from tests.person import PASSWORD, Person, app_code
from tests.sso.comer import SECURITY, START, Comer, Rows, restarted
from tests.sso.evil_provider import Evil
from tests.sso.test_admin_door import DEMAND, PAGE, Someone, change, give, with_app

Snapshot = Callable[[], dict[str, list[str]]]
SET_UP, CONFIRM = "Set up two-factor authentication", "Confirm it is you"


@pytest.fixture(autouse=True)
def nothing_is_asked(app: Flask) -> None:
    change(app, "UPDATE organisations SET enforcement = 'off'")


def moved(app: Flask, person: Person) -> Someone:
    """Return the same browser after a restart of the application."""
    after = Someone(app, person.email)
    cookie = person.client.get_cookie("onward")
    assert cookie is not None
    after.client.set_cookie("onward", cookie.value)
    return after


def met(app: Flask, evil: Evil) -> Someone:
    """Return Alice, an owner with no app, whose provider did what is demanded of it."""
    alice = Someone(restarted(app, evil, **DEMAND), "alice@example.com")
    evil.person["amr"] = ["mfa"]
    alice.tie(evil)
    give(alice, "owner")
    alice.come()
    return alice


def finish(person: Person) -> None:
    """Go on from the introduction of the set-up to its end."""
    person.next()
    person.key = person.page.key
    person.next()
    person.next(code=app_code(person.key))
    person.next(way="codes")
    person.next(saved="1")
    assert person.page.heading == "Two-factor authentication is on"


def test_a_demand_that_came_later_does_not_count_for_an_older_sign_in(
    app: Flask, evil: Evil
) -> None:
    """The provider had said "mfa" even then, when nobody looked."""
    alice = Someone(app, "alice@example.com")
    evil.person["amr"] = ["mfa"]
    alice.tie(evil)
    give(alice, "owner")
    alice.come()
    alice = moved(restarted(app, evil, **DEMAND), alice)

    assert alice.visit("/security").heading == SECURITY  # exempt until it ends
    assert alice.visit(PAGE).heading == SET_UP

    alice.sign_out()
    alice.come()
    assert alice.visit(PAGE).heading == "Audit log"


def test_a_proof_at_the_provider_that_meets_the_demand_counts(
    app: Flask, evil: Evil, rows: Rows
) -> None:
    alice = Someone(app, "alice@example.com")
    alice.tie(evil)
    give(alice, "owner")
    alice.come()
    alice = moved(restarted(app, evil, **DEMAND), alice)
    assert alice.visit("/admin/people").heading == SET_UP

    for methods, heading in (([], SET_UP), (["mfa"], "People")):
        evil.person["amr"] = methods
        evil.bend = lambda claims: claims.update(auth_time=int(time.time()))
        alice.visit("/setup")
        alice.next()
        assert alice.page.heading == CONFIRM
        alice.back_from(alice.leave("/signin/confirm/sso"))
        assert alice.visit("/admin/people").heading == heading


def test_a_tie_made_with_a_met_demand_enters(app: Flask, evil: Evil) -> None:
    alice = Someone(restarted(app, evil, **DEMAND), "alice@example.com")
    evil.person["amr"] = ["mfa"]
    give(alice, "owner")
    alice.visit(PAGE)

    alice.come()
    assert alice.press("/signin/tie", password=PASSWORD).heading == "Audit log"


def test_whoever_has_sso_alone_sets_a_password_and_then_up(app: Flask, evil: Evil) -> None:
    evil.person |= {"email": "nora@example.com", "name": "Nora New", "sub": "nora"}
    nora = Comer(app, "nora@example.com")
    nora.come()
    change(app, "UPDATE memberships SET role = 'owner' WHERE account_id = 4")
    assert nora.visit(PAGE).heading == SET_UP

    evil.bend = lambda claims: claims.update(auth_time=int(time.time()))
    assert nora.visit("/setup").heading == "Set a password first"
    nora.press("/security/first-password")
    nora.back_from(nora.leave("/signin/confirm/sso"))
    nora.press("/security/first-password", password="quite another sentence")
    assert nora.page.heading == "Get an authenticator app"
    finish(nora)

    assert f'href="{PAGE}"' in nora.page.text
    assert nora.visit(PAGE).heading == "Audit log"
    nora.sign_out()
    assert nora.come().heading == SECURITY
    assert nora.visit(PAGE).heading == CONFIRM  # the app is there now: its code is asked


@pytest.mark.parametrize(("level", "may_wait"), [("off", True), ("soft", True), ("hard", False)])
def test_a_password_alone_is_led_through_the_set_up_whatever_is_asked(
    app: Flask, level: str, may_wait: bool
) -> None:
    alice = Person(app, "alice@example.com")
    give(Someone(app, alice.email), "owner")
    alice.sign_in()
    change(app, f"UPDATE organisations SET enforcement = '{level}'")

    page = alice.visit(PAGE)
    if level == "soft":  # the prompt of every page, which names the reason here
        assert "“Not now” opens the page" not in page.words
    assert page.heading == SET_UP
    assert "Administration needs two-factor authentication" in page.words
    assert ("Not now: back to your own page" in page.words) is may_wait
    assert 'action="/setup/not-now"' not in page.text

    alice.visit("/setup")
    finish(alice)
    assert f'href="{PAGE}"' in alice.page.text
    assert alice.visit(PAGE).heading == "Audit log"


def test_it_asks_nothing_of_those_who_want_no_page_of_administration(
    app: Flask, evil: Evil
) -> None:
    alice = Person(app, "alice@example.com")
    give(Someone(app, alice.email), "owner")
    assert alice.sign_in().heading == SECURITY
    assert alice.visit("/setup/required").heading == SECURITY

    change(app, "UPDATE organisations SET enforcement = 'soft'")
    page = alice.visit("/security")
    assert "asks everyone for this" in page.words
    assert "“Not now” opens the page you wanted." in page.words
    # A role that is gone asks nothing either.
    alice.visit(PAGE)
    give(Someone(app, alice.email), "member")
    assert "Administration" not in alice.visit("/setup/required").words


@pytest.mark.parametrize(
    ("post", "leads"),
    [
        ("/admin/people.csv?organisation=1", "/admin/people?organisation=1"),
        ("/admin/audit/search", "/admin/audit"),
        ("/admin/enforcement/confirm?organisation=1", "/admin/enforcement?organisation=1"),
        ("/admin/people/3/reset", "/admin/people/3/reset"),
        ("/admin/people/3/disable?organisation=1", "/admin/people/3?organisation=1"),
        ("/admin/people/remind", "/admin/people/remind"),
        ("/admin/people/add", "/admin/people/add"),
        ("/admin/people/add?organisation=%0D%09", "/admin/people"),
    ],
)
def test_a_form_leads_to_its_page_after_the_code(
    app: Flask, evil: Evil, noon: Traveller, rows: Rows, post: str, leads: str
) -> None:
    alice = with_app(app, noon)
    alice.sign_in()
    alice.press("/signin/code", code=app_code(alice.key, steps=-1), trust="1")
    alice.sign_out()
    alice.sign_in()
    give(alice, "owner")

    alice.show(alice.post(post, alice.page.hidden()))
    assert alice.page.heading == CONFIRM
    answer = alice.post("/signin/confirm", alice.page.hidden() | {"code": app_code(alice.key)})

    assert answer.headers["Location"] == leads
    assert rows("SELECT disabled_at FROM accounts WHERE id = 3") == [(None,)]


def test_turning_two_factor_off_closes_the_door(app: Flask, noon: Traveller) -> None:
    """The code of this sign-in was one of an app that is gone."""
    alice = with_app(app, noon)
    give(alice, "owner")
    alice.sign_in()
    alice.press("/signin/code", code=app_code(alice.key, steps=-1))
    assert alice.visit("/admin/people").heading == "People"

    alice.visit("/security/turn-off")
    alice.press("/security/turn-off", code=app_code(alice.key))
    assert alice.page.heading == SECURITY
    assert alice.visit("/admin/people").heading == SET_UP


def test_a_reset_needs_two_factor_of_ones_own(
    app: Flask, evil: Evil, carol: Person, snapshot: Snapshot
) -> None:
    """S-170: an administrator whom a provider vouches for can't take it from others."""
    alice = met(app, evil)
    assert alice.visit("/admin/people/3").heading == "Carol"
    before = snapshot()

    alice.show(alice.post("/admin/people/3/reset", alice.page.hidden() | {"reason": "Lost"}))

    assert alice.page.status == 409
    assert alice.page.error.startswith("Set up two-factor authentication for yourself first.")
    assert snapshot() == before


def test_nobody_makes_it_hard_without_having_it(app: Flask, evil: Evil, snapshot: Snapshot) -> None:
    alice = met(app, evil)
    before = snapshot()
    for level, day in (("hard", ""), ("soft", "2099-01-01")):
        alice.visit("/admin/enforcement")
        page = press(alice, "Continue", level=level, hard_from=day, grace_days="0")
        assert (page.status, "for yourself first" in page.error) == (409, True)
    assert snapshot() == before

    evil.bend = lambda claims: claims.update(auth_time=int(time.time()))
    fields = {"level": "hard", "hard_from": "", "grace_days": "0"}
    alice.show(alice.post("/admin/enforcement/confirm", page.hidden() | fields))
    alice.back_from(alice.leave("/signin/confirm/sso"))
    before = snapshot()
    refused = alice.post("/admin/enforcement/confirm", alice.page.hidden() | fields)
    assert refused.status_code == 409
    assert snapshot() == before


@pytest.mark.parametrize("level", ["soft", "hard"])
def test_the_provider_that_the_prompt_offers_is_one_that_does(
    app: Flask, evil: Evil, level: str
) -> None:
    """At the soft prompt the button led back to the prompt."""
    change(app, f"UPDATE organisations SET enforcement = '{level}'")
    alice = Someone(app, "alice@example.com")
    give(alice, "owner")
    alice.sign_in()
    assert alice.page.text.count(START) == 1
    assert alice.visit(PAGE).text.count(START) == 0  # nothing is demanded of it

    alice = Someone(restarted(app, evil, **DEMAND), "alice@example.com")
    evil.person["amr"] = ["mfa"]
    alice.sign_in()
    assert alice.visit(PAGE).text.count(START) == 1
    alice.back_from(alice.leave())
    if alice.page.heading == "Is this your account?":
        alice.press("/signin/tie", password=PASSWORD)
    assert alice.page.heading == "Audit log"
