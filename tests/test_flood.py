"""A flood of anonymous sign-ins: few hashes at once, few threads, and known people come in."""

import ast
import fcntl
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

import pytest
from argon2 import low_level
from flask import Flask

from accounts.hash_slots import FOLDER
from app import create_app
from db import db
from tests.conftest import CHEAP, add_person
from tests.person import PASSWORD, Page, Person, app_code
from tests.test_house import ROOT, product_files
from tests.test_passwords import change, forget, links

BUSY = "We are very busy at the moment. Wait a few seconds, then try again."
NEW = "a quite different sentence"
Snapshot = Callable[[], dict[str, list[str]]]


def restarted(app: Flask, **config: int) -> Flask:
    """Return another process's application of the same installation, on a machine of two cores."""
    usual = CHEAP | {"PASSWORD_PLACES": 2, "PASSWORD_WAIT": 0}
    return create_app({"INSTANCE": app.instance_path, **usual, **config})


@pytest.fixture
def start(app: Flask) -> Iterator[Callable[..., Flask]]:
    """Start the application once more, with other settings."""
    made: list[Flask] = []

    def start_it(**config: int) -> Flask:
        made.append(restarted(app, **config))
        return made[-1]

    yield start_it
    for one in made:
        with one.app_context():
            db.engine.dispose()


