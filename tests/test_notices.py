"""What a person is told by mail of their own account, and where to (S-066, S-070, S-175)."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from time_machine import Traveller

from tests.conftest import set_up_before_noon
from tests.person import Person, app_code, letters, mailed_code, text_of

OLD, NEW = "carol@home.example", "carol@work.example"


@pytest.fixture
def carol(app: Flask, noon: Traveller) -> Person:
    """Set up with backup codes, and fully signed in again."""
    person = set_up_before_noon(app, noon, "carol")
    person.sign_in()
    person.press("/signin/code", code=app_code(person.key))
    assert person.page.heading == "Two-factor authentication"
    return person


def told(app: Flask, since: int) -> list[tuple[str, str]]:
    """Return what was mailed to whom since then, codes left out."""
    found = [
        (str(letter["To"]), re.sub(r" (for .*|\(.*\))$", "", str(letter["Subject"])))
        for letter in letters(app)[since:]
    ]
    return [(to, what) for to, what in found if what != "Your code"]


def sign_in_by_backup_code(person: Person, code: str) -> None:
    person.sign_out()
    person.sign_in()
    person.visit("/signin/backup-code")
    person.press("/signin/backup-code", code=code)
    assert person.page.heading == "Two-factor authentication"


def add_backup_email(person: Person, address: str) -> None:
    person.visit("/setup/email")
    person.next()
    person.next(address=address)
    person.next(code=mailed_code(person.app, address))


def test_each_backup_code_is_told_with_what_is_left(carol: Person, app: Flask) -> None:
    since = len(letters(app))
    for code in carol.codes:
        sign_in_by_backup_code(carol, code)

    assert told(app, since) == [(carol.email, "A backup code was used")] * 9 + [
        (carol.email, "Your last backup code was used")
    ]
    texts = [text_of(letter) for letter in letters(app)[since:]]
    for left, text in zip(range(9, 1, -1), texts, strict=False):
        assert f"You have {left} backup codes left." in text
        assert ("Get new ones soon" in text) == (left <= 3)
    assert "You have 1 backup code left." in texts[8]
    assert "You have no backup code left. Get new ones now" in texts[9]


def test_a_backup_code_as_a_proof_is_told_too(carol: Person, app: Flask, noon: Traveller) -> None:
    noon.shift(timedelta(minutes=6))
    since = len(letters(app))
    carol.visit("/signin/confirm")
    carol.press("/signin/confirm", code=carol.codes[0])
    assert told(app, since) == [(carol.email, "A backup code was used")]


def test_new_codes_and_a_trusted_device_are_told(carol: Person, app: Flask) -> None:
    since = len(letters(app))
    carol.visit("/setup/codes")
    carol.next()
    carol.next(saved="1")
    carol.sign_out()
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key, steps=1), trust="1")
    assert told(app, since) == [
        (carol.email, "You have new backup codes"),
        (carol.email, "A new trusted device"),
    ]


def test_a_backup_email_is_told_added_used_and_to_the_old_one_changed(
    carol: Person, app: Flask
) -> None:
    since = len(letters(app))
    add_backup_email(carol, OLD)
    assert told(app, since) == [(carol.email, "A backup email was added")]
    assert "c•••@home.example" in text_of(letters(app)[-1])

    since = len(letters(app))
    add_backup_email(carol, NEW)
    changed = "Your backup email was changed"
    assert sorted(told(app, since)) == sorted([(carol.email, changed), (OLD, changed)])
    assert all(NEW not in text_of(letter) for letter in letters(app)[since + 1 :])

    since = len(letters(app))
    carol.sign_out()
    carol.sign_in()
    carol.visit("/signin/backup-email")
    carol.press("/signin/backup-email")
    carol.press("/signin/backup-email/code", code=mailed_code(app, NEW))
    assert carol.page.heading == "Two-factor authentication"
    assert told(app, since) == [(carol.email, "Your backup email was used")]


def test_a_replaced_app_is_told_with_the_backup_way_that_came_with_it(
    carol: Person, app: Flask, noon: Traveller
) -> None:
    """Whoever has no backup way left is led to a new one, and told of both."""
    for code in carol.codes:
        sign_in_by_backup_code(carol, code)
    since = len(letters(app))
    carol.visit("/setup/authenticator")
    carol.next()
    key = carol.page.key
    carol.next()
    carol.next(code=app_code(key))
    carol.next(way="email")
    carol.next(address=OLD)
    carol.next(code=mailed_code(app, OLD))

    assert told(app, since) == [
        (carol.email, "Your authenticator app was replaced"),
        (carol.email, "A backup email was added"),
    ]
    assert "You can delete “carol@example.com” in the old app." in text_of(letters(app)[-2])


def test_a_refused_code_is_told_as_nothing_used(carol: Person, app: Flask) -> None:
    carol.sign_out()
    carol.sign_in()
    since = len(letters(app))
    carol.visit("/signin/backup-code")
    carol.press("/signin/backup-code", code="00000000")
    assert told(app, since) == []
