"""Signing in by email and password: who gets in, what the cookie holds, how long it lasts."""

import base64
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

import pytest
import time_machine
from argon2 import low_level
from flask import Flask
from sqlalchemy import text

import web
from db import db
from tests.conftest import NOON
from tests.person import PASSWORD, Page, Person, app_code

Rows = Callable[[str], list[tuple[object, ...]]]
PAIR = "That email and password do not match."


@pytest.fixture
def visitor(app: Flask) -> Person:
    """Somebody at the sign-in page whose address is Bob's."""
    person = Person(app, "bob@example.com")
    person.visit("/signin")
    return person


def run(app: Flask, statement: str) -> None:
    """Change the database beside the application."""
    with app.app_context():
        db.session.execute(text(statement))
        db.session.commit()


def in_cookie(person: Person) -> dict[str, Any]:
    """Return what anybody can read in the session cookie."""
    cookie = person.client.get_cookie("onward")
    assert cookie is not None
    body = cookie.value.lstrip(".").split(".")[0]
    raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    plain = zlib.decompress(raw) if cookie.value.startswith(".") else raw
    return dict(json.loads(plain))


def copy_of(person: Person) -> Person:
    """Return another browser that holds a copy of the person's session cookie."""
    cookie = person.client.get_cookie("onward")
    assert cookie is not None
    thief = Person(person.app, person.email)
    thief.client.set_cookie("onward", cookie.value)
    return thief


def wrong(person: Person, times: int = 1) -> list[int]:
    """Try wrong passwords; return the statuses of the answers."""
    person.visit("/signin")
    form = person.page.hidden() | {"email": person.email, "password": "wrong password"}
    return [person.post("/signin", form).status_code for _ in range(times)]


# Who gets in


@pytest.mark.parametrize(
    "typed", ["bob@example.com", "  BOB@Example.COM. ", "\uff42ob@example.com"]
)
def test_it_lets_in_whoever_has_the_right_pair(visitor: Person, rows: Rows, typed: str) -> None:
    """S-073: an address has one form, however it is typed."""
    page = visitor.press("/signin", email=typed, password=PASSWORD)
    assert page.heading == "Two-factor authentication"
    assert rows("SELECT account_id, first_factor, second_at FROM sign_ins") == [
        (2, "password", None)
    ]


WRONG_PAIRS: dict[str, dict[str, Any]] = {
    "wrong password": {"email": "bob@example.com", "password": "wrong password"},
    "password of another case": {"email": "bob@example.com", "password": PASSWORD.upper()},
    "password cut short": {"email": "bob@example.com", "password": PASSWORD[:-1]},
    "unknown address": {"email": "nobody@example.com", "password": PASSWORD},
    "no address": {"email": "bob", "password": PASSWORD},
    "disabled": {"email": "alice@example.com", "password": PASSWORD},
    "nothing": {},
    "empty": {"email": "", "password": ""},
    "empty password": {"email": "bob@example.com", "password": ""},
    "two passwords": {"email": "bob@example.com", "password": [PASSWORD, PASSWORD]},
    "two addresses": {"email": ["bob@example.com", "bob@example.com"], "password": PASSWORD},
    "endless password": {"email": "bob@example.com", "password": PASSWORD + "x" * 10_000},
    "dotless i": {"email": "al\u0131ce@example.com", "password": PASSWORD},
}


@pytest.mark.parametrize("fields", WRONG_PAIRS.values(), ids=WRONG_PAIRS)
def test_it_says_the_same_for_every_wrong_pair(
    visitor: Person, rows: Rows, fields: dict[str, Any]
) -> None:
    """S-007, S-141, S-152: nothing tells which half was wrong."""
    run(visitor.app, "UPDATE accounts SET disabled_at = created_at WHERE id = 1")

    page = visitor.press("/signin", **fields)

    assert (page.status, page.error, page.heading) == (422, PAIR, "Sign in")
    assert rows("SELECT count(*) FROM sign_ins") == [(0,)]
    assert visitor.visit("/security").heading == "Sign in"


@pytest.mark.parametrize("body", [{"email": "bob@example.com", "password": PASSWORD}, True, []])
def test_it_reads_no_json(visitor: Person, rows: Rows, body: object) -> None:
    """S-007, S-141: a form's body and nothing else."""
    token = visitor.page.hidden()["csrf_token"]
    answer = visitor.client.post("/signin", json=body, headers={"X-CSRFToken": token})
    assert (answer.status_code, Page(answer).error) == (422, PAIR)
    assert rows("SELECT count(*) FROM sign_ins") == [(0,)]


