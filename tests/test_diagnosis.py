"""A wrong code is explained: every reason, in the set-up, at sign-in and as a proof.

Each row enters by the front door, on SQLite and on PostgreSQL. The phone is
oathtool with its clock shifted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from time_machine import Traveller

from db import db
from tests import postgres
from tests.conftest import NOON, add_person, install
from tests.person import (
    HOURS_26,
    Page,
    Person,
    app_code,
    mailed_code,
    never_shown,
    shown_within_26_hours,
)

NUMBERS = count(1)
APP, BACKUP, SEND = "/signin/code", "/signin/backup-code", "/signin/backup-email"
MAILED, PROOF = "/signin/backup-email/code", "/signin/confirm"
DAY = timedelta(hours=24)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """One installation on each database; every row brings its own person."""
    folder = tmp_path_factory.mktemp("diagnosis")
    if request.param == "sqlite":
        yield from _installed(folder, "")
        return
    install(folder / "instance")  # an application on such a database wants its keys at once
    yield from _installed(folder, postgres.new_database(postgres.shared(), "diagnosis"))


def _installed(folder: Path, database: str) -> Iterator[Flask]:
    app = install(folder / "instance", DATABASE_URL=database)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def now() -> Iterator[Traveller]:
    with time_machine.travel(NOON - timedelta(minutes=15), tick=False) as traveller:
        yield traveller


@dataclass
class Scene:
    """A person, the moment, and what they type where."""

    person: Person
    now: Traveller

    def code(self, steps: int = 0) -> str:
        """The code that many steps off, as long as chance shows it nowhere nearer."""
        code, shown = app_code(self.person.key, steps=steps), []
        if abs(steps) > 100:
            shown = shown_within_26_hours(self.person.key)
        wanted = 1 if abs(steps) <= HOURS_26 else 0
        if not shown or shown.count(code) == wanted:
            return code
        return self.code(steps + (1 if steps < 0 else -1) * (1 if wanted else -1))

    def never(self) -> str:
        return never_shown(self.person.key)

    def type(self, path: str, code: str) -> Page:
        """Type a code; the way to the page is part of it."""
        if path == "/setup":
            return self.person.next(code=code)
        self.person.visit(path)
        return self.person.press(path, code=code)

    def in_set_up(self) -> None:
        """At the step that asks for the code."""
        self.person.to_verify()

    def signed_out(self, *, by_email: bool = False) -> None:
        """Set up a quarter of an hour ago, and now half signed in."""
        if by_email:
            self.address = f"second-{next(NUMBERS)}@home.example"
            self.person.set_up_by_email(self.address)
        else:
            self.person.codes = self.person.set_up()
        self.person.sign_out()
        self.now.move_to(NOON)
        self.person.sign_in()

    def with_mail(self) -> str:
        """Half signed in, with a code mailed just now."""
        self.signed_out(by_email=True)
        self.person.visit(SEND)
        self.person.press(SEND)
        return mailed_code(self.person.app, self.address)

    def in_replacement(self) -> None:
        """Two-factor is on, and a new app is about to be confirmed."""
        self.signed_out()
        self.person.press(APP, code=self.code())
        old = self.person.key
        self.person.visit("/setup/authenticator")
        self.person.next()
        self.person.key, self.old = self.person.page.key, old
        self.person.next()

    old = ""
    address = ""


@pytest.fixture
def scene(place: Flask, now: Traveller) -> Scene:
    name = f"dora{next(NUMBERS)}"
    add_person(place, name, "Reading Room")
    person = Person(place, f"{name}@example.com")
    person.sign_in()
    return Scene(person, now)


# In the set-up everything is told


def void_record(scene: Scene) -> Page:
    scene.in_set_up()
    old = scene.code()
    scene.person.visit("/setup")
    scene.person.next()
    scene.person.key = scene.person.page.key
    scene.person.next()
    return scene.type("/setup", old)


def typed(code: str | int | None = None, times: int = 1) -> Callable[[Scene], Page]:
    """Return a row that types a code so many steps off, a text, or one never shown."""

    def row(scene: Scene) -> Page:
        scene.in_set_up()
        for _ in range(times):
            what = scene.code(code) if isinstance(code, int) else code
            page = scene.type("/setup", scene.never() if what is None else what)
        return page

    return row


def just_used(scene: Scene) -> Page:
    scene.in_replacement()
    return scene.type("/setup", app_code(scene.old))


IN_SET_UP = {
    "empty": (typed(""), "Enter the 6 numbers from your app."),
    "length": (typed("12345"), "The code has 6 numbers. You typed 5."),
    "letters": (typed("12345a"), "The code has 6 numbers and nothing else."),
    "backup code": (typed("1234 5678"), "That looks like a backup code. Here you need the 6"),
    "expired by 2": (typed(-2), "That code was right, but it is too old. Enter the one"),
    "expired by 4": (typed(-4), "That code was right, but it is too old. Enter the one"),
    "too old": (typed(-8), "too old, or your phone’s clock may be about 4 minutes slow."),
    "slow": (typed(-8, 2), "Your phone’s clock is about 4 minutes slow. Set its time to auto"),
    "perhaps fast": (typed(2), "Your phone’s clock may be about 1 minute fast."),
    "fast": (typed(95, 2), "Your phone’s clock is about 48 minutes fast. Set its time to"),
    "a wrong zone": (typed(-HOURS_26, 2), "Your phone’s clock is about 26 hours slow."),
    "another zone": (typed(HOURS_26), "Your phone’s clock may be about 26 hours fast."),
    "void record": (void_record, "In your app, delete “{email}”. Use “{email} #2”."),
    "used": (just_used, "You have just used that code, of the record “{email}”. Use “{email} #2”"),
    "unknown": (typed(None), "That code does not match. Check that you are reading the record"),
}


@pytest.mark.parametrize("reason", IN_SET_UP)
def test_the_set_up_tells_every_reason(scene: Scene, reason: str) -> None:
    act, text = IN_SET_UP[reason]

    page = act(scene)

    assert text.format(email=scene.person.email) in page.error
    assert page.heading == "Enter the code from your app"


def test_it_tells_how_to_set_the_clock(scene: Scene) -> None:
    assert "On an iPhone: Settings, General, Date & Time." in typed(-8, 2)(scene).error


def test_two_different_offsets_are_no_wrong_clock(scene: Scene) -> None:
    """One match of a wide search may be chance; only the same offset again is a fact."""
    scene.in_set_up()
    scene.type("/setup", scene.code(-8))
    assert "may be about 10 minutes slow" in scene.type("/setup", scene.code(-20)).error


def test_nothing_is_looked_for_beyond_26_hours(scene: Scene) -> None:
    assert "does not match" in typed(-HOURS_26 - 2)(scene).error


# At sign-in and as a proof: only what hands a guesser nothing


def at_sign_in(path: str, code: str | int | None) -> Callable[[Scene], Page]:
    def row(scene: Scene) -> Page:
        scene.signed_out()
        what = scene.code(code) if isinstance(code, int) else code
        return scene.type(path, scene.never() if what is None else what)

    return row


def used_now(scene: Scene) -> Page:
    scene.signed_out()
    scene.person.press(APP, code=scene.code())
    scene.person.sign_out()
    scene.person.sign_in()
    return scene.type(APP, scene.code())


def used_some_time_ago(scene: Scene) -> Page:
    scene.signed_out()
    scene.person.press(APP, code=scene.code())
    scene.person.sign_out()
    scene.now.shift(timedelta(minutes=2))
    scene.person.sign_in()
    return scene.type(APP, scene.code(-4))


def of_a_void_record(scene: Scene) -> Page:
    scene.person.start()
    dead = scene.person.key
    scene.signed_out()
    return scene.type(APP, app_code(dead))


def of_a_replaced_app(scene: Scene, later: timedelta = timedelta()) -> Page:
    scene.in_replacement()
    scene.person.next(code=scene.code(-1))
    assert scene.person.page.heading == "Your new app works now"
    scene.person.sign_out()
    scene.now.shift(later)
    scene.person.sign_in()
    return scene.type(APP, app_code(scene.old))


def backup_used(scene: Scene) -> Page:
    scene.signed_out()
    scene.type(BACKUP, scene.person.codes[0])
    scene.person.sign_out()
    scene.person.sign_in()
    return scene.type(BACKUP, scene.person.codes[0])


def backup_replaced(scene: Scene) -> Page:
    scene.signed_out()
    scene.type(APP, scene.code())
    scene.person.visit("/setup/codes")
    scene.person.next()
    scene.person.next(saved="1")
    scene.person.sign_out()
    scene.person.sign_in()
    return scene.type(BACKUP, scene.person.codes[0])


def mailed_too_long_ago(scene: Scene) -> Page:
    """The half sign-in has ended with its code, so that the person begins another one."""
    code = scene.with_mail()
    scene.now.shift(timedelta(minutes=12))
    scene.person.sign_in()
    scene.person.visit(SEND)
    scene.person.press(SEND)
    return scene.type(MAILED, code)


def mailed_other(code: str) -> Callable[[Scene], Page]:
    def row(scene: Scene) -> Page:
        right = scene.with_mail()
        return scene.type(MAILED, code or f"{(int(right) + 1) % 10**6:06d}")

    return row


def as_proof(steps: int) -> Callable[[Scene], Page]:
    def row(scene: Scene) -> Page:
        scene.signed_out()
        scene.type(APP, scene.code())
        return scene.type(PROOF, scene.code(steps))

    return row


UNKNOWN = "That code does not match. Check that you are reading the record “{email}”."
AT_SIGN_IN = {
    "empty": (at_sign_in(APP, ""), "Enter the 6 numbers from your app."),
    "length": (at_sign_in(APP, "1234567"), "The code has 6 numbers. You typed 7."),
    "backup code": (at_sign_in(APP, "1234 5678"), "That looks like a backup code."),
    "used": (used_now, "You have used that code already. Wait for the next one"),
    "used long ago": (used_some_time_ago, "You have used that code already."),
    "expired by 2": (at_sign_in(APP, -2), "That code was right, but it is too old."),
    "expired by 20": (at_sign_in(APP, -20), "That code was right, but it is too old."),
    "ten minutes are the end": (at_sign_in(APP, -21), UNKNOWN),
    "never a future one": (at_sign_in(APP, 2), UNKNOWN),
    "nor a later one": (at_sign_in(APP, 20), UNKNOWN),
    "unknown": (at_sign_in(APP, None), UNKNOWN),
    "void record": (of_a_void_record, "delete “{email}”. Use “{email} #2”."),
    "replaced app": (of_a_replaced_app, "delete “{email}”. Use “{email} #2”."),
    "app code as backup": (at_sign_in(BACKUP, "123456"), "That looks like a code from your app."),
    "no backup code": (at_sign_in(BACKUP, ""), "Enter the 8 numbers of one backup code."),
    "backup used": (backup_used, "You used that backup code on 6 May 2031, 12:00 UTC ."),
    "backup replaced": (backup_replaced, "from a list you replaced on 6 May 2031, 12:00 UTC ."),
    "backup unknown": (at_sign_in(BACKUP, "00000000"), "That backup code does not match."),
    "no mailed code": (mailed_other(" "), "Enter the 6 numbers from the email."),
    "backup as mailed": (mailed_other("12345678"), "Here you need the 6 numbers from the email."),
    "mailed too long ago": (mailed_too_long_ago, "That code ran out at 6 May 2031, 12:10 UTC ."),
    "mailed unknown": (mailed_other(""), "That code does not match. Check the newest email"),
    "proof: used": (as_proof(0), "You have used that code already."),
    "proof: expired": (as_proof(-3), "That code was right, but it is too old."),
    "proof: future": (as_proof(3), UNKNOWN),
}


@pytest.mark.parametrize("reason", AT_SIGN_IN)
def test_sign_in_and_proof_tell_what_helps_no_guesser(scene: Scene, reason: str) -> None:
    act, text = AT_SIGN_IN[reason]

    page = act(scene)

    assert page.status == 422
    assert text.replace("{email}", scene.person.email) in page.error


def test_a_void_record_explains_for_a_day_and_no_longer(scene: Scene) -> None:
    page = of_a_replaced_app(scene, DAY)

    assert "does not match" in page.error


def test_a_mailed_code_that_lives_for_another_sign_in_is_not_told_of(scene: Scene) -> None:
    """S-074: it would tell a guesser what works there."""
    first = scene.with_mail()
    scene.now.shift(timedelta(minutes=5))
    scene.person.sign_in()
    scene.person.visit(SEND)
    scene.person.press(SEND)

    page = scene.type(MAILED, first)

    assert "That code does not match. Check the newest email" in page.error


def test_the_ways_out_are_offered_beside_the_reason(scene: Scene) -> None:
    scene.signed_out()
    assert f'href="{BACKUP}"' in scene.type(APP, "12345678").text
    assert f'href="{APP}"' in scene.type(BACKUP, "123456").text


def test_every_reason_that_was_compared_was_charged(scene: Scene) -> None:
    """What is told costs a try; what can't be a code at all costs none."""
    scene.signed_out()
    for code in ("", "12345", "12345678"):
        scene.type(APP, code)
    scene.type(APP, scene.code(-2))
    scene.type(APP, scene.code(20))
    scene.type(BACKUP, "00000000")

    with scene.person.app.app_context():
        query = "SELECT failures FROM throttles JOIN accounts ON id = account_id"
        rows = db.session.connection().exec_driver_sql(
            f"{query} WHERE email = '{scene.person.email}'"
        )
        assert rows.scalar() == 3
