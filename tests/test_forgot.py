"""Forgot your password: the same is done for every address before the answer (S-152)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from flask import Flask, template_rendered
from flask.testing import FlaskClient
from sqlalchemy import text
from time_machine import Traveller

import clock
from accounts import link_requests
from accounts.password_link import LIFE
from db import db
from mail.carrier import EXTENSION
from tests.conftest import add_person
from tests.person import Page, Person, letters, text_of
from tests.test_budgets import counted
from tests.test_passwords import forget

Rows = Callable[[str], list[tuple[object, ...]]]
WAITING = "SELECT count(*) FROM link_requests"


@dataclass(frozen=True)
class Work:
    """What is done for a request before its answer has left."""

    statements: int
    commits: int
    templates: tuple[str, ...]
    stored: int


def page_of(app: Flask, person: Person) -> FlaskClient:
    """Return the browser on the page; one that does not wait for mails as other tests' does."""
    browser = FlaskClient(app, app.response_class, use_cookies=True)
    device = person.client.get_cookie("device")
    if device is not None:
        browser.set_cookie("device", device.value)
    return browser


def asks(app: Flask, person: Person, email: str) -> Work:
    browser = page_of(app, person)
    token = Page(browser.get("/signin/forgot")).hidden()["csrf_token"]
    rendered: list[str] = []

    def note(_: object, template: object, **more: object) -> None:
        rendered.append(str(getattr(template, "name", "")))

    with template_rendered.connected_to(note, app), counted(app) as cost:
        form = {"email": email, "csrf_token": token}
        answer = browser.post("/signin/forgot", data=form)
        made = Work(cost.statements, cost.commits, tuple(rendered), stored(app))
    assert Page(answer).heading == "Check your email"
    answer.close()
    app.extensions[EXTENSION].settle()
    return made


def stored(app: Flask) -> int:
    """Return how many characters of the newest request are stored."""
    with app.app_context():
        newest = "SELECT length(sealed_request) FROM link_requests ORDER BY id DESC LIMIT 1"
        return int(db.session.scalar(text(newest)) or 0)


def test_the_same_work_is_done_for_everybody(app: Flask, rows: Rows) -> None:
    """F9: rendering a mail took a known address twice as long. By counts, not by a clock."""
    for name in ("dora", "ella", "fred", "hugo"):
        add_person(app, name, "Reading Room")
    forget(app, "hugo@example.com")  # so that his next one is too early
    app.test_cli_runner().invoke(args=["account", "disable", "dora@example.com"])
    with app.app_context():
        where = "WHERE email = 'ella@example.com'"
        db.session.execute(text(f"UPDATE accounts SET password_hash = NULL {where}"))
        db.session.commit()
    mailed = len(letters(app))

    stranger = Person(app, "fred@example.com")
    names = ("fred", "hugo", "mary", "dora", "ella")
    works = [asks(app, stranger, f"{name}@example.com") for name in names]

    assert works == [Work(1, 1, ("accounts/link_mailed.html",), works[0].stored)] * len(names)
    assert [str(letter["To"]) for letter in letters(app)[mailed:]] == ["fred@example.com"]
    assert rows(WAITING) == [(0,)]


def test_what_is_stored_meanwhile_names_nobody(app: Flask) -> None:
    browser = page_of(app, Person(app, "bob@example.com"))
    token = Page(browser.get("/signin/forgot")).hidden()["csrf_token"]
    browser.post("/signin/forgot", data={"email": "bob@example.com", "csrf_token": token})
    with app.app_context():
        row = db.session.execute(text("SELECT * FROM link_requests")).one()
    assert "bob" not in json.dumps([str(value) for value in row])


def test_mail_and_event_tell_of_the_browser_that_asked(app: Flask, rows: Rows) -> None:
    person = Person(app, "bob@example.com")
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    person.client.environ_base |= {"REMOTE_ADDR": "192.0.2.9", "HTTP_USER_AGENT": agent}
    person.visit("/signin/forgot")
    person.press("/signin/forgot", email=person.email)
    told = "SELECT kind, address, browser, system FROM events ORDER BY id DESC LIMIT 1"
    assert rows(told) == [("password link mailed", "192.0.2.9", "Firefox", "Linux")]
    assert "Firefox" in text_of(letters(app)[-1])


def left_behind(app: Flask, email: str = "bob@example.com") -> None:
    """Leave a request whose process ended before it was done."""
    with app.test_request_context():
        link_requests.put(email, clock.now())
        db.session.commit()


def test_a_request_that_a_process_left_behind_is_done_with_the_mails_that_are_due(
    app: Flask, rows: Rows
) -> None:
    left_behind(app)
    done = app.test_cli_runner().invoke(args=["mail", "deliver"])
    assert (done.exit_code, done.output) == (0, "1 of 1 due mails sent.\n")
    assert "/signin/reset/" in text_of(letters(app)[-1])
    assert rows(WAITING) == [(0,)]


def test_one_that_is_too_old_mails_nothing(app: Flask, noon: Traveller, rows: Rows) -> None:
    left_behind(app)
    noon.shift(LIFE)
    done = app.test_cli_runner().invoke(args=["mail", "deliver"])
    assert (done.exit_code, done.output) == (0, "0 of 0 due mails sent.\n")
    assert rows(WAITING) == [(0,)]
    assert letters(app) == []


def test_two_that_find_the_same_request_mail_one_link(
    app: Flask, noon: Traveller, rows: Rows
) -> None:
    left_behind(app)
    noon.shift(timedelta(seconds=1))
    with app.app_context():
        link_requests.do_left_ones()
        link_requests.do_left_ones()
        link_requests.do(1)
    assert rows("SELECT count(*) FROM outbox") == [(1,)]
