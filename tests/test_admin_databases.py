"""Administration on SQLite and on PostgreSQL: the same answers, and acts that meet."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from db import db
from tests import postgres
from tests.administration import administrator, lines, press, table
from tests.conftest import install
from tests.person import Person


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Callable[[str], dict[str, str]]]:
    """Return what makes a fresh database: SQLite beside the instance, or PostgreSQL."""
    if request.param == "sqlite":
        yield lambda _: {}
        return
    yield lambda name: {"DATABASE_URL": postgres.new_database(postgres.shared(), name)}


@pytest.fixture
def app(
    database: Callable[[str], dict[str, str]], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Flask]:
    name = "".join(filter(str.isalnum, request.node.name))[-50:].lower()
    settings = database(name)
    if settings:
        install(tmp_path / "instance")  # an application on such a database wants its keys at once
    made = install(tmp_path / "instance", **settings)
    yield made
    with made.app_context():
        db.engine.dispose()


def change(app: Flask, statement: str, **values: object) -> None:
    with app.app_context():
        db.session.execute(text(statement), values)
        db.session.commit()


def read(app: Flask, query: str) -> list[tuple[object, ...]]:
    with app.app_context():
        return [tuple(row) for row in db.session.execute(text(query))]


def test_every_page_and_act_works(app: Flask) -> None:
    dora = administrator(app)
    dora.visit("/admin/people/add")
    press(dora, "Add people", people="\n".join(f"P{n:03}, p{n}@example.com" for n in range(60)))
    assert "60 people were added." in dora.page.words
    carol = Person(app, "carol@example.com")
    carol.sign_in()
    carol.set_up()
    thirty = "[" + ", ".join(["1900000000"] * 30) + "]"
    change(app, f"UPDATE throttles SET wrong_at = '{thirty}' WHERE account_id = 3")

    dora.visit("/admin/people")
    assert "63 All" in dora.page.words
    assert "1 Locked" in dora.page.words
    assert len(table(dora.page)) == 50
    dora.visit(re.findall(r'href="([^"]*after=[^"]*)"', dora.page.text)[0])
    assert len(table(dora.page)) == 13
    press(dora, "Search", search="CAROL")
    assert table(dora.page)[0][3] == "Locked On"
    press(dora, "Download CSV")
    assert lines(dora.page)[1][:5] == ["Carol", "carol@example.com", "member", "on", "yes"]

    dora.visit("/admin/people/3")
    for button, values in (
        ("Unlock", {}),
        ("Disable", {}),
        ("Let back in", {}),
        ("Reset two-factor authentication", {}),
        ("Reset two-factor authentication", {"reason": "Lost the phone"}),
    ):
        press(dora, button, **values)
        assert dora.page.status == 200
    assert dora.page.heading == "Two-factor authentication was reset"
    dora.visit("/admin/people/3")
    press(dora, "Change role", role="admin")
    dora.visit("/admin/audit")
    press(dora, "Filter", search="carol", since="2020-01-01")
    assert [row[2].split("  ")[0] for row in table(dora.page)][:4] == [
        "Role changed · member to admin",
        "Two-factor reset Lost the phone",
        "Let back in",
        "Disabled",
    ]
    press(dora, "Download CSV")
    assert len(lines(dora.page)) > 5
    assert "1 of 63 people are protected today." in dora.visit("/admin/progress").words


def together(*acts: Callable[[], TestResponse]) -> list[int]:
    """Start all at the same moment; return their statuses."""
    gate = Barrier(len(acts))

    def run(act: Callable[[], TestResponse]) -> int:
        gate.wait()
        return act().status_code

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_a_double_click_resets_once_and_shows_one_code(app: Flask) -> None:
    dora = administrator(app)
    carol = Person(app, "carol@example.com")
    carol.sign_in()
    carol.set_up()
    dora.visit("/admin/people/3/reset")
    fields = dora.page.hidden() | {"reason": "Lost the phone", "once": str(dora.page.value("once"))}
    codes = []

    def reset() -> TestResponse:
        browser = app.test_client()
        cookie = dora.client.get_cookie("onward")
        assert cookie is not None
        browser.set_cookie("onward", cookie.value)
        answer = browser.post("/admin/people/3/reset", data=fields, buffered=True)
        codes.append(re.findall(r'id="reset-code">([^<]+)<', answer.text))
        return answer

    assert together(*[reset] * 4) == [200] * 4

    assert len(codes[0]) == 1
    assert codes == [codes[0]] * 4
    assert read(app, "SELECT count(*) FROM events WHERE kind = 'two-factor reset'") == [(1,)]
    assert read(app, "SELECT count(*) FROM outbox WHERE kind = 'reset'") == [(1,)]


@pytest.mark.parametrize("act", ["disable", "role"])
def test_two_owners_do_not_remove_one_another(app: Flask, act: str) -> None:
    """An organisation keeps an owner who can sign in, however the two requests meet."""
    owners = [administrator(app, name) for name in ("dora", "olga")]
    ids = {"dora": 4, "olga": 5}
    paths = [f"/admin/people/{ids[other]}/{act}" for other in ("olga", "dora")]
    forms = [owner.visit("/admin/people").hidden() for owner in owners]

    def press_of(place: int) -> Callable[[], TestResponse]:
        form = forms[place] | {"role": "member"}
        return lambda: owners[place].client.post(paths[place], data=form, buffered=True)

    statuses = together(press_of(0), press_of(1))

    assert statuses.count(303) >= 1
    assert set(statuses) <= {303, 403, 409}
    left = read(
        app,
        "SELECT count(*) FROM memberships m JOIN accounts a ON a.id = m.account_id"
        " WHERE m.role = 'owner' AND m.organisation_id = 1 AND a.disabled_at IS NULL",
    )
    assert left == [(1,)], statuses


def test_nobody_is_added_twice_by_two_who_add_at_once(app: Flask) -> None:
    admins = [administrator(app, "dora"), administrator(app, "adam", role="admin")]
    forms = [one.visit("/admin/people/add").hidden() for one in admins]
    people = "\n".join(f"P, p{n}@example.com" for n in range(50))

    def press_of(place: int) -> Callable[[], TestResponse]:
        form = forms[place] | {"people": people}
        return lambda: admins[place].client.post("/admin/people/add", data=form, buffered=True)

    statuses = sorted(together(press_of(0), press_of(1)))

    assert statuses in ([200, 409], [200, 422])
    assert read(app, "SELECT count(*) FROM accounts WHERE name = 'P'") == [(50,)]
