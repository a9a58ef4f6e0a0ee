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
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import text

import clock
from accounts.models import record_label
from db import db
from tests.conftest import add_person, install
from tests.person import Page, Person, app_code

STATE = (
    "SELECT max(wizards.id * 100000 + turn * 10 + (voided_at IS NULL)) FROM wizards "
    "JOIN accounts ON accounts.id = wizards.account_id WHERE email = :email"
)
"""The newest set-up, its turn, and whether it lives, as one number."""


class Machine(RuleBasedStateMachine):
    """One person with two browsers, who does everything in any order."""

    application: Flask
    people = 0
    finished = 0

    def __init__(self) -> None:
        super().__init__()
        self.be_somebody_new()

    def be_somebody_new(self) -> None:
        Machine.people += 1
        self.name = f"person{Machine.people}"
        self.now = datetime.now(UTC)
        clock.source = lambda: self.now
        add_person(self.application, self.name, "Reading Room")
        self.browsers = [self.browser(htmx=True), self.browser(htmx=False)]
        self.one = self.browsers[0]
        self.tickets: list[str] = []
        self.secrets: dict[str, str] = {}  # the key of each secret shown, by its label
        self.is_on = False
        self.void: dict[Any, Any] = {}  # each void set-up as it was when first seen

    def browser(self, htmx: bool) -> Person:
        person = Person(self.application, f"{self.name}@example.com", htmx)
        person.sign_in()
        return person

    def teardown(self) -> None:
        """From every state a straight run succeeds; then only the newest secret counts."""
        self.now += timedelta(minutes=1)
        if self.is_on:
            Machine.finished += 1
        else:
            self.run_straight_on()
        self.now += timedelta(minutes=1)
        self.sign_in_with_every_secret()
        clock.source = clock._system

    @precondition(lambda self: self.is_on)
    @rule(steps=st.integers(1, 4))
    def go_on_as_somebody_new(self, steps: int) -> None:
        self.teardown()
        self.be_somebody_new()
        self.go_straight_on(steps)

    def run_straight_on(self) -> None:
        person = self.browser(htmx=Machine.people % 2 == 0)
        person.visit("/setup")
        for _ in range(3):
            if person.page.heading == "Scan the QR code":
                break
            person.next()
        assert person.page.heading == "Scan the QR code", person.page.text
        assert person.page.label == record_label(person.email, len(self.secrets) + 1)
        self.secrets[person.page.label] = key = person.page.key
        person.next()
        person.next(code=app_code(key, self.now))
        person.next(way="codes")
        person.next(saved="1")
        assert person.page.heading == "Two-factor authentication is on", person.page.text

    def sign_in_with_every_secret(self) -> None:
        """Codes of void secrets are refused, the newest secret's is accepted."""
        *void, bound = self.secrets.values()
        person = self.browser(htmx=False)
        assert person.page.heading == "Enter your code"
        for key in void[-3:]:  # a fifth wrong code would pause the account
            code = app_code(key, self.now)
            assert person.press("/signin/code", code=code).status == 422
        person.press("/signin/code", code=app_code(bound, self.now))
        assert person.page.heading == "Two-factor authentication"
        assert person.page.status == 200

    def note(self, page: Page) -> None:
        """Remember every ticket and secret that a page has shown."""
        assert page.status < 500, page.text
        ticket = page.value("ticket")
        if ticket and ticket not in self.tickets:
            self.tickets.append(ticket)
        if page.heading == "Scan the QR code":
            assert self.secrets.get(page.label, page.key) == page.key
            self.secrets[page.label] = page.key
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

    @precondition(lambda self: self.one.page.value("ticket"))
    @rule(way=st.sampled_from(["codes", "email"]))
    def choose(self, way: str) -> None:
        self.send(way=way)

    @precondition(lambda self: self.one.key)
    @rule()
    def type_the_right_code(self) -> None:
        self.send(code=app_code(self.one.key, self.now))

    @initialize(steps=st.integers(1, 4))
    def begin(self, steps: int) -> None:
        self.go_straight_on(steps)

    @rule(steps=st.integers(1, 6))
    def go_straight_on(self, steps: int) -> None:
        """Do what the page asks for, as most people do."""
        for _ in range(steps):
            heading = self.one.page.heading
            if heading == "Sign in":
                self.one.sign_in()
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

    @precondition(lambda self: len(self.secrets) > 1)
    @rule()
    def type_a_void_code(self) -> None:
        self.send(code=app_code(next(iter(self.secrets.values())), self.now))

    @precondition(lambda self: self.one.page.value("ticket"))
    @rule(code=st.sampled_from(["000000", "", "12345678", "abc"]))
    def type_a_wrong_code(self, code: str) -> None:
        self.send(code=code)

    @precondition(lambda self: self.one.page.value("ticket"))
    @rule()
    def ask_for_a_new_code(self) -> None:
        self.send(act="again")

    @precondition(lambda self: self.tickets)
    @rule(back=st.integers(1, 5), saved=st.booleans())
    def post_an_older_ticket(self, back: int, saved: bool) -> None:
        ticket = self.tickets[-min(back, len(self.tickets))]
        token = self.one.page.value("csrf_token") or self.one.visit("/help").value("csrf_token")
        if token:
            fields = {"ticket": ticket, "csrf_token": token} | ({"saved": "1"} if saved else {})
            self.note(self.one.show(self.one.post("/setup", fields)))
            # The current one goes on and the one before is a replay; others lead nowhere.
            assert back <= 2 or ticket in self.tickets[-2:] or not self.one.page.value("ticket")

    @precondition(lambda self: self.tickets)
    @rule(back=st.integers(1, 3))
    def leave(self, back: int) -> None:
        ticket = self.tickets[-min(back, len(self.tickets))]
        token = self.one.page.value("csrf_token")
        if token:
            sent = self.one.post("/setup/leave", {"ticket": ticket, "csrf_token": token})
            assert sent.status_code < 500

    @precondition(lambda self: "data-proof" in self.one.page.text)
    @rule(steps=st.integers(0, 3))
    def come_back_to_a_discarded_page(self, steps: int) -> None:
        """The very tab that a phone discarded goes on where it was."""
        self.one.say("hidden")
        proof, shown = self.one.page.proof, self.one.page.heading
        self.note(self.one.visit("/setup"))
        if self.one.page.heading == "Set-up has started again":
            self.note(self.one.press("/setup/resume", proof=proof))
            assert self.one.page.heading in {shown, "Set-up has started again"}
        self.go_straight_on(steps)

    @precondition(lambda self: "data-proof" in self.one.page.text)
    @rule(hides=st.booleans(), late=st.booleans())
    def reload_by_hand_and_ask_for_it_all_the_same(self, hides: bool, late: bool) -> None:
        """Nobody reloads what is hidden: the server gives nothing back, whoever asks."""
        old, proof = self.one.page.hidden(), self.one.page.proof
        if hides:
            self.one.say("hidden")
            self.one.say("shown")
        self.note(self.one.visit("/setup"))
        if late:
            self.one.say("hidden", **old)
        if self.one.page.heading == "Set-up has started again":
            self.note(self.one.press("/setup/resume", proof=proof))
            assert not self.one.page.value("ticket")

    @precondition(lambda self: self.tickets)
    @rule(back=st.integers(1, 3), word=st.sampled_from(["hidden", "shown", "gone"]))
    def say_something_of_the_page(self, back: int, word: str) -> None:
        """It is no act: nothing that anybody sees changes."""
        ticket = self.tickets[-min(back, len(self.tickets))]
        if "csrf_token" in self.one.page.hidden():
            before = self.scalar(STATE)
            assert self.one.say(word, ticket=ticket).status_code < 500
            assert self.scalar(STATE) == before

    @rule(minutes=st.sampled_from([0.5, 1, 4, 9, 16, 40]))
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
    def what_is_void_stays_as_it_was(self) -> None:
        query = (
            "SELECT wizards.id, turn, step, void_reason, sealed_secret, sealed_codes, finished_at "
            "FROM wizards JOIN accounts ON accounts.id = wizards.account_id "
            "WHERE email = :email AND voided_at IS NOT NULL"
        )
        with self.application.app_context():
            found = db.session.execute(text(query), {"email": f"{self.name}@example.com"})
            for number, *state in found:
                assert state[3:] == [None, None, None]
                assert self.void.setdefault(number, state) == state

    @invariant()
    def it_is_on_exactly_if_a_finishing_post_was_accepted(self) -> None:
        query = (
            "SELECT count(*) FROM authenticators JOIN accounts "
            "ON accounts.id = authenticators.account_id WHERE email = :email"
        )
        assert self.scalar(query) == int(self.is_on)

    @invariant()
    def only_the_newest_secret_is_bound(self) -> None:
        if self.is_on:
            query = (
                "SELECT label FROM authenticators JOIN accounts "
                "ON accounts.id = authenticators.account_id WHERE email = :email"
            )
            assert self.scalar(query) == list(self.secrets)[-1]

    def scalar(self, query: str) -> Any:
        with self.application.app_context():
            return db.session.scalar(text(query), {"email": f"{self.name}@example.com"})


def test_it_is_forward_only_whatever_anybody_does() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Machine.application = install(Path(folder) / "instance")
        try:
            Machine.TestCase.settings = settings(
                max_examples=25,
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