def test_it_reads_no_password_in_the_address(visitor: Person, rows: Rows) -> None:
    """S-141."""
    path = f"/signin?email=bob@example.com&password={PASSWORD}"
    assert visitor.press(path).status == 422
    assert rows("SELECT count(*) FROM sign_ins") == [(0,)]


def test_the_page_for_an_unknown_address_is_the_page_for_a_known_one(app: Flask) -> None:
    """S-152: the two answers differ in the typed address and the CSRF value alone."""
    answers = []
    for email in ("bob@example.com", "nobody@example.com"):
        person = Person(app, email)
        answer = person.sign_in("wrong password").response
        body = answer.text.replace(email, "EMAIL")
        body = re.sub(r'(name="csrf_token" value=)"[^"]+"', r"\1", body)
        names = sorted(name for name, _ in answer.headers if name != "Content-Length")
        answers.append((answer.status_code, names, body))
    assert answers[0] == answers[1]


@contextmanager
def verified() -> Iterator[list[str]]:
    """Note with which costs argon2 is run; the code that runs is the product's own."""
    costs: list[str] = []

    def note(frame: FrameType, happens: str, _: object) -> None:
        if happens == "call" and frame.f_code is low_level.verify_secret.__code__:
            stored = frame.f_locals["hash"].decode()
            costs.append(stored[: stored.rindex("p=")])

    sys.setprofile(note)
    try:
        yield costs
    finally:
        sys.setprofile(None)


def test_it_hashes_for_an_unknown_address_as_for_a_known_one(app: Flask) -> None:
    """S-152: by counting the hashes and their costs, not by a clock."""
    costs = []
    for email in ("bob@example.com", "nobody@example.com", "no address", ""):
        person = Person(app, email)
        with verified() as ran:
            person.sign_in("wrong password")
        costs.append(ran)
    assert costs == [["$argon2id$v=19$m=8,t=1,"]] * 4


# The cookie


def test_the_cookie_holds_the_token_and_the_csrf_value_alone(bob: Person, rows: Rows) -> None:
    """S-110: of the token the database knows a hash only."""
    held = in_cookie(bob)
    assert set(held) == {"_user_id", "csrf_token"}
    assert len(held["_user_id"]) >= 43  # 256 bits
    assert rows(f"SELECT count(*) FROM sign_ins WHERE token_hash = '{held['_user_id']}'") == [(0,)]


def test_before_the_sign_in_the_cookie_holds_where_one_wanted_to_go(app: Flask) -> None:
    person = Person(app, "bob@example.com")
    person.visit("/security?a=1")
    assert set(in_cookie(person)) == {"csrf_token", "next"}
    assert in_cookie(person)["next"] == "/security?a=1"


def test_each_level_gets_a_new_cookie_and_the_older_one_is_dead(app: Flask, carol: Person) -> None:
    """S-111, S-092: also a copy of the older one is worth nothing."""
    carol.visit("/signin")
    before, token_before = copy_of(carol), in_cookie(carol)["csrf_token"]
    carol.press("/signin", email=carol.email, password=PASSWORD)
    half, held = copy_of(carol), in_cookie(carol)
    assert held["csrf_token"] != token_before
    carol.press("/signin/code", code=app_code(carol.key))

    assert carol.page.heading == "Two-factor authentication"
    assert in_cookie(carol)["_user_id"] != held["_user_id"]
    for old in (before, half):
        assert old.visit("/security").heading == "Sign in"
    assert half.visit("/signin/code").heading == "Sign in"


def test_a_token_that_the_server_never_gave_is_not_adopted(app: Flask, rows: Rows) -> None:
    """S-113: neither an invented cookie nor a signed one without a row."""
    person = Person(app, "bob@example.com")
    person.client.set_cookie("onward", "invented")
    assert person.visit("/security").heading == "Sign in"
    person.sign_in()
    run(app, "DELETE FROM events")
    run(app, "DELETE FROM sign_ins")
    assert person.visit("/security").heading == "Sign in"
    assert rows("SELECT count(*) FROM sign_ins") == [(0,)]


def test_two_cookies_of_one_name_are_nobody(bob: Person) -> None:
    """S-113."""
    cookie = bob.client.get_cookie("onward")
    assert cookie is not None
    client = bob.app.test_client(use_cookies=False)
    one, two = f"onward={cookie.value}", "onward=tossed"
    assert client.get("/security", headers={"Cookie": one}).status_code == 200
    for both in (f"{one}; {two}", f"{two}; {one}", f"{one}; {one}"):
        answer = client.get("/security", headers={"Cookie": both})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/signin")


