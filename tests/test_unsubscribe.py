"""The one endpoint that takes a foreign POST: it ends one person's reminders and nothing else."""

from collections.abc import Callable

import pytest
from flask import Flask

from accounts import unsubscribe
from tests.person import Page, Person

Snapshot = Callable[[], dict[str, list[str]]]
FOREIGN = {"Sec-Fetch-Site": "cross-site", "Origin": "https://mail.example"}


@pytest.fixture
def path(app: Flask) -> str:
    with app.app_context():
        link = unsubscribe.link(2)
    assert link.startswith("http://127.0.0.1:5000/help/unsubscribe/")
    assert "bob" not in link
    return link.removeprefix("http://127.0.0.1:5000")


def changed(before: dict[str, list[str]], after: dict[str, list[str]]) -> set[str]:
    return {table for table in after if after[table] != before[table]}


def test_a_mail_program_ends_them_with_one_post(app: Flask, path: str, snapshot: Snapshot) -> None:
    """RFC 8058: without cookies, form or sign-in; twice is once."""
    before = snapshot()
    for _ in range(2):
        data = {"List-Unsubscribe": "One-Click"}
        assert app.test_client().post(path, data=data, headers=FOREIGN).status_code == 303
    after = snapshot()
    assert changed(before, after) == {"accounts", "events"}
    assert len(set(after["accounts"]) - set(before["accounts"])) == 1
    assert len(after["events"]) == len(before["events"]) + 1


def test_looking_changes_nothing_and_the_button_does(
    app: Flask, path: str, snapshot: Snapshot
) -> None:
    bob, before = Person(app, "bob@example.com"), snapshot()
    for _ in range(3):
        assert bob.visit(path).heading == "Reminders by email"
    assert snapshot() == before
    assert "We send no more reminders." in bob.press(path).words


@pytest.mark.parametrize("token", ["x", "2", "Mg.x", "ticket"])
def test_no_other_address_ends_anything(
    app: Flask, alice: Person, snapshot: Snapshot, token: str
) -> None:
    """S-121: a signed value of another purpose is none."""
    alice.start()
    if token == "ticket":
        token = str(alice.page.value("ticket"))
    before = snapshot()
    answer = app.test_client().post(f"/help/unsubscribe/{token}", headers=FOREIGN)
    assert answer.status_code == 404
    assert snapshot() == before


def test_no_other_post_of_another_site_is_taken(app: Flask) -> None:
    """S-131."""
    bob = Person(app, "bob@example.com")
    bob.visit("/signin")
    form = bob.page.hidden() | {"email": bob.email, "password": "x"}
    for path in ("/signin", "/signout", "/setup"):
        answer = bob.client.post(path, data=form, headers=FOREIGN)
        assert Page(answer).status == 403
