"""A person's own security page: what protects the account, and the devices it trusts."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from time_machine import Traveller

from tests.conftest import NOON
from tests.person import Person, app_code

Rows = Callable[[str], list[tuple[object, ...]]]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)
DEVICES = "SELECT id FROM trusted_devices WHERE trusted_at IS NOT NULL ORDER BY id"


@pytest.fixture
def carol(app: Flask, noon: Traveller) -> Person:
    """Set up with backup codes a quarter of an hour ago, and signed in since."""
    noon.move_to(NOON - timedelta(minutes=15))
    person = Person(app, "carol@example.com")
    person.sign_in()
    person.codes = person.set_up()
    noon.move_to(NOON)
    person.visit("/security")
    return person


def trusting(carol: Person, agent: str, steps: int = 0) -> Person:
    """Return another browser of Carol's that she has ticked."""
    browser = Person(carol.app, carol.email)
    browser.client.environ_base["HTTP_USER_AGENT"] = agent
    browser.sign_in()
    code = app_code(carol.key, steps=steps)
    browser.press("/signin/code", code=code, trust="1")
    assert browser.page.heading == "Two-factor authentication"
    return browser


def test_it_shows_that_two_factor_is_off(app: Flask) -> None:
    bob = Person(app, "bob@example.com")
    page = bob.sign_in()
    assert page.heading == "Two-factor authentication"
    assert "Off." in page.words
    assert "Set up two-factor authentication" in page.words
    assert "Backup codes" not in page.words
    assert "Trusted devices" not in page.words


def test_it_shows_the_app_the_codes_left_and_no_device(carol: Person) -> None:
    words = carol.page.words
    assert "On." in words
    assert "Record carol@example.com" in words
    assert "10 of 10 left" in words
    assert "No device is trusted." in words
    assert "Last used" not in words


def test_it_counts_the_backup_codes_that_are_left(carol: Person) -> None:
    for n, code in enumerate(carol.codes[:3], 1):
        other = Person(carol.app, carol.email)
        other.sign_in()
        other.press("/signin/backup-code", code=code)
        assert f"{10 - n} of 10 left" in carol.visit("/security").words


def test_it_tells_when_the_app_was_added_and_last_used(carol: Person, noon: Traveller) -> None:
    noon.shift(timedelta(minutes=1))
    other = Person(carol.app, carol.email)
    other.sign_in()
    other.press("/signin/code", code=app_code(carol.key))
    assert "Added 6 May 2031, 11:45 UTC" in other.page.words
    assert "Last used 6 May 2031, 12:01 UTC" in other.page.words


def test_it_masks_the_backup_email(app: Flask) -> None:
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.set_up_by_email("robert@home.example")
    page = bob.visit("/security")
    assert "r•••@home.example" in page.words
    assert "robert" not in page.text
    assert "None yet" in page.words


def test_it_lists_the_devices_with_browser_system_and_end(carol: Person, noon: Traveller) -> None:
    trusting(carol, FIREFOX)
    noon.shift(timedelta(minutes=1))
    trusting(carol, IPHONE)
    page = carol.visit("/security")
    words = " ".join(re.sub("<[^>]+>", " ", page.text).split())
    assert "Firefox , Linux Added 6 May 2031, 12:00 UTC Last used 6 May 2031, 12:00 UTC" in words
    assert "Ends 5 June 2031, 12:00 UTC" in words
    assert "Safari , iPhone Added 6 May 2031, 12:01 UTC" in words
    assert page.text.count('<button class="small" aria-describedby="devices">Remove<') == 2


def test_a_device_whose_trust_is_over_is_not_listed(carol: Person, noon: Traveller) -> None:
    trusting(carol, FIREFOX)
    noon.shift(timedelta(days=30))
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    assert "No device is trusted." in carol.page.words


def devices_of(person: Person) -> str:
    """Return what the page says of trusted devices."""
    found = re.search(r'aria-labelledby="devices">.*?</section>', person.page.text, re.S)
    return found.group(0) if found else ""


