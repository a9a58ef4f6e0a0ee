"""What each act may cost: statements, commits and bytes (DESIGN.md, section 9)."""

import gzip
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from flask import Flask
from sqlalchemy import event

from db import db
from tests.person import Page, Person, app_code, mailed_code

SECOND_FACTOR = 10
"""The gate, the budget read and charged, the code, the budget again, the browser, the event."""
NOTICE, DELIVERY = 2, 3
"""What is left is counted, the mail written; then it is claimed, sent and marked."""
STEP_STATEMENTS, FINISH_STATEMENTS = 4, 10
FRAGMENT, SCAN, FIRST_VISIT = 4096, 6144, 60 * 1024


@dataclass
class Cost:
    """Statements and commits of one act."""

    statements: int = 0
    commits: int = 0


@contextmanager
def counted(app: Flask) -> Iterator[Cost]:
    """Count what the block does with the database; BEGIN and PRAGMA are no statements."""
    cost = Cost()
    with app.app_context():
        engine = db.engine

    def statement(*arguments: object) -> None:
        cost.statements += not str(arguments[2]).startswith(("BEGIN", "PRAGMA"))

    def commit(*arguments: object) -> None:
        cost.commits += 1

    event.listen(engine, "before_cursor_execute", statement)
    event.listen(engine, "commit", commit)
    try:
        yield cost
    finally:
        event.remove(engine, "before_cursor_execute", statement)
        event.remove(engine, "commit", commit)


def step(app: Flask, act: Callable[[], Page], most: int = STEP_STATEMENTS) -> Page:
    """Do one step and hold it to the budget."""
    with counted(app) as cost:
        page = act()
    assert cost.statements <= most, (page.heading, cost)
    assert cost.commits == 1, (page.heading, cost)
    return page


@pytest.fixture
def person(app: Flask) -> Person:
    """Must set up, with htmx: the path most people walk."""
    alice = Person(app, "alice@example.com", htmx=True)
    alice.sign_in()
    alice.visit("/setup")
    return alice


def compressed(page: Page) -> int:
    return len(gzip.compress(page.response.data))


def test_each_step_keeps_to_its_statements_and_bytes(app: Flask, person: Person) -> None:
    scan = step(app, person.next)
    key = scan.key
    verify = step(app, person.next)
    wrong = step(app, lambda: person.next(code="000000"))
    backup = step(app, lambda: person.next(code=app_code(key)))
    codes = step(app, lambda: person.next(way="codes"))

    assert compressed(scan) <= SCAN
    assert max(map(compressed, (verify, wrong, backup, codes))) <= FRAGMENT


def test_the_finishing_post_keeps_to_its_statements(app: Flask, person: Person) -> None:
    person.to_codes()
    form = person.page.hidden()

    with counted(app) as cost:
        # The mail leaves when the answer is closed: after the act and apart from it.
        response = person.client.post(
            "/setup", data=form | {"saved": "1"}, headers={"HX-Request": "true"}, buffered=False
        )
        at_answer = Cost(cost.statements, cost.commits)
        response.close()

    assert response.status_code == 200
    assert at_answer.statements <= FINISH_STATEMENTS
    assert at_answer.commits == 1


@pytest.mark.parametrize("word", ["hidden", "shown", "gone"])
def test_a_word_of_a_page_costs_one_update(app: Flask, person: Person, word: str) -> None:
    """Every switch to the app sends two of them: the gate's read, and the note."""
    person.to_verify()

    with counted(app) as cost:
        assert person.say(word).status_code == 204

    assert (cost.statements, cost.commits) == (2, 1)


def test_the_step_that_mails_a_code_keeps_to_its_statements(app: Flask, person: Person) -> None:
    person.to_backup()
    person.next(way="email")

    with counted(app) as cost:
        page = person.next(address="home@example.org")

    assert page.heading == "Check your email"
    # The act itself, then the delivery: claimed, read and marked, each committed at once.
    assert cost.statements <= STEP_STATEMENTS + 3
    assert cost.commits <= 1 + 3
    assert compressed(page) <= FRAGMENT


def test_a_sign_in_keeps_to_its_statements(app: Flask, carol: Person) -> None:
    carol.visit("/signin")
    form = carol.page.hidden() | {"email": carol.email, "password": "correct horse battery staple"}
    with counted(app) as password:
        carol.show(carol.post("/signin", form))
    assert password.statements <= 12  # the page that follows is counted too
    assert password.commits == 1

    for path, code in (
        ("/signin/code", app_code(carol.key)),
        ("/signin/backup-code", carol.codes[0]),
    ):
        if path != "/signin/code":
            carol.sign_out()
            carol.sign_in()
        form = carol.page.hidden()
        with counted(app) as second:
            answer = carol.post(path, form | {"code": code})
        assert answer.status_code == 303
        mailed = path != "/signin/code"  # written within the act, delivered after the answer
        assert second.statements <= SECOND_FACTOR + (NOTICE + DELIVERY if mailed else 0), path
        assert second.commits <= 1 + (DELIVERY if mailed else 0), path


def test_a_sign_in_by_emailed_code_keeps_to_its_statements(app: Flask) -> None:
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.set_up_by_email("bob@home.example")
    bob.sign_out()
    bob.sign_in()
    form = bob.page.hidden()
    with counted(app) as sent:
        assert bob.post("/signin/backup-email", form).status_code == 303
    # The act itself, then the delivery: claimed, read and marked, each committed at once.
    assert sent.statements <= 5 + 3
    assert sent.commits <= 1 + 3

    with counted(app) as second:
        answer = bob.post("/signin/backup-email/code", form | {"code": mailed_code(app)})
    assert answer.status_code == 303
    # Which code was mailed is asked as well.
    assert second.statements <= SECOND_FACTOR + 1 + NOTICE + DELIVERY
    assert second.commits <= 1 + DELIVERY


def test_the_first_visit_is_light(app: Flask, person: Person) -> None:
    page = person.visit("/setup")
    weight = compressed(page)
    for path in set(re.findall(r'(?:href|src)="(/(?:static|favicon)[^"]*)"', page.text)):
        with person.client.get(path) as asset:
            weight += len(gzip.compress(asset.data))

    assert weight <= FIRST_VISIT
