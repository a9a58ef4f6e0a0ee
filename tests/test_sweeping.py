"""What has had its day is deleted: about once an hour, after an answer, by any POST (S-165)."""

from collections.abc import Callable
from datetime import timedelta

from flask import Flask
from time_machine import Traveller

from tests.person import Person, mailed_code

Rows = Callable[[str], list[tuple[object, ...]]]
TABLES = ("void_records", "email_codes", "password_links", "password_tries", "trusted_devices")


def left(rows: Rows) -> dict[str, int]:
    return {table: int(str(rows(f"SELECT count(*) FROM {table}")[0][0])) for table in TABLES}


def leave_something_of_each(app: Flask) -> None:
    """A dead record, a mailed code, a link, a wrong password, and a known browser."""
    carol = Person(app, "carol@example.com")
    carol.sign_in()
    carol.set_up_by_email("carol@home.example")
    carol.sign_out()
    carol.sign_in()
    carol.press("/signin/backup-email")
    carol.press("/signin/backup-email/code", code=mailed_code(app, "carol@home.example"))
    assert carol.page.heading == "Two-factor authentication"
    alice = Person(app, "alice@example.com")
    alice.visit("/signin/forgot")
    alice.press("/signin/forgot", email=alice.email)
    alice.sign_in()
    alice.start()
    alice.visit("/setup")
    Person(app, "somebody@example.com").sign_in("wrong")


def test_what_has_had_its_day_is_gone_after_the_next_post(
    app: Flask, noon: Traveller, rows: Rows
) -> None:
    leave_something_of_each(app)
    before = left(rows)
    assert min(before.values()) >= 1, before

    noon.shift(timedelta(minutes=59))
    Person(app, "nobody@example.com").sign_in("wrong")
    assert left(rows) == before | {"password_tries": before["password_tries"] + 1}

    noon.shift(timedelta(days=31))
    Person(app, "nobody@example.com").visit("/signin")
    assert left(rows)["email_codes"] == before["email_codes"]  # a GET sweeps nothing
    Person(app, "nobody@example.com").sign_in("wrong")
    assert left(rows) == dict.fromkeys(TABLES, 0) | {"password_tries": 1}
