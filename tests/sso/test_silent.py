"""A provider that takes the line and says nothing holds few threads, whoever else asks."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from flask import Flask

from accounts.sso_kept import AT_ONCE
from tests.conftest import NOON
from tests.person import Page
from tests.sso.comer import BACK, REQUIRED, START, Comer, Rows, restarted
from tests.sso.evil_provider import Evil

CLIENTS = 12
SAID = "Example SSO does not answer as it should at the moment"


@dataclass
class Silence:
    """Takes every line and says nothing; `let_go` ends those that are open."""

    listening: socket.socket
    lines: list[socket.socket] = field(default_factory=list)
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self.listening.accept()
                self.lines.append(line)
                self.came.release()

    def let_go(self) -> None:
        for line in self.lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def silence() -> Iterator[Silence]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Silence(listening)
        accepting = threading.Thread(target=made.serve, daemon=True)
        accepting.start()
        try:
            yield made
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for line in made.lines:
                line.close()


@contextmanager
def under_way(acts: list[Callable[[], Page]], answers: list[Page]) -> Iterator[None]:
    """Do all acts, each in a thread of its own; they have ended after the block."""

    def do(act: Callable[[], Page]) -> None:
        answers.append(act())

    threads = [threading.Thread(target=do, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def wait_for(answers: list[Page], count: int) -> None:
    while len(answers) < count:
        threading.Event().wait(0.01)


def comers(app: Flask, count: int) -> list[Comer]:
    people = [Comer(app, f"person-{n}@example.com") for n in range(count)]
    for person in people:
        person.visit("/signin")
    return people


def test_one_thread_asks_a_silent_provider_and_the_others_are_told(
    app: Flask, evil: Evil, silence: Silence, rows: Rows
) -> None:
    """F10: twelve clients, one line; everybody else is answered while it is still open."""
    made = restarted(app, evil, issuer=silence.address)
    people, answers = comers(made, CLIENTS), list[Page]()
    with under_way([partial(one.press, START) for one in people], answers):
        assert silence.came.acquire(timeout=20)
        wait_for(answers, CLIENTS - 1)
        assert Comer(made, "alice@example.com").sign_in().heading == REQUIRED
        assert (len(answers), len(silence.lines)) == (CLIENTS - 1, 1)
        silence.let_go()
    assert [(page.status, page.error.startswith(SAID)) for page in answers] == [(503, True)] * 12
    assert len(silence.lines) == 1
    assert rows("SELECT count(*) FROM sign_ins") == [(1,)]


def test_a_failed_discovery_is_remembered_for_half_a_minute(
    app: Flask, evil: Evil, noon: time_machine.Traveller, rows: Rows
) -> None:
    evil.broken[DISCOVERY] = lambda: ("a fault", 500)
    person = Comer(app, "alice@example.com")
    for seconds in (0, 0, 29):
        noon.move_to(NOON + timedelta(seconds=seconds))
        page = person.press_start()
        assert (page.status, page.error.startswith(SAID)) == (503, True)
        assert asked(evil) == 1
    assert rows("SELECT count(*) FROM sso_trips") == [(0,)]
    assert rows("SELECT result, times FROM refusal_counts") == [("refused: unavailable", 3)]
    del evil.broken[DISCOVERY]
    noon.move_to(NOON + timedelta(seconds=30))
    assert person.leave().startswith(evil.url)
    assert asked(evil) == 2


def test_what_was_kept_is_good_until_the_provider_has_answered_anew(
    app: Flask, evil: Evil, noon: time_machine.Traveller
) -> None:
    """An hour later one thread asks again; nobody else has to wait for it."""
    asks, goes_on = threading.Event(), threading.Event()
    people, answers = comers(app, 3), list[Page]()
    people[0].press(START)
    noon.shift(timedelta(hours=1))

    def hold() -> None:
        asks.set()
        goes_on.wait(20)

    evil.broken[DISCOVERY] = hold  # which says nothing, so that the true answer follows
    with under_way([lambda: people[1].press(START)], answers):
        assert asks.wait(20)
        assert people[2].press(START).status == 200
        assert answers == []
        goes_on.set()
    assert answers[0].status == 200
    assert asked(evil) == 2


def test_answers_that_are_exchanged_hold_few_threads(
    app: Flask, evil: Evil, silence: Silence
) -> None:
    """Anybody may come back with a code: the token endpoint is silent to strangers as well."""
    evil.bend_discovery = lambda found: found.update(token_endpoint=silence.address + "/token")
    people, answers = comers(app, CLIENTS), list[Page]()
    acts: list[Callable[[], Page]] = []
    for person in people:
        state = person.leave().partition("state=")[2].partition("&")[0]
        path = f"{BACK}?state={state}&code=anything&iss={evil.url}"
        acts.append(partial(person.visit, path))
    with under_way(acts, answers):
        for _ in range(AT_ONCE):
            assert silence.came.acquire(timeout=20)
        wait_for(answers, CLIENTS - AT_ONCE)
        assert len(silence.lines) == AT_ONCE
        silence.let_go()
    assert [(page.status, page.error.startswith(SAID)) for page in answers] == [(503, True)] * 12
    assert len(silence.lines) == AT_ONCE


DISCOVERY = "/.well-known/openid-configuration"


def asked(evil: Evil) -> int:
    """Return how often discovery was asked for."""
    return sum(path == DISCOVERY for path, _ in evil.asked)
