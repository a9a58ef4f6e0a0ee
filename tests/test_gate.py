"""The gate: nobody enters, or changes anything, beyond what their sign-in allows."""

import ast
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text

from accounts import gate
from accounts.gate import Verdict, verdict
from accounts.models import Account, Enforcement
from accounts.policy import Policy
from accounts.sign_in import SignIn
from accounts.visitor import Visitor
from db import db
from factors.authenticator import Authenticator
from factors.trusted_device import TrustedDevice
from tests.conftest import addresses_of
from tests.person import PASSWORD, Person, app_code

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]

ROOT = Path(__file__).parent.parent
HTMX = {"HX-Request": "true"}
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

FOR_EVERYBODY = {
    "/signin/forgot",
    "/signin/reset/x",
    "/signin/new-password",
    "/help/unsubscribe/x",
    "/signin/sso/x/callback",
    "/",
    "/signin",
    "/signout",
    "/help",
    "/health",
    "/health/ready",
    "/favicon.ico",
    "/static/onward.css",
}
LEAVE_FOR_SSO = {"/signin/sso/x", "/signin/tie"}
CHALLENGE = {
    "/signin/code",
    "/signin/another-way",
    "/signin/backup-code",
    "/signin/backup-email",
    "/signin/backup-email/code",
}
SET_UP = {
    "/setup",
    "/setup/codes",
    "/setup/required",
    "/setup/leave",
    "/setup/visibility",
    "/setup/resume",
    "/setup/backup-codes",
    "/signin/confirm",
    "/signin/reset-code",
    "/signin/confirm/mail",
    "/signin/confirm/sso",
}
"""What the design lets a sign-in enter that is not whole, written down apart from the gate."""


def nobody(app: Flask) -> Person:
    person = Person(app, "alice@example.com")
    person.visit("/signin")
    return person


def half(app: Flask) -> Person:
    person = Person(app, "carol@example.com")
    person.sign_in()
    assert person.page.heading == "Enter your code"
    return person


def must_set_up(app: Flask) -> Person:
    person = Person(app, "alice@example.com")
    person.sign_in()
    assert person.page.heading == "Set up two-factor authentication"
    return person


def spent(app: Flask) -> Person:
    """A browser that still holds the token from before a proof."""
    person = must_set_up(app)
    person.visit("/signin/confirm")
    cookie = person.client.get_cookie("onward")
    assert cookie is not None
    person.press("/signin/confirm", password=PASSWORD)
    person.client.set_cookie("onward", cookie.value)
    return person


STANDINGS = [
    pytest.param(nobody, FOR_EVERYBODY | LEAVE_FOR_SSO, "/signin", id="nobody"),
    pytest.param(
        half, FOR_EVERYBODY | LEAVE_FOR_SSO | CHALLENGE, "/signin/code", id="half a sign-in"
    ),
    pytest.param(
        must_set_up, FOR_EVERYBODY | LEAVE_FOR_SSO | SET_UP, "/setup/required", id="must set up"
    ),
    pytest.param(spent, FOR_EVERYBODY | LEAVE_FOR_SSO, "/signin", id="a spent token"),
]


@pytest.fixture
def world(app: Flask, carol: Person) -> dict[str, str]:
    """Things worth reaching: Carol's trusted device and secret, Bob's running set-up."""
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key), trust="1")
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.start()
    with app.app_context():
        view = db.session.scalar(text("SELECT view FROM wizards WHERE finished_at IS NULL"))
        device = db.session.scalar(text("SELECT max(id) FROM trusted_devices"))
    return {
        "view": str(view),
        "device_id": str(device),
        "ticket": str(bob.page.value("ticket")),
        "code": app_code(carol.key, steps=1),
        "backup": carol.codes[0],
        "kind": "codes",
        "account_id": "3",
        "filename": "onward.css",
    }


@pytest.mark.parametrize(("standing", "may_enter", "home"), STANDINGS)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["no script", "htmx"])
def test_it_lets_nobody_enter_or_change_what_their_sign_in_does_not_allow(
    app: Flask,
    world: dict[str, str],
    snapshot: Snapshot,
    standing: Callable[[Flask], Person],
    may_enter: set[str],
    home: str,
    headers: dict[str, str],
) -> None:
    """S-001, S-006: every rule and method, default deny."""
    person, before = standing(app), snapshot()
    fields = person.page.hidden() | world
    walked = [a for a in addresses_of(app, **world) if a[1] not in may_enter]
    if standing is must_set_up:
        # Their own wizard may be asked; another one's view is not theirs.
        walked = [a for a in walked if world["view"] not in a[1]]

    for method, address in walked:
        data = fields if method == "POST" else None
        answer = person.client.open(address, method=method, data=data, headers=headers)
        leads = answer.headers.get("HX-Redirect" if headers else "Location")
        expected = {401, 403} if headers else {303}
        assert (method, address, answer.status_code in expected) == (method, address, True)
        assert (method, address, leads) == (method, address, home)

    assert len(walked) > 20
    assert snapshot() == before


