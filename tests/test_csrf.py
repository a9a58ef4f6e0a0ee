"""Cross-site requests: every POST needs the session's own token and one of our own pages."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from db import db
from tests.conftest import addresses_of, install
from tests.person import PASSWORD, HttpsClient, Person, app_code, letters, mailed_code, text_of

Snapshot = Callable[[], dict[str, list[str]]]


FOREIGN = {"/help/unsubscribe/x"}
"""What takes a post without a token, from anywhere: tests/test_unsubscribe.py."""
BY_SSO = {
    "/signin/sso/x",
    "/signin/tie",
    "/signin/confirm/sso",
    "/signin/confirm/mail",
    "/security/first-password",
}
"""What only somebody who comes by SSO has a form for: tests/sso/test_https.py."""


class Posts:
    """Every POST of the product, each with a browser that may send it and fields that fit."""

    def __init__(self, app: Flask, carol: Person) -> None:
        self.app, self.carol = app, carol
        self.addresses = [
            a for m, a in addresses_of(app, **self.places) if m == "POST" and a not in FOREIGN
        ]

    places = {
        "filename": "onward.css",
        "view": "x",
        "kind": "codes",
        "device_id": "1",
        "account_id": "1",
    }

    def prepared(self, address: str) -> Iterator[tuple[Person, str, dict[str, str]]]:
        """Yield the browser, a token from before its sign-in, and the fields."""
        if address in {"/signin", "/signin/sso/x", "/signin/tie"}:
            person = Person(self.app, "bob@example.com")
            person.visit("/signin")
            yield person, "", {"email": person.email, "password": PASSWORD}
        elif address in {"/signin/code", "/signin/backup-code"}:
            person, earlier = self._signed_in("carol@example.com")
            right = app_code(self.carol.key) if "backup" not in address else self.carol.codes[0]
            yield person, earlier, {"code": right}
        elif address.startswith("/signin/backup-email"):
            person, earlier = self._signed_in("carol@example.com")
            yield person, earlier, {"code": "123456"}
        else:
            person, earlier = self._signed_in("bob@example.com")
            person.start()
            yield person, earlier, {"ticket": str(person.page.value("ticket"))}

    def _signed_in(self, email: str) -> tuple[Person, str]:
        person = Person(self.app, email)
        earlier = str(person.visit("/signin").value("csrf_token"))
        person.sign_in()
        return person, earlier

    def each(self) -> Iterator[tuple[str, Person, str, dict[str, str]]]:
        for address in self.addresses:
            for person, earlier, fields in self.prepared(address):
                yield address, person, earlier, fields


@pytest.fixture
def posts(app: Flask, carol: Person) -> Posts:
    found = Posts(app, carol)
    assert len(found.addresses) >= 12
    return found


def refused(
    person: Person, address: str, fields: dict[str, str], snapshot: Snapshot, **headers: str
) -> TestResponse:
    """Send a POST that must change nothing; return its answer."""
    before = snapshot()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = person.client.post(address, data=fields, headers=names)
    assert (address, snapshot()) == (address, before)
    return answer


def test_it_refuses_every_post_without_a_token(posts: Posts, snapshot: Snapshot) -> None:
    """S-130: HX-Request stands for nothing, because plain forms work too."""
    for address, person, _, fields in posts.each():
        for headers in ({}, {"HX_Request": "true"}):
            answer = refused(person, address, fields, snapshot, **headers)
            assert (address, answer.status_code) == (address, 400)
            assert "nothing was changed" in answer.text


def test_it_refuses_every_post_with_the_token_of_another_browser(
    app: Flask, posts: Posts, snapshot: Snapshot
) -> None:
    """S-130."""
    foreign = str(Person(app, "eve@example.com").visit("/signin").value("csrf_token"))
    for address, person, _, fields in posts.each():
        answer = refused(person, address, fields | {"csrf_token": foreign}, snapshot)
        assert (address, answer.status_code) == (address, 400)


def test_it_refuses_every_post_with_a_token_from_before_the_sign_in(
    posts: Posts, snapshot: Snapshot
) -> None:
    """S-130: whoever knew the token of the sign-in page knows nothing afterwards."""
    for address, person, earlier, fields in posts.each():
        if earlier:
            answer = refused(person, address, fields | {"csrf_token": earlier}, snapshot)
            assert (address, answer.status_code) == (address, 400)


ELSEWHERE = (
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "none"},
    {"Sec_Fetch_Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "null"},
    {"Origin": "https://evil.example"},
    {"Origin": "https://localhost"},
    {"Origin": "http://localhost:8080"},
)


def test_it_refuses_every_post_that_comes_from_elsewhere(posts: Posts, snapshot: Snapshot) -> None:
    """S-131: even with the right token."""
    for address, person, _, fields in posts.each():
        for headers in ELSEWHERE:
            sent = person.page.hidden() | fields
            answer = refused(person, address, sent, snapshot, **headers)
            assert (address, headers, answer.status_code) == (address, headers, 403)
            assert "Nothing was changed" in answer.text


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}, {}]
)
def test_it_takes_a_post_from_its_own_page(app: Flask, headers: dict[str, str]) -> None:
    person = Person(app, "bob@example.com")
    fields = person.visit("/signin").hidden() | {"email": person.email, "password": PASSWORD}

    answer = person.client.post("/signin", data=fields, headers=headers)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/security")


@pytest.mark.parametrize("htmx", [{}, {"HX-Request": "true"}], ids=["no script", "htmx"])
def test_a_token_in_the_address_counts_for_nothing(
    bob: Person, snapshot: Snapshot, htmx: dict[str, str]
) -> None:
    """S-141: a token belongs into the body of the form."""
    before = snapshot()
    token = bob.page.value("csrf_token")

    answer = bob.client.post(f"/signout?csrf_token={token}", headers=htmx)

    assert answer.status_code == 400
    assert snapshot() == before


def test_a_failed_check_at_sign_in_shows_the_form_again_with_a_token_that_works(
    app: Flask,
) -> None:
    person = Person(app, "bob@example.com")
    fields = {"email": person.email, "password": PASSWORD}

    person.show(person.post("/signin", fields | {"csrf_token": "from yesterday"}))

    assert (person.page.status, person.page.heading) == (400, "Sign in")
    assert "open for too long, so nothing was changed" in person.page.error
    assert PASSWORD not in person.page.text
    assert person.press("/signin", **fields).heading == "Two-factor authentication"


def test_a_failed_check_at_the_challenge_shows_the_form_again(app: Flask, carol: Person) -> None:
    carol.sign_in()
    code = app_code(carol.key)

    carol.show(carol.post("/signin/code", {"code": code}))
    assert (carol.page.status, carol.page.heading) == (400, "Enter your code")

    carol.press("/signin/code", code=code)
    assert carol.page.heading == "Two-factor authentication"


def test_a_sign_in_page_that_was_left_open_for_a_month_still_works(app: Flask) -> None:
    person = Person(app, "bob@example.com")
    person.visit("/signin")
    with time_machine.travel(datetime.now(UTC) + timedelta(days=30), tick=True):
        page = person.press("/signin", email=person.email, password=PASSWORD)

        assert page.heading == "Two-factor authentication"


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Flask]:
    """An application that the world opens by https."""
    app = install(tmp_path / "public", BASE_URL=HttpsClient.address)
    app.test_client_class = HttpsClient
    yield app
    with app.app_context():
        db.engine.dispose()


class Walker(Person):
    """Somebody whose forms and posts are noted."""

    def __init__(self, app: Flask, email: str) -> None:
        self.forms: set[str] = set()
        self.posted: set[str] = set()
        super().__init__(app, email)

    def visit(self, path: str, **headers: str) -> object:  # type: ignore[override]  # noted only
        page = super().visit(path, **headers)
        self._note()
        return page

    def post(self, path: str, data: dict[str, Any]) -> TestResponse:
        self._note()
        answer = super().post(path, data)
        self.posted.add(path)
        assert (path, answer.status_code in {200, 202, 204, 303, 422}) == (path, True), answer.text
        return answer

    def _note(self) -> None:
        for form in re.findall(r"<form method=\"post\".*?</form>", self.page.response.text, re.S):
            assert 'name="csrf_token" value="' in form
            found = re.search(r'action="([^"]+)"', form)
            assert found is not None
            self.forms.add(found[1])


def with_backup_codes(public: Flask, now: datetime) -> Walker:
    """Alice walks through every form that leads to backup codes and trusts two devices."""
    alice = Walker(public, "alice@example.com")
    alice.sign_in()
    alice.visit("/signin/confirm")
    alice.press("/signin/confirm", password=PASSWORD)
    alice.to_codes(now)
    alice.codes = alice.page.codes
    alice.post("/setup/backup-codes", alice.page.hidden())
    alice.next(saved="1")
    alice.sign_out()
    alice.sign_in()
    alice.press("/signin/code", code=app_code(alice.key, now, steps=1), trust="1")
    alice.visit("/security")
    alice.press("/security/devices/2/remove")
    alice.press("/security/devices/remove-all")
    alice.press("/security/sign-ins/1/end")
    alice.press("/security/sign-ins/end-others")
    alice.sign_out()
    alice.sign_in()
    alice.visit("/signin/backup-code")
    alice.press("/signin/backup-code", code=alice.codes[0])
    return alice


def with_backup_email(public: Flask, now: datetime) -> Walker:
    """Bob walks through every form that leads to a backup email, and leaves a set-up."""
    ask = ["organisation", "set", "Reading Room", "--enforcement"]
    assert public.test_cli_runner().invoke(args=[*ask, "soft"]).exit_code == 0
    bob = Walker(public, "bob@example.com")
    bob.sign_in()
    bob.press("/setup/not-now")
    assert public.test_cli_runner().invoke(args=[*ask, "off"]).exit_code == 0
    bob.start()
    bob.htmx = True
    bob.visit("/setup")
    bob.next()
    bob.press("/setup/resume", proof=bob.come_back())
    bob.say("gone")
    bob.post("/setup/leave", bob.page.hidden())
    bob.htmx = False
    bob.visit("/setup")
    bob.next()
    bob.key = bob.page.key
    bob.next()
    bob.next(code=app_code(bob.key, now))
    bob.next(way="email")
    bob.next(address="bob@home.example")
    bob.next(code=mailed_code(public))
    bob.sign_out()
    bob.sign_in()
    bob.visit("/signin/backup-email")
    bob.press("/signin/backup-email")
    bob.press("/signin/backup-email/code", code=mailed_code(public))
    return bob


OWN = "/security/organisations"


def with_passwords(public: Flask, bob: Walker) -> None:
    """Bob removes his address, turns two-factor off, and changes and forgets passwords."""
    bob.visit("/security/turn-off/email")
    bob.press("/security/turn-off/email")
    bob.press("/security/turn-off/email/code", code="000000")
    bob.press("/security/backup-email/remove")
    bob.visit("/security/turn-off")
    bob.press("/security/turn-off", code=app_code(bob.key, datetime.now(UTC), steps=1))
    bob.visit("/security/password")
    bob.press("/security/password", old=PASSWORD, new="another long sentence")
    bob.sign_out()
    bob.visit("/signin/forgot")
    bob.press("/signin/forgot", email=bob.email)
    link = re.search(r"/signin/reset/\S+", text_of(letters(public)[-1]))
    assert link is not None
    bob.visit(link[0])
    bob.press(link[0])
    bob.press("/signin/new-password", new=PASSWORD)
    bob.sign_in()


def with_requests(public: Flask, bob: Walker) -> None:
    """Two organisations ask Bob; he joins one."""
    for name, act in (("ada", "accept"), ("bea", "decline")):
        run = public.test_cli_runner().invoke
        assert run(args=["organisation", "add", f"Club of {name}"]).exit_code == 0
        owner = ["account", "add", f"{name}@example.com", "--name", name, "--role", "owner"]
        added = run(args=[*owner, "--organisation", f"Club of {name}"], input=PASSWORD + "\n")
        assert added.exit_code == 0, added.output
        asks = Walker(public, f"{name}@example.com")
        asks.sign_in()
        asks.set_up()
        asks.visit("/admin/people/add")
        asks.press("/admin/people/add", people="Bob, bob@example.com")
        bob.visit(OWN)
        found = re.search(rf"{OWN}/\d+/{act}", bob.page.text)
        assert found is not None
        bob.press(found[0])
        assert "asks you to join" not in bob.page.words


def plain(address: str) -> str:
    """Return an address without its numbers, tokens and query."""
    address = re.sub(r"(?<=/signin/reset/).*", "x", address.partition("?")[0])
    return re.sub(r"\d+", "2", address)


def with_administration(public: Flask, now: datetime) -> Walker:
    """Bob, an owner now, walks through every form of the administration; Alice is reset."""
    with public.app_context():
        db.session.execute(text("UPDATE memberships SET role = 'owner' WHERE account_id = 2"))
        db.session.execute(text("INSERT INTO memberships VALUES (1, 2, 'member', '2031-01-01')"))
        db.session.execute(text("UPDATE sign_ins SET proved_at = :now"), {"now": f"{now:%F %T}"})
        db.session.commit()
    bob = Walker(public, "bob@example.com")
    bob.sign_in()
    bob.visit("/signin/backup-email")
    bob.press("/signin/backup-email")
    bob.press("/signin/backup-email/code", code=mailed_code(public))
    for path in ("people", "people/1", "people/1/reset", "people/add", "progress", "audit"):
        bob.visit(f"/admin/{path}")
    bob.press("/admin/people/search", search="alice")
    bob.press("/admin/people.csv")
    bob.visit("/admin/audit")
    bob.press("/admin/audit/search", kind="sign-in")
    bob.press("/admin/audit.csv")
    bob.visit("/admin/people/add")
    bob.press("/admin/people/add", people="Erin, erin@example.com")
    with public.app_context():
        erin = db.session.scalar(text("SELECT max(id) FROM accounts"))
    bob.visit(f"/admin/people/{erin}")
    bob.press(f"/admin/people/{erin}/invite")
    bob.visit("/admin/people/remind")
    bob.press("/admin/people/remind")
    bob.visit("/admin/enforcement")
    bob.press("/admin/enforcement", level="off", hard_from="", grace_days="0")
    bob.press("/admin/enforcement/confirm", level="off", grace_days="0")
    bob.visit("/admin/people/1")
    for act in ("unlock", "disable", "enable"):
        bob.press(f"/admin/people/1/{act}")
    bob.press("/admin/people/1/role", role="admin")
    bob.visit("/admin/people/1/reset")
    bob.press("/admin/people/1/reset", reason="Lost the phone", once="1")
    code = re.search(r"(?:[A-Z2-9]{4} ){3}[A-Z2-9]{4}", bob.page.text)
    assert code is not None
    alice = Walker(public, "alice@example.com")
    alice.sign_in()
    alice.visit("/setup")
    alice.press("/signin/reset-code", code=code[0])
    assert alice.page.heading == "Get an authenticator app"
    bob.posted |= alice.posted
    bob.forms |= alice.forms
    return bob


def test_every_form_of_the_product_works_over_https(public: Flask) -> None:
    """Flask-WTF wants a Referer there, and the session cookie is a __Host- cookie."""
    now = datetime.now(UTC)
    alice, bob = with_backup_codes(public, now), with_backup_email(public, now)

    for person in (alice, bob):
        assert person.page.heading == "Two-factor authentication"
    places = Posts.places | {"device_id": "2"}
    admin = with_administration(public, now)
    with_passwords(public, bob)
    with_requests(public, bob)
    every = {a for m, a in addresses_of(public, **places) if m == "POST"}
    every -= FOREIGN | BY_SSO
    assert set(map(plain, alice.posted | bob.posted | admin.posted)) == set(map(plain, every))
    assert set(map(plain, alice.forms | bob.forms | admin.forms)) <= set(map(plain, every))


@pytest.mark.parametrize("referer", ["", "https://evil.example/", "http://sign-in.example.org/"])
def test_it_refuses_a_post_over_https_without_a_referer_of_ours(
    public: Flask, referer: str
) -> None:
    person = Person(public, "bob@example.com")
    fields = person.visit("/signin").hidden() | {"email": person.email, "password": PASSWORD}

    answer = person.client.post("/signin", data=fields, headers={"Referer": referer})

    assert answer.status_code == 400
    assert person.visit("/security").heading == "Sign in"