@contextmanager
def taken(app: Flask, *numbers: int) -> Iterator[None]:
    """Hold slots of the machine, as another process does that computes hashes."""
    folder = Path(app.instance_path) / FOLDER
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        for number in numbers:
            file = stack.enter_context((folder / str(number)).open("w"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


STRANGERS, KNOWN = 0, 1
"""The slots of a machine of two cores."""


@dataclass
class Crowd:
    """Posts that are under way, each in a thread of its own, and the answers so far."""

    answers: list[Page] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, act: Callable[[], Page]) -> None:
        def do() -> None:
            self.answers.append(act())

        self.threads.append(threading.Thread(target=do))
        self.threads[-1].start()

    def answered(self, count: int) -> list[int]:
        """Wait for so many answers; return their statuses."""
        while len(self.answers) < count:
            threading.Event().wait(0.01)
        return [page.status for page in self.answers]

    def end(self) -> list[int]:
        for thread in self.threads:
            thread.join()
        return [page.status for page in self.answers]


def stranger(app: Flask, address: str, email: str = "bob@example.com") -> Callable[[], Page]:
    """Return what posts a wrong password from an address that lies about another one."""
    person = Person(app, email)
    person.client.environ_base["REMOTE_ADDR"] = address
    person.client.environ_base["HTTP_X_FORWARDED_FOR"] = os.urandom(4).hex()
    person.visit("/signin")
    return partial(person.press, "/signin", email=email, password="wrong password")


# How many are computed


class InFlight:
    """Counts how many hashes are computed at once; the code that runs is the product's own."""

    def __init__(self) -> None:
        self.now = self.most = self.all = 0
        self._lock = threading.Lock()

    def watched(self, act: Callable[[], Page]) -> Callable[[], Page]:
        def run() -> Page:
            sys.setprofile(self._note)
            try:
                return act()
            finally:
                sys.setprofile(None)

        return run

    def _note(self, frame: FrameType, happens: str, _: object) -> None:
        if frame.f_code is low_level.verify_secret.__code__ and happens in {"call", "return"}:
            with self._lock:
                self.now += 1 if happens == "call" else -1
                self.all += happens == "call"
                self.most = max(self.most, self.now)


def test_all_processes_of_a_machine_share_its_slots(start: Callable[..., Flask]) -> None:
    dear = {"PASSWORD_TIME_COST": 1000, "PASSWORD_WAIT": 60, "PASSWORD_WAITERS": 20}
    workers, flight, crowd = [start(**dear), start(**dear)], InFlight(), Crowd()
    posts = [stranger(workers[n % 2], f"192.0.2.{n}", f"nobody{n}@example.com") for n in range(8)]
    for post in posts:
        crowd.begin(flight.watched(post))
    assert crowd.end() == [422] * 8
    assert (flight.all, flight.most) == (16, 1)  # one of each kind that is stored


# Who waits


@pytest.mark.parametrize(
    ("one_network", "others"),
    [
        (["192.0.2.1"] * 4, ["192.0.2.2", "192.0.2.3"]),
        ([f"2001:db8:1:2::{n}" for n in range(4)], ["2001:db8:1:3::1", "2001:db8:1:4::1"]),
        (["::ffff:192.0.2.1", "192.0.2.1"] * 2, ["192.0.2.2", "2001:db8::1"]),
    ],
    ids=["IPv4", "IPv6", "both"],
)
def test_one_network_never_holds_every_place(
    app: Flask, start: Callable[..., Flask], one_network: list[str], others: list[str]
) -> None:
    """S-101: with four places a network has three, and whoever finds none is told at once."""
    made, crowd = start(PASSWORD_WAIT=60, PASSWORD_WAITERS=4), Crowd()
    with taken(app, STRANGERS):
        for address in one_network:
            crowd.begin(stranger(made, address))
        assert crowd.answered(1) == [503]
        for address in others:
            crowd.begin(stranger(made, address))
        assert crowd.answered(2) == [503, 503]
    assert sorted(crowd.end()) == [422] * 4 + [503] * 2


def test_known_people_are_never_too_many(app: Flask, start: Callable[..., Flask]) -> None:
    """Only strangers are turned away for their number; one person has two in all browsers."""
    made, crowd = start(PASSWORD_WAIT=60, PASSWORD_WAITERS=1), Crowd()
    prove = []
    for name in ("dora", "emil", "bob", "bob", "bob"):
        if name != "bob":
            add_person(made, name, "Reading Room")
        person = Person(made, f"{name}@example.com")
        person.sign_in()
        person.visit("/signin/confirm")
        prove.append(partial(person.press, "/signin/confirm", password="wrong password"))
    with taken(app, STRANGERS, KNOWN):
        for act in prove:
            crowd.begin(act)
        assert crowd.answered(1) == [503]
    assert sorted(crowd.end()) == [422] * 4 + [503]


# What they are told


def known(app: Flask, person: Person) -> Person:
    """Let the browser pass the second factor once, and sign out: it is known from now on."""
    person.sign_in()
    person.press("/signin/code", code=app_code(person.key, steps=1))
    assert person.sign_out().heading == "Sign in"
    other = Person(app, person.email)
    device = person.client.get_cookie("device")
    assert device is not None
    other.client.set_cookie("device", device.value)
    return other


def test_a_stranger_waits_for_a_bounded_time_and_loses_nothing(
    app: Flask, start: Callable[..., Flask], carol: Person, snapshot: Snapshot
) -> None:
    """503 with our page, the address still in the form; the known browser comes in meanwhile."""
    made = start()
    carol = known(made, carol)
    post = stranger(made, "192.0.2.1", "alice@example.com")
    with taken(app, STRANGERS):
        before = snapshot()
        page = post()
        assert snapshot() == before
        assert carol.sign_in().heading == "Enter your code"
    assert (page.status, page.error) == (503, BUSY)
    assert 'value="alice@example.com"' in page.text
    assert page.response.headers["Retry-After"] == "5"
    assert "aria-invalid" not in page.text
    assert post().status == 422


def test_nobody_and_somebody_are_told_alike(app: Flask, start: Callable[..., Flask]) -> None:
    """S-152."""
    made = start()
    with taken(app, STRANGERS):
        pages = [
            stranger(made, "192.0.2.1", email)() for email in ("bob@example.com", "no@example.com")
        ]
    assert {page.status for page in pages} == {503}
    assert len({page.error for page in pages}) == 1


def test_who_opened_a_mailed_link_is_no_stranger(app: Flask, start: Callable[..., Flask]) -> None:
    """S-098: an owner whose browsers are all unknown comes in during the flood."""
    made = start()
    bob = forget(made, "bob@example.com")
    bob.visit(links(made)[-1])
    bob.press(links(made)[-1])
    with taken(app, STRANGERS):
        assert bob.press("/signin/new-password", new=NEW).heading == "Your password is saved"
        assert bob.sign_in(NEW).heading == "Two-factor authentication"


def test_every_page_that_hashes_says_so_and_changes_nothing(
    app: Flask, start: Callable[..., Flask], snapshot: Snapshot
) -> None:
    made = start()
    bob = Person(made, "bob@example.com")
    bob.sign_in()
    other = forget(made, "bob@example.com")
    other.visit(links(made)[-1])
    other.press(links(made)[-1])
    bob.visit("/security/password")
    with taken(app, STRANGERS, KNOWN):
        before = snapshot()
        changed = bob.press("/security/password", old=PASSWORD, new=NEW)
        bob.visit("/signin/confirm")
        proved = bob.press("/signin/confirm", password=PASSWORD)
        chosen = other.press("/signin/new-password", new=NEW)
        assert snapshot() == before
    for page in (changed, proved, chosen):
        assert (page.status, page.error) == (503, BUSY)
        assert "aria-invalid" not in page.text
    change(bob, PASSWORD, NEW)
    assert bob.page.heading == "Two-factor authentication"


def test_a_machine_without_lock_files_counts_each_process_alone(
    start: Callable[..., Flask],
) -> None:
    made = start()
    (Path(made.instance_path) / FOLDER).write_text("in the way")
    assert Person(made, "bob@example.com").sign_in().status == 200


# Who computes hashes

HASHERS = {
    "accounts/typed_password.py",
    "accounts/new_password.py",
    "accounts/account_commands.py",
    "demo.py",
}
"""The last two are an operator's, whom no stranger can make act."""


def test_every_hash_of_a_page_asks_for_a_place() -> None:
    found = {}
    for file in product_files():
        source = file.read_text("utf-8")
        if re.search(r"\bpassword\.(hashed|matches)\(", source):
            found[str(file.relative_to(ROOT))] = source
    assert set(found) == HASHERS
    for name in ("accounts/typed_password.py", "accounts/new_password.py"):
        tree = ast.parse(found[name])
        places = [node for node in ast.walk(tree) if isinstance(node, ast.With)]
        inside = {id(node) for place in places for node in ast.walk(place)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in {"hashed", "matches"}:
                assert id(node) in inside, ast.unparse(node)