def test_somebody_elses_view_is_neither_shown_nor_touched(
    app: Flask, world: dict[str, str], snapshot: Snapshot
) -> None:
    person = must_set_up(app)
    before = snapshot()

    shown = person.client.get(f"/setup/view/{world['view']}")
    person.client.get(f"/setup/seen/{world['view']}.css")

    assert (shown.status_code, shown.headers["Location"]) == (303, "/setup")
    assert snapshot() == before


def test_a_method_that_no_page_has_changes_nothing(bob: Person, snapshot: Snapshot) -> None:
    before = snapshot()
    for method in ("PUT", "PATCH", "DELETE", "TRACE"):
        headers = {"Sec-Fetch-Site": "same-origin"}
        answer = bob.client.open("/security", method=method, headers=headers)
        assert answer.status_code == 405
    assert snapshot() == before


def test_its_lists_name_only_endpoints_that_exist(app: Flask) -> None:
    listed = set().union(*gate.LISTS.values()) | set(gate.HOME.values())
    assert listed - gate.GALLERY <= set(app.view_functions)
    assert set(gate.LISTS) | {Verdict.OPEN} == set(Verdict)


HARD = (Policy("Hartley & Sons", Enforcement.HARD, None, 0, AT),)


def visitor(
    *,
    second_at: datetime | None = None,
    has_app: bool = False,
    policies: tuple[Policy, ...] = (),
    first_at: datetime = AT,
    seen_at: datetime = AT,
    ended_at: datetime | None = None,
    is_spent: bool = False,
    device: TrustedDevice | None = None,
    sso: str = "",
) -> Visitor:
    """A visitor made of facts alone; by `sso` either "exempt" or "below" what is demanded."""
    account = Account(id=1, email="alice@example.com", password_at=AT - timedelta(days=9))
    sign_in = SignIn(first_at=first_at, seen_at=seen_at, ended_at=ended_at, second_at=second_at)
    sign_in.first_factor, sign_in.provider_id = ("sso", "example") if sso else ("password", None)
    sign_in.exempt_at = first_at if sso == "exempt" else None
    authenticator = Authenticator(id=7, account_id=1) if has_app else None
    return Visitor(sign_in, account, authenticator, device, policies, "token", is_spent)


