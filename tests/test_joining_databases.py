"""Answers to a request to join that meet one another, or an administrator's act, at one moment."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from db import db
from tests import postgres
from tests.administration import administrator, press
from tests.conftest import install
from tests.person import Person
from tests.test_admin_databases import read, together

PAGE = "/security/organisations"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest) -> Iterator[Callable[[str], dict[str, str]]]:
    """Return what makes a fresh database: SQLite beside the instance, or PostgreSQL."""
    if request.param == "sqlite":
        yield lambda _: {}
        return
    yield lambda name: {"DATABASE_URL": postgres.new_database(postgres.shared(), name)}


@pytest.fixture
def app(
    settings: Callable[[str], dict[str, str]], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Flask]:
    name = "".join(filter(str.isalnum, request.node.name))[-50:].lower()
    if values := settings(name):
        install(tmp_path / "instance")  # an application on such a database wants its keys at once
    made = install(tmp_path / "instance", **values)
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture
def dora(app: Flask) -> Person:
    """Dora has asked Bob."""
    dora = administrator(app)
    dora.visit("/admin/people/add")
    press(dora, "Add people", people="Old Bert, bob@example.com")
    with app.app_context():  # so that who is in may still answer, and is told that it is over
        db.session.execute(text("UPDATE organisations SET enforcement = 'off'"))
        db.session.commit()
    return dora


def posts(person: Person, path: str, **fields: str) -> Callable[[], TestResponse]:
    """Return the POST of a browser of its own that has the person's cookie."""
    form = person.page.hidden() | fields
    cookie = person.client.get_cookie("onward")
    assert cookie is not None
    browser = person.app.test_client()
    browser.set_cookie("onward", cookie.value)
    return lambda: browser.post(path, data=form, buffered=True)


def asked(app: Flask) -> Person:
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.visit(PAGE)
    return bob


def is_whole(app: Flask) -> None:
    """Nothing of a placeholder is left without it, and Bob is there once at most."""
    with app.app_context():
        left = "SELECT count(*) FROM {0} t WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id"
        for table in ("throttles", "memberships", "password_links", "events"):
            query = text(f"{left.format(table)} = t.account_id) AND t.account_id IS NOT NULL")
            assert db.session.scalar(query) == 0
    ties = read(
        app,
        "SELECT count(*) FROM memberships m JOIN accounts a ON a.id = m.account_id WHERE"
        " organisation_id = 1 AND (a.id = 2 OR a.asked_email = 'bob@example.com')",
    )
    assert ties == [(1,)]


def test_many_acceptances_at_once_make_one_membership(app: Flask, dora: Person) -> None:
    bob = asked(app)
    (number,) = read(app, "SELECT id FROM join_requests")[0]

    statuses = together(*[posts(bob, f"{PAGE}/{number}/accept") for _ in range(8)])

    assert sorted(statuses) == [303] + [409] * 7
    assert read(app, "SELECT count(*) FROM events WHERE kind = 'joined'") == [(1,)]
    assert read(app, "SELECT role FROM memberships WHERE account_id = 2 ORDER BY 1") == [
        ("member",),
        ("member",),
    ]
    is_whole(app)


def test_of_yes_and_no_at_once_one_counts(app: Flask, dora: Person) -> None:
    bob = asked(app)
    (number,) = read(app, "SELECT id FROM join_requests")[0]

    acts = [posts(bob, f"{PAGE}/{number}/{act}") for act in ("accept", "decline") * 3]
    statuses = together(*acts)

    assert sorted(statuses) == [303] + [409] * 5
    told = read(app, "SELECT kind FROM events WHERE kind IN ('joined', 'join declined')")
    assert len(told) == 1
    joined = read(app, "SELECT count(*) FROM memberships WHERE account_id = 2")
    assert joined == [(2 if told == [("joined",)] else 1,)]
    is_whole(app)


@pytest.mark.parametrize("act", ["role", "invite", "disable", "enable", "unlock"])
def test_an_acceptance_that_meets_an_administrator_s_act_is_answered_in_words(
    app: Flask, dora: Person, act: str
) -> None:
    with app.app_context():
        # Something to do for every act.
        db.session.execute(text("UPDATE throttles SET failures = 3, wrong_at = '[1]'"))
        db.session.execute(text("DELETE FROM password_links"))
        db.session.commit()
    bob = asked(app)
    (number, placeholder) = read(app, "SELECT id, placeholder_id FROM join_requests")[0]

    acts = [posts(dora, f"/admin/people/{placeholder}/{act}", role="admin") for _ in range(3)]
    accepted, *acted = together(posts(bob, f"{PAGE}/{number}/accept"), *acts)

    assert accepted in ({303, 409} if act == "disable" else {303})
    assert set(acted) <= {303, 404, 409}
    is_whole(app)
    if act == "role" and 303 in acted:
        # A change that came first is what was joined with.
        changed = read(app, "SELECT count(*) FROM events WHERE kind = 'role changed'")
        role = read(
            app, "SELECT role FROM memberships WHERE account_id = 2 AND organisation_id = 1"
        )
        assert role == [("admin" if changed == [(1,)] else "member",)]


def test_two_who_ask_the_same_person_at_once_ask_once(app: Flask) -> None:
    admins = [administrator(app, "dora"), administrator(app, "adam", role="admin")]
    for one in admins:
        one.visit("/admin/people/add")

    add = "/admin/people/add"
    statuses = sorted(
        together(*[posts(one, add, people="Bert, bob@example.com") for one in admins])
    )

    assert statuses in ([200, 409], [200, 422])
    assert read(app, "SELECT count(*) FROM join_requests") == [(1,)]
    is_whole(app)