def test_there_is_no_cookie_that_remembers_a_sign_in(visitor: Person) -> None:
    """S-115."""
    page = visitor.press(
        "/signin", email=visitor.email, password=PASSWORD, remember="on", remember_me="on"
    )
    assert page.heading == "Two-factor authentication"
    visitor.client.delete_cookie("onward")
    assert visitor.visit("/security").heading == "Sign in"
    assert visitor.client.get_cookie("remember_token") is None


# Where it leads


def test_it_leads_where_one_wanted_to_go(app: Flask) -> None:
    person = Person(app, "bob@example.com")
    person.visit("/security?from=mail")
    answer = person.post(
        "/signin", person.page.hidden() | {"email": person.email, "password": PASSWORD}
    )
    assert answer.headers["Location"] == "/security?from=mail"


@pytest.mark.parametrize(
    "path",
    ["/setup", "/setup/codes", "/setup/required", "/signin/code", "/signin/confirm", "/signout"],
)
def test_it_never_leads_into_the_wizard_or_to_an_act(app: Flask, path: str) -> None:
    """S-150."""
    person = Person(app, "bob@example.com")
    person.visit(path)
    person.visit("/signin")
    assert "next" not in in_cookie(person)
    form = person.page.hidden() | {"email": person.email, "password": PASSWORD}
    assert person.post("/signin", form).headers["Location"] == "/security"