def trusted(days_ago: float, authenticator_id: int = 7) -> TrustedDevice:
    since = AT - timedelta(days=days_ago)
    return TrustedDevice(trusted_at=since, known_at=since, authenticator_id=authenticator_id)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, Verdict.ANONYMOUS),
        (visitor(), Verdict.OPEN),
        (visitor(policies=HARD), Verdict.SET_UP),
        (visitor(has_app=True), Verdict.CHALLENGE),
        (visitor(has_app=True, policies=HARD), Verdict.CHALLENGE),
        (visitor(has_app=True, second_at=AT), Verdict.OPEN),
        (visitor(has_app=True, second_at=AT, policies=HARD), Verdict.OPEN),
        (visitor(second_at=AT, policies=HARD), Verdict.SET_UP),
        (visitor(is_spent=True), Verdict.REPLAY),
        (visitor(is_spent=True, has_app=True, second_at=AT), Verdict.REPLAY),
        (visitor(ended_at=AT), Verdict.ANONYMOUS),
        (visitor(ended_at=AT, is_spent=True), Verdict.ANONYMOUS),
        (visitor(seen_at=AT - timedelta(minutes=59, seconds=59)), Verdict.OPEN),
        (visitor(seen_at=AT - timedelta(hours=1)), Verdict.ANONYMOUS),
        (visitor(first_at=AT - timedelta(hours=23, minutes=59)), Verdict.OPEN),
        (visitor(first_at=AT - timedelta(hours=24)), Verdict.ANONYMOUS),
        (visitor(has_app=True, first_at=AT - timedelta(seconds=599)), Verdict.CHALLENGE),
        (visitor(has_app=True, first_at=AT - timedelta(minutes=10)), Verdict.ANONYMOUS),
        (visitor(has_app=True, device=trusted(1)), Verdict.OPEN),
        (visitor(has_app=True, device=trusted(8.9)), Verdict.OPEN),
        (visitor(has_app=True, device=trusted(9.1)), Verdict.CHALLENGE),
        (visitor(has_app=True, device=trusted(1, authenticator_id=6)), Verdict.CHALLENGE),
        (visitor(has_app=True, device=TrustedDevice(trusted_at=None)), Verdict.CHALLENGE),
        (visitor(sso="exempt"), Verdict.OPEN),
        (visitor(sso="exempt", policies=HARD), Verdict.OPEN),
        (visitor(sso="exempt", has_app=True), Verdict.OPEN),
        (visitor(sso="exempt", has_app=True, policies=HARD), Verdict.OPEN),
        (visitor(sso="exempt", has_app=True, second_at=AT), Verdict.OPEN),
        (visitor(sso="exempt", is_spent=True), Verdict.REPLAY),
        (visitor(sso="exempt", ended_at=AT), Verdict.ANONYMOUS),
        (visitor(sso="exempt", seen_at=AT - timedelta(hours=1)), Verdict.ANONYMOUS),
        (visitor(sso="exempt", first_at=AT - timedelta(hours=24)), Verdict.ANONYMOUS),
        (visitor(sso="below"), Verdict.OPEN),
        (visitor(sso="below", policies=HARD), Verdict.SET_UP),
        (visitor(sso="below", has_app=True), Verdict.CHALLENGE),
        (visitor(sso="below", has_app=True, policies=HARD), Verdict.CHALLENGE),
        (visitor(sso="below", has_app=True, second_at=AT), Verdict.OPEN),
        (visitor(sso="below", has_app=True, device=trusted(1)), Verdict.OPEN),
        (visitor(sso="below", has_app=True, device=trusted(9.1)), Verdict.CHALLENGE),
        (visitor(sso="below", is_spent=True), Verdict.REPLAY),
        (
            visitor(sso="below", has_app=True, first_at=AT - timedelta(minutes=10)),
            Verdict.ANONYMOUS,
        ),
    ],
)
def test_its_verdict_follows_from_dated_facts_alone(
    found: Visitor | None, expected: Verdict
) -> None:
    """S-005, S-119: also a sign-in that waits too long, or is idle or old, is nobody's."""
    assert verdict(found, AT) is expected


def test_a_disabled_person_is_nobody_at_the_next_request(app: Flask, bob: Person) -> None:
    assert bob.visit("/security").heading == "Two-factor authentication"

    change(app, "UPDATE accounts SET disabled_at = '2026-01-01' WHERE email = 'bob@example.com'")

    assert bob.visit("/security").heading == "Sign in"
    assert bob.sign_in().error == "That email and password do not match."


def change(app: Flask, statement: str) -> None:
    """Change the database beside the running application."""
    with app.app_context():
        db.session.execute(text(statement))
        db.session.commit()


def test_setting_up_in_one_browser_ends_the_other_ones_sign_in(app: Flask, bob: Person) -> None:
    """S-008: the state is read from the database on each request."""
    other = Person(app, "bob@example.com")
    other.sign_in()
    assert other.visit("/security").heading == "Two-factor authentication"

    bob.set_up()

    assert other.visit("/security").heading == "Sign in"
    other.sign_in()
    assert other.page.heading == "Enter your code"
    assert bob.visit("/security").heading == "Two-factor authentication"


def test_an_app_bound_elsewhere_gates_a_live_sign_in_at_its_next_request(
    app: Flask, bob: Person, carol: Person
) -> None:
    """S-008: nothing in the cookie says that no second factor is due."""
    change(app, "UPDATE authenticators SET account_id = 2")

    assert bob.visit("/security").heading == "Enter your code"


def test_enforcement_reaches_live_sign_ins_at_their_next_request(app: Flask, bob: Person) -> None:
    """S-011."""
    assert bob.visit("/").heading == "Two-factor authentication"

    change(app, "UPDATE organisations SET enforcement = 'hard'")
    assert bob.visit("/security").heading == "Set up two-factor authentication"
    assert "Reading Room asks everyone for this" in bob.page.text

    change(app, "UPDATE organisations SET enforcement = 'off'")
    assert bob.visit("/security").heading == "Two-factor authentication"


def test_joining_an_organisation_that_enforces_counts_at_the_next_request(
    app: Flask, bob: Person
) -> None:
    """S-011."""
    change(app, "UPDATE memberships SET organisation_id = 1")

    assert bob.visit("/security").heading == "Set up two-factor authentication"


