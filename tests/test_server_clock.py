"""The server's own clock moves, under a live gunicorn: drift, expiry, pauses, a jump back.

libfaketime moves it for the whole server process; phones (oathtool) keep the true time
unless a test says otherwise.
"""

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.live import Browser, serve
from tests.person import PASSWORD, app_code, never_shown
from tests.test_races import Newcomer, Site

LIBRARIES = [
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/opt/homebrew/lib/faketime/libfaketime.1.dylib",
    "/usr/local/lib/faketime/libfaketime.1.dylib",
]
IN, ASKED = "Two-factor authentication", "Enter your code"


def faketime(clock: Path) -> dict[str, str]:
    """Return the environment in which a process takes its time from the file `clock`."""
    found = [library for pattern in LIBRARIES for library in glob.glob(pattern)]
    assert found, "libfaketime is missing: run sh tests/machine.sh"
    how = {"LD_PRELOAD": found[0]}
    if found[0].endswith(".dylib"):
        how = {"DYLD_INSERT_LIBRARIES": found[0], "DYLD_FORCE_FLAT_NAMESPACE": "1"}
    return how | {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}


@dataclass
class MovedSite(Site):
    """A live server whose clock can be moved."""

    clock: Path = Path()

    def move(self, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        """Set the server's clock off by so much from the true time."""
        self._off = timedelta(seconds=seconds, minutes=minutes, hours=hours)
        new = self.clock.with_suffix(".new")
        new.write_text(f"{self._off.total_seconds():+.0f}\n")
        os.replace(new, self.clock)

    @property
    def now(self) -> datetime:
        """What the server's clock shows."""
        return datetime.now().astimezone() + self._off

    _off = timedelta()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovedSite]:
    instance = tmp_path_factory.mktemp("moved")
    clock = instance / "clock"
    clock.write_text("+0\n")
    with serve(instance, **faketime(clock)) as server:
        yield MovedSite(server, f"sqlite:///{instance}/onward.sqlite", instance, clock)


@pytest.fixture
def someone(site: MovedSite) -> Newcomer:
    """Set up with backup codes a minute ago by the true time."""
    site.move(minutes=-2)
    person = site.newcomer()
    person.to_verify()
    person.browser.press("/setup", code=app_code(person.key, site.now))
    person.browser.press("/setup", way="codes")
    person.browser.press("/setup", saved="1")
    assert person.browser.last.heading == "Two-factor authentication is on"
    site.move()
    return person


def test_a_clock_that_drifts_is_borne_for_one_step(site: MovedSite, someone: Newcomer) -> None:
    """S-023, S-028: the phone is right, the server is wrong."""
    site.move(seconds=-95)
    browser = someone.half_sign_in()
    assert "does not match" in browser.press("/signin/code", code=app_code(someone.key)).error
    site.move(seconds=-25)
    browser = someone.half_sign_in()
    browser.press("/signin/code", code=app_code(someone.key))
    assert browser.get("/security").heading == IN
    site.move(seconds=95)
    browser = someone.half_sign_in()
    assert "too old" in browser.press("/signin/code", code=app_code(someone.key, steps=-1)).error


def test_what_has_a_life_ends_with_it(site: MovedSite, someone: Newcomer) -> None:
    """A half sign-in after ten minutes, a set-up after fifteen, a sign-in after an idle hour."""
    half = someone.half_sign_in()
    site.move(minutes=9)
    assert half.get("/signin/code").heading == ASKED
    site.move(minutes=11)
    answer = half.send("GET", "/signin/code")
    assert (answer.status, answer.location) == (303, "/signin")

    other = site.newcomer()
    other.to_verify()
    site.move(minutes=11 + 16)
    late = other.browser.press("/setup", code=app_code(other.key, site.now))
    assert (late.status, late.heading) == (409, "Set-up has started again")
    assert "It took longer than 15 minutes." in late.text
    site.move(minutes=11 + 16 + 61)
    assert other.browser.send("GET", "/security").location == "/signin"


def test_a_pause_ends_when_it_says(site: MovedSite, someone: Newcomer) -> None:
    """S-093: at +29 minutes a right code is not read; at +31 it is."""
    for _ in range(5):
        browser = someone.half_sign_in()
        answer = browser.press("/signin/code", code=never_shown(someone.key))
    assert (answer.status, answer.heading) == (429, "Sign-in is paused")
    site.move(minutes=29)
    stranger = Browser(site.server)
    stranger.get("/signin")
    answer = stranger.press("/signin", email=someone.email, password=PASSWORD)
    assert answer.status == 429
    assert "Too many wrong codes. Wait until" in answer.error
    site.move(minutes=31)
    browser = someone.half_sign_in()
    browser.press("/signin/code", code=app_code(someone.key, site.now))
    assert browser.get("/security").heading == IN


def test_a_clock_that_jumped_forward_and_back_locks_nobody_out(
    site: MovedSite, someone: Newcomer
) -> None:
    """S-029: a step of the future was spent; it must neither keep its owner out for an
    hour nor bring a code of before the jump to life again.
    """
    before = app_code(someone.key)
    browser = someone.half_sign_in()
    browser.press("/signin/code", code=before)
    site.move(hours=1)
    browser = someone.half_sign_in()
    browser.press("/signin/code", code=app_code(someone.key, site.now), trust="1")
    assert browser.get("/security").heading == IN

    site.move()

    # What began in the future is worth nothing now: no sign-in, no trusted device.
    assert browser.send("GET", "/security").location == "/signin"
    assert browser.sign_in(someone.email).heading == ASKED
    again = someone.half_sign_in()
    assert "Wait one minute" in again.press("/signin/code", code=before).error
    assert "used that code already" in again.press("/signin/code", code=before).error
    site.move(seconds=60)
    again.press("/signin/code", code=app_code(someone.key, site.now))
    assert again.get("/security").heading == IN