ELSEWHERE = [
    "//e",
    "///e",
    "/\\e",
    "\\/e",
    "\\\\e",
    "/%09/e",
    "/\t/e",
    "/\r\n/e",
    "/\x00/e",
    "https:e",
    "https://e",
    "javascript:alert(1)",
    "e.test",
    "",
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_a_path_of_ours_is_a_plain_one(target: str) -> None:
    """S-150."""
    assert not web.is_safe_path(target)
    assert web.is_safe_path("/security?from=mail")


@pytest.mark.parametrize("target", ["//e", "/\\e", "https://e", ""])
def test_where_one_wanted_to_go_is_checked_again_when_it_is_used(
    carol: Person, target: str
) -> None:
    """S-150: even a target that came into the database in some other way leads nowhere."""
    carol.sign_in()
    with carol.app.app_context():
        db.session.execute(
            text("UPDATE sign_ins SET next_path = :path WHERE ended_at IS NULL"), {"path": target}
        )
        db.session.commit()

    code = app_code(carol.key)
    answer = carol.post("/signin/code", carol.page.hidden() | {"code": code})

    assert (answer.status_code, answer.headers["Location"]) == (303, "/security")


@pytest.mark.parametrize("field", ["next", "target", "url"])
def test_no_field_says_where_to_go(visitor: Person, field: str) -> None:
    """S-150: `next` is kept by the server, never in a form or an address."""
    form = visitor.page.hidden() | {"email": visitor.email, "password": PASSWORD, field: "/help"}
    answer = visitor.post(f"/signin?{field}=/help", form)
    assert answer.headers["Location"] == "/security"


# How it ends


def test_signing_out_also_ends_a_half_sign_in(carol: Person, rows: Rows) -> None:
    """S-010."""
    carol.sign_in()
    kept = copy_of(carol)
    carol.sign_out()

    assert kept.visit("/signin/code").heading == "Sign in"
    answer = kept.post("/signin/code", kept.page.hidden() | {"code": app_code(carol.key)})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/signin")
    assert rows("SELECT count(*) FROM sign_ins WHERE ended_at IS NULL") == [(0,)]


def test_a_cookie_kept_from_before_signing_out_is_dead(bob: Person) -> None:
    """S-110."""
    kept = copy_of(bob)
    bob.sign_out()
    assert kept.visit("/security").heading == "Sign in"


def test_it_ends_after_an_hour_without_a_request(app: Flask) -> None:
    """S-119."""
    person = Person(app, "bob@example.com")
    with time_machine.travel(NOON, tick=False) as now:
        person.sign_in()
        for minutes in (59, 59):
            now.shift(timedelta(minutes=minutes))
            assert person.visit("/security").heading == "Two-factor authentication"
        now.shift(timedelta(minutes=60))
        assert person.visit("/security").heading == "Sign in"


def test_it_ends_after_a_day_however_busy(app: Flask) -> None:
    """S-119."""
    person = Person(app, "bob@example.com")
    with time_machine.travel(NOON, tick=False) as now:
        person.sign_in()
        for _ in range(28):
            now.shift(timedelta(minutes=50))
            person.visit("/security")
        assert person.page.heading == "Two-factor authentication"
        now.move_to(NOON + timedelta(hours=24) - timedelta(seconds=1))
        assert person.visit("/security").heading == "Two-factor authentication"
        now.shift(timedelta(seconds=1))
        assert person.visit("/security").heading == "Sign in"


# Wrong passwords


def test_twenty_wrong_passwords_are_free_then_waits_grow(app: Flask, rows: Rows) -> None:
    """S-098: 30 seconds, doubling to 15 minutes, and never a lock."""
    owner = Person(app, "bob@example.com")
    with time_machine.travel(NOON, tick=False) as now:
        assert wrong(owner, 20) == [422] * 20
        waits = []
        for _ in range(7):
            assert wrong(owner) == [422]
            waits.append(_wait_of(owner))
            now.shift(waits[-1])
        assert [wait.total_seconds() for wait in waits] == [30, 60, 120, 240, 480, 900, 900]
        assert owner.sign_in().heading == "Two-factor authentication"
    assert rows("SELECT failures FROM password_tries WHERE failures > 0") == []


def _wait_of(owner: Person) -> timedelta:
    """Return how long the page says that one must wait."""
    page = owner.sign_in()
    assert page.status == 429
    assert page.error.startswith("Too many tries. Wait until ")
    found = re.search(r'<div class="alert".*?<time datetime="([^"]+)"', page.response.text, re.S)
    assert found
    return datetime.fromisoformat(found.group(1)) - datetime.now(UTC)


def test_no_password_is_read_while_one_has_to_wait(app: Flask, rows: Rows) -> None:
    """S-098: not even the right one, which costs no hash and begins nothing."""
    owner = Person(app, "bob@example.com")
    with time_machine.travel(NOON, tick=False) as now:
        wrong(owner, 21)
        before = rows("SELECT failures, wait_until FROM password_tries")
        now.shift(timedelta(seconds=29))
        with verified() as ran:
            owner.sign_in()
        assert owner.page.status == 429
        assert ran == []
        assert rows("SELECT failures, wait_until FROM password_tries") == before
        assert rows("SELECT count(*) FROM sign_ins") == [(0,)]
        now.shift(timedelta(seconds=1))
        assert owner.sign_in().heading == "Two-factor authentication"


def test_wrong_passwords_are_forgotten_after_a_quarter_of_an_hour(app: Flask) -> None:
    owner = Person(app, "bob@example.com")
    with time_machine.travel(NOON, tick=False) as now:
        wrong(owner, 20)
        now.shift(timedelta(minutes=15, seconds=1))
        assert wrong(owner, 20) == [422] * 20
        assert owner.sign_in().heading == "Two-factor authentication"


def test_a_browser_that_is_known_signs_in_whatever_strangers_try(bob: Person) -> None:
    """S-098: OWASP's device cookie."""
    bob.sign_out()
    stranger = Person(bob.app, bob.email)
    stranger.client.set_cookie("device", "invented")
    assert wrong(stranger, 25)[-1] == 429
    assert stranger.sign_in().status == 429

    assert bob.sign_in().heading == "Two-factor authentication"


def test_a_known_browser_has_twenty_tries_of_its_own(bob: Person) -> None:
    """S-098: its cookie is no key to endless guessing, and only its own account's."""
    bob.sign_out()
    assert wrong(bob, 22) == [422] * 21 + [429]
    assert Person(bob.app, bob.email).sign_in().heading == "Two-factor authentication"
    bob.email = "carol@example.com"
    assert wrong(bob, 22) == [422] * 21 + [429]
    assert Person(bob.app, "carol@example.com").sign_in().status == 429


def test_tries_for_an_address_that_nobody_has_are_counted_alike(app: Flask) -> None:
    """S-098, S-152: waits tell nothing."""
    statuses = [wrong(Person(app, f"{name}@example.com"), 23) for name in ("bob", "nobody")]
    assert statuses[0] == statuses[1] == [422] * 21 + [429] * 2


def test_every_form_of_an_address_counts_for_one_person(app: Flask) -> None:
    """S-096."""
    for form in ("bob@example.com", "BOB@example.com", " bob@EXAMPLE.com. "):
        wrong(Person(app, form), 7)
    assert Person(app, "bob@example.com").sign_in().status == 429
    assert wrong(Person(app, "carol@example.com")) == [422]


def test_a_long_password_is_read_to_its_last_character(app: Flask) -> None:
    """S-190: nothing is cut off at 72 bytes or anywhere else."""
    long = "correct horse battery staple " * 4
    added = app.test_cli_runner().invoke(
        args=["account", "add", "dave@example.com", "--name", "Dave"], input=f"{long}a\n"
    )
    assert added.exit_code == 0, added.output
    dave = Person(app, "dave@example.com")

    assert dave.sign_in(f"{long}b").heading == "Sign in"
    assert dave.sign_in(f"{long}a").heading == "Two-factor authentication"
