"""The page of progress: how many are protected over time, and where set-ups end."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from time_machine import Traveller

from db import db
from tests.administration import administrator, table
from tests.conftest import NOON, set_up_before_noon
from tests.person import Person, app_code
from tests.test_budgets import counted
from tests.test_people import many

Rows = Callable[[str], list[tuple[object, ...]]]


def change(app: Flask, *statements: str) -> None:
    with app.app_context():
        for statement in statements:
            db.session.execute(text(statement))
        db.session.commit()


@pytest.fixture
def dora(app: Flask, noon: Traveller) -> Person:
    """Dora's organisation is old; she set up now, Carol 20 days ago, Alice never."""
    change(
        app,
        "UPDATE organisations SET created_at = '2030-01-01'",
        "UPDATE accounts SET created_at = '2031-04-01' WHERE id IN (1, 3)",
        "UPDATE memberships SET since = '2031-04-01' WHERE account_id IN (1, 3)",
    )
    set_up_before_noon(app, noon, "carol", earlier=timedelta(days=20))
    noon.move_to(NOON - timedelta(minutes=10))
    dora = administrator(app)
    noon.move_to(NOON)
    return dora


def test_the_table_has_the_numbers_of_the_chart(dora: Person) -> None:
    dora.visit("/admin/progress")

    assert dora.page.heading == "Progress"
    assert "2 of 3 people are protected today." in dora.page.words
    rows = table(dora.page)
    assert rows[:5] == [
        ["6 May 2031", "2", "3"],
        ["29 Apr 2031", "1", "2"],
        ["22 Apr 2031", "1", "2"],
        ["15 Apr 2031", "0", "2"],
        ["8 Apr 2031", "0", "2"],
    ]
    assert rows[5] == ["1 Apr 2031", "0", "2"]
    assert rows[6:] == [[row[0], "0", "0"] for row in rows[6:]]
    assert len(rows) == dora.page.text.count('class="dot"') == 13


def test_the_chart_has_a_name_and_no_style_of_its_own(dora: Person) -> None:
    page = dora.visit("/admin/progress").response.text
    (chart,) = re.findall(r'<svg class="chart" viewBox="0 0 640.*?</svg>', page, re.S)

    assert 'role="img" aria-labelledby="chart-name"' in chart
    assert '<title id="chart-name">How many people are protected' in chart
    assert "style" not in page.partition("<main>")[2]


def test_a_replaced_app_counts_once_and_a_reset_takes_away(
    app: Flask, dora: Person, noon: Traveller
) -> None:
    carol = Person(app, "carol@example.com")
    app.test_cli_runner().invoke(
        args=["account", "reset", "carol@example.com", "--reason", "Lost her phone"]
    )

    assert "1 of 3 people are protected today." in dora.visit("/admin/progress").words
    assert table(dora.page)[1] == ["29 Apr 2031", "1", "2"]
    assert carol.visit("/security").heading == "Sign in"


def test_a_young_organisation_is_shown_day_by_day(app: Flask, dora: Person) -> None:
    change(app, f"UPDATE organisations SET created_at = '{NOON - timedelta(days=3):%Y-%m-%d}'")

    assert [row[0] for row in table(dora.visit("/admin/progress"))[:2]] == [
        "6 May 2031",
        "5 May 2031",
    ]


def test_it_tells_where_set_ups_end(app: Flask, dora: Person, noon: Traveller) -> None:
    alice = Person(app, "alice@example.com")
    alice.sign_in()
    alice.start()
    alice.visit("/setup")
    alice.next()
    alice.visit("/setup")
    alice.next()
    alice.key = alice.page.key
    alice.next()
    alice.next(code=app_code(alice.key))
    noon.shift(timedelta(minutes=16))
    alice.visit("/setup")

    page = dora.visit("/admin/progress")

    assert "In the last 90 days: 2 finished, 3 ended early." in page.words
    ends = page.text.partition('id="ends"')[2]
    body = re.search(r"<tbody>(.*?)</tbody>", ends, re.S)
    assert body is not None
    told = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in body[1].split("</tr>")]
    assert told[:2] == [
        "Scan the QR code opened again or reloaded 2",
        "Choose a backup way took too long 1",
    ]


def test_a_set_up_that_was_brought_back_did_not_end(app: Flask, dora: Person, rows: Rows) -> None:
    alice = Person(app, "alice@example.com", htmx=True)
    alice.sign_in()
    alice.visit("/setup")
    alice.next()
    proof = alice.come_back()
    alice.press("/setup/resume", proof=proof)

    kinds = [row[0] for row in rows("SELECT kind FROM events WHERE account_id = 1 ORDER BY id")]
    assert kinds[-2:] == ["voided: set-up", "resumed: set-up"]
    assert "2 finished, 0 ended early." in dora.visit("/admin/progress").words
    assert "None ended early." in dora.page.words


def test_it_costs_the_same_for_many_people(app: Flask, dora: Person) -> None:
    dora.visit("/admin/progress")
    costs = []
    for count in (0, 300):
        many(app, count)
        with counted(app) as cost:
            dora.visit("/admin/progress")
        costs.append(cost.statements)

    assert costs[0] == costs[1] <= 6
    assert "2 of 303 people" in dora.page.words
