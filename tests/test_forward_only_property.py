"""No sequence of acts activates a void secret or leaves anybody at a dead end.

A state machine over HTTP: start, next, right and wrong codes, Back, reload, a second
tab, leaving, replays, stale tickets, time passing, a second browser.
"""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import text

import clock
from db import db
from factors.totp import matching_step
from tests.conftest import add_person, install
from tests.person import Page, Person, app_code


class Machine(RuleBasedStateMachine):
    """One person with two browsers, who does everything in any order."""

    application: Flask
    people = 0
    finished = 0

    def __init__(self) -> None:
        super().__init__()
        Machine.people += 1
        self.name = f"person{Machine.people}"
        self.now = datetime.now(UTC)
        clock.source = lambda: self.now
        add_person(self.application, self.name, "Reading Room")
        self.browsers = [self.browser(htmx=True), self.browser(htmx=False)]
        self.one = self.browsers[0]
        self.tickets: list[str] = []
        self.secrets: list[tuple[str, str]] = []  # label and key of each secret shown
        self.is_on = False

    def browser(self, htmx: bool) -> Person:
        person = Person(self.application, f"{self.name}@example.com", htmx)
        person.sign_in()
        return person

    def teardown(self) -> None:
        """From every state a straight run succeeds."""
        if not self.is_on:
            self.now += timedelta(minutes=1)
            person = self.browser(htmx=Machine.people % 2 == 0)
            person.visit("/setup")
            for _ in range(3):
                if person.page.heading == "Scan the QR code":
                    break
                person.next()
            assert person.page.heading == "Scan the QR code", person.page.text
            assert person.page.label not in {label for label, _ in self.secrets}
            key = person.page.key
            person.next()
            person.next(code=app_code(key, self.now))
            person.next(way="codes")
            person.next(saved="1")
            assert person.page.heading == "Two-factor authentication is on", person.page.text
        Machine.finished += self.is_on
        clock.source = clock._system

    def note(self, page: Page) -> None:
        """Remember every ticket and secret that a page has shown."""
        assert page.status < 500, page.text
        if ticket := page.value("ticket"):
            self.tickets.append(ticket)
        if page.heading == "Scan the QR code":
            self.secrets.append((page.label, page.key))
            self.one.key = page.key
        if page.heading == "Two-factor authentication is on":
            self.is_on = True

    def send(self, **fields: str) -> None:
        if "csrf_token" in self.one.page.hidden():
            self.note(self.one.next(**fields))

    @rule(which=st.integers(0, 1))
    def take_the_other_browser(self, which: int) -> None:
        self.one = self.browsers[which]

    @rule()
    def load_the_page(self) -> None:
        self.note(self.one.visit("/setup"))

    @rule()
    def press_next(self) -> None:
        self.send(saved="1")

    @rule(way=st.sampled_from(["codes", "email"]))
    def choose(self, way: str) -> None:
        self.send(way=way)

    @rule()
    def type_the_right_code(self) -> None:
        if self.one.key:
            self.send(code=app_code(self.one.key, self.now))

    @rule(steps=st.integers(1, 5))
    def go_straight_on(self, steps: int) -> None:
        """Do what the page asks for, as most people do."""
        for _ in range(steps):
            heading = self.one.page.heading
            if heading in {"Sign in", "There is no page here", "Help", "This page is out of date"}:
                self.note(self.one.visit("/setup"))
            elif heading == "Enter the code from your app" and self.one.key:
                self.send(code=app_code(self.one.key, self.now))
            elif heading == "Add a backup way to sign in":
                self.send(way="codes")
            elif heading == "Two-factor authentication is on":
                return
            else:
                self.send(saved="1")

    @rule()
    def type_a_void_code(self) -> None:
        if len(self.secrets) > 1:
            self.send(code=app_code(self.secrets[0][1], self.now))

    @rule(code=st.sampled_from(["000000", "", "12345678", "abc"]))
    def type_a_wrong_code(self, code: str) -> None:
        self.send(code=code)

    @rule()
    def ask_for_a_new_code(self) -> None:
        self.send(act="again")

    @precondition(lambda self: self.tickets)
    @rule(back=st.integers(1, 4), saved=st.booleans())
    def post_an_older_ticket(self, back: int, saved: bool) -> None:
        ticket = self.tickets[-min(back, len(self.tickets))]
        token = self.one.page.value("csrf_token") or self.one.visit("/help").value("csrf_token")
        if token:
            fields = {"ticket": ticket, "csrf_token": token} | ({"saved": "1"} if saved else {})
            self.note(self.one.show(self.one.post("/setup", fields)))

    @precondition(lambda self: self.tickets)
    @rule(back=st.integers(1, 3))
    def leave(self, back: int) -> None:
        ticket = self.tickets[-min(back, len(self.tickets))]
        token = self.one.page.value("csrf_token")
        if token:
            sent = self.one.post("/setup/leave", {"ticket": ticket, "csrf_token": token})
            assert sent.status_code < 500

    @rule(minutes=st.sampled_from([0.5, 4, 9, 16]))
    def let_time_pass(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    @invariant()
    def at_most_one_secret_is_pending(self) -> None:
        query = (
            "SELECT count(*) FROM wizards JOIN accounts ON accounts.id = wizards.account_id "
            "WHERE email = :email AND sealed_secret IS NOT NULL"
        )
        assert self.scalar(query) <= 1

    @invariant()
    def it_is_on_exactly_if_a_finishing_post_was_accepted(self) -> None:
        query = (
            "SELECT count(*) FROM authenticators JOIN accounts "
            "ON accounts.id = authenticators.account_id WHERE email = :email"
        )
        assert self.scalar(query) == int(self.is_on)

    @invariant()
    def only_the_newest_secret_is_bound(self) -> None:
        if not self.is_on:
            return
        query = (
            "SELECT label FROM authenticators JOIN accounts "
            "ON accounts.id = authenticators.account_id WHERE email = :email"
        )
        assert self.scalar(query) == self.secrets[-1][0]
        assert matching_step(self.secrets[-1][1], app_code(self.secrets[-1][1], self.now), self.now)

    def scalar(self, query: str) -> Any:
        with self.application.app_context():
            return db.session.scalar(text(query), {"email": f"{self.name}@example.com"})


def test_it_is_forward_only_whatever_anybody_does() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Machine.application = install(Path(folder) / "instance")
        try:
            Machine.TestCase.settings = settings(
                max_examples=60,
                stateful_step_count=20,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            )
            Machine.TestCase("runTest").runTest()
            assert Machine.finished > 3  # the walk does reach the end, in between all else
        finally:
            clock.source = clock._system
            with Machine.application.app_context():
                db.engine.dispose()