def test_every_time_carries_its_zone(carol: Person) -> None:
    """A script turns them into local time; without one the zone is in the text."""
    trusting(carol, FIREFOX)
    text = carol.visit("/security").response.text
    times = re.findall(r'<time datetime="([^"]+)">([^<]+)</time>', text)
    assert len(times) == 5 + 1 + 2 + 7  # the password, this sign-in, what happened lately
    for stamp, shown in times:
        at = datetime.fromisoformat(stamp)
        assert at.utcoffset() == timedelta(0)
        assert shown == f"{at.day} {at:%B %Y, %H:%M} UTC"
    bare = re.sub(r"<time.*?</time>", "", text)
    assert not re.search(r"\d\d:\d\d", bare)


def test_it_removes_one_device_after_a_fresh_proof(carol: Person, rows: Rows) -> None:
    """S-116, S-047: the other one stays trusted."""
    one, two = trusting(carol, FIREFOX), trusting(carol, IPHONE, steps=1)
    (first,), (second,) = rows(DEVICES)
    carol.visit("/security")
    assert carol.press(f"/security/devices/{first}/remove").heading == "Confirm it is you"
    assert rows(DEVICES) == [(first,), (second,)]
    carol.press("/signin/confirm", code=carol.codes[0])
    assert carol.page.heading == "Two-factor authentication"
    carol.press(f"/security/devices/{first}/remove")

    assert rows(DEVICES) == [(second,)]
    assert "Firefox" not in devices_of(carol)
    for browser, heading in ((one, "Enter your code"), (two, "Two-factor authentication")):
        browser.sign_out()
        assert browser.sign_in().heading == heading


def test_it_removes_all_devices_after_a_fresh_proof(carol: Person, rows: Rows) -> None:
    browsers = [trusting(carol, FIREFOX), trusting(carol, IPHONE, steps=1)]
    carol.visit("/security")
    assert carol.press("/security/devices/remove-all").heading == "Confirm it is you"
    assert len(rows(DEVICES)) == 2
    carol.press("/signin/confirm", code=carol.codes[0])
    carol.press("/security/devices/remove-all")

    assert rows(DEVICES) == []
    assert "No device is trusted." in carol.page.words
    for browser in browsers:
        browser.sign_out()
        assert browser.sign_in().heading == "Enter your code"


def test_a_sign_in_that_a_removed_device_spared_owes_its_code_at_once(
    carol: Person, rows: Rows
) -> None:
    """S-008."""
    browser = trusting(carol, FIREFOX)
    browser.sign_out()
    assert browser.sign_in().heading == "Two-factor authentication"
    carol.press("/security/devices/remove-all")
    carol.press("/signin/confirm", code=carol.codes[0])
    carol.press("/security/devices/remove-all")
    assert rows(DEVICES) == []
    assert browser.visit("/security").heading == "Enter your code"


def test_somebody_elses_device_stays_whoever_asks(carol: Person, app: Flask, rows: Rows) -> None:
    """S-172."""
    trusting(carol, FIREFOX)
    before = rows("SELECT * FROM trusted_devices WHERE account_id = 3")
    [(device,)] = rows(DEVICES)
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.set_up()
    bob.visit("/security")
    for path in (f"{device}/remove", "remove-all", "99999/remove"):
        assert bob.press(f"/security/devices/{path}").status == 200
    assert rows("SELECT * FROM trusted_devices WHERE account_id = 3") == before
    assert "Firefox" not in bob.page.words


@pytest.mark.parametrize(
    "path", ["-1/remove", "0/remove", "one/remove", "1 or 1=1/remove", "/remove"]
)
def test_no_other_address_removes_anything(carol: Person, rows: Rows, path: str) -> None:
    trusting(carol, FIREFOX)
    assert carol.press(f"/security/devices/{path}").status in {404, 405}
    assert len(rows(DEVICES)) == 1


def test_looking_removes_nothing(carol: Person, rows: Rows) -> None:
    """S-132."""
    trusting(carol, FIREFOX)
    [(device,)] = rows(DEVICES)
    for path in (f"/security/devices/{device}/remove", "/security/devices/remove-all"):
        assert carol.visit(path).status == 405
    assert rows(DEVICES) == [(device,)]


def test_it_never_shows_a_secret_again(carol: Person) -> None:
    """S-041: neither the key nor a backup code."""
    text = carol.visit("/security").text
    assert carol.key not in text.replace(" ", "")
    for code in carol.codes:
        assert code not in text