def nodes_of_functions() -> Iterator[tuple[str, ast.AST]]:
    """Every part of every function of the product, with where it stands."""
    for file in sorted(ROOT.glob("*.py")) + sorted(ROOT.glob("[a-z]*/*.py")):
        if file.parent.name in {"tests", "migrations"}:
            continue
        for outer in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(outer, ast.FunctionDef):
                for node in ast.walk(outer):
                    yield f"{file.relative_to(ROOT)}:{outer.name}", node


def writers_of(fact: str) -> Iterator[str]:
    """Every function of the product that sets `fact`, by attribute or by keyword."""
    for where, node in nodes_of_functions():
        sets = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if (sets and node.attr == fact) or (  # type: ignore[attr-defined]  # an Attribute
            isinstance(node, ast.keyword) and node.arg == fact
        ):
            yield where


def callers_of(method: str) -> Iterator[str]:
    """Every function of the product that calls a method of this name."""
    for where, node in nodes_of_functions():
        call = node.func if isinstance(node, ast.Call) else None
        if isinstance(call, ast.Attribute) and call.attr == method:
            yield where


def test_exactly_one_place_writes_that_the_second_factor_was_passed() -> None:
    """S-002: at the challenge, at the end of a set-up, or by a proof in a whole sign-in."""
    assert set(writers_of("second_at")) == {"accounts/sign_in.py:give_second"}
    assert set(writers_of("second_factor")) == {"accounts/sign_in.py:give_second"}
    assert set(callers_of("give_second")) == {
        "accounts/proof.py:by_code",
        "accounts/sign_in.py:pass_second",
    }
    assert set(callers_of("pass_second")) == {
        "accounts/second_factor.py:complete",
        "wizard/finish.py:_bind",
    }


def test_one_place_makes_a_sign_in_and_only_sso_exempts_one() -> None:
    """S-002, S-182: by password and by SSO it is the same function."""
    assert set(writers_of("first_at")) == {"accounts/entering.py:begin"}
    assert set(writers_of("exempt_at")) == {
        "accounts/sso_link.py:finish_tie",
        "accounts/sso_entry.py:_ask_to_tie",
        "accounts/sso_entry.py:_admit",
    }
    assert set(writers_of("demand_met_at")) == {
        "accounts/sso_link.py:finish_tie",
        "accounts/sso_entry.py:_ask_to_tie",
        "accounts/sso_entry.py:_admit",
        "accounts/sso_entry.py:_prove",
    }


def test_a_right_code_without_a_sign_in_opens_nothing(
    app: Flask, carol: Person, snapshot: Snapshot
) -> None:
    """S-003: the second factor alone never signs in."""
    stranger, before = nobody(app), snapshot()

    page = stranger.press("/signin/code", code=app_code(carol.key))

    assert page.heading == "Sign in"
    assert snapshot() == before


def test_a_right_code_beside_a_wrong_password_opens_nothing(app: Flask, carol: Person) -> None:
    """S-003."""
    stranger = nobody(app)
    code = app_code(carol.key)

    stranger.press("/signin", email="carol@example.com", password="wrong", code=code)

    assert stranger.page.error == "That email and password do not match."
    assert stranger.visit("/security").heading == "Sign in"


def test_a_sign_in_that_waits_too_long_for_its_code_is_over(
    app: Flask, carol: Person, rows: Rows
) -> None:
    """S-005: ten minutes, and the right code opens nothing."""
    later = datetime.now(UTC) + timedelta(minutes=10, seconds=1)
    person = half(app)
    with time_machine.travel(later, tick=True):
        page = person.press("/signin/code", code=app_code(carol.key))

        assert page.heading == "Sign in"
    assert rows("SELECT count(*) FROM sign_ins WHERE second_factor = 'app' AND id > 1") == [(0,)]


def test_it_keeps_a_half_sign_in_when_the_sign_in_page_is_opened(app: Flask, carol: Person) -> None:
    person = half(app)
    assert person.visit("/signin").heading == "Sign in"
    person.visit("/signin/code")
    assert person.press("/signin/code", code=app_code(carol.key)).status == 200
    assert person.page.heading == "Two-factor authentication"


def test_somebody_signed_in_fully_has_no_use_for_the_sign_in_pages(
    bob: Person, snapshot: Snapshot
) -> None:
    before = snapshot()
    for address in sorted(CHALLENGE | {"/signin"}):
        answer = bob.client.get(address)
        assert (address, answer.headers.get("Location")) == (address, "/security")
    assert snapshot() == before
