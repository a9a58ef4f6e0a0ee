"""Odd numbers, dates and texts at every form of an administrator, and at every other page.

On SQLite and PostgreSQL, which stumble over different ones.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from werkzeug.test import TestResponse

from db import db
from tests import postgres
from tests.administration import add, administrator
from tests.conftest import NOON, addresses_of, install
from tests.person import Person

NUL, LONE, RTL = "\0", "\ud800", "\u202e"
ODD = [
    *(
        "",
        " ",
        "0",
        "-1",
        "-0",
        "+7",
        "007",
        "1e3",
        "0x10",
        "1_0",
        "1.5",
        "NaN",
        "inf",
        "365",
        "366",
    ),
    *("00000000099999999", "99999999", str(2**31), str(2**63), str(2**64), "9" * 5000),
    *("１２", "٣", "²", "Ⅷ", "৪", "7" + NUL, " 7 ", "7\n"),
    *("0001-01-01", "0000-00-00", "1999-12-31", "2032-02-29", "2033-02-29", "2199-12-31"),
    *("2200-01-01", "9999-12-31", "10000-01-01", "20320101", "2032-W01-1", "２０３２-０１-０１"),
    *(" 2032-01-01", "2032-01-01T00:00", "-0001-01-01", "hard", "soft", "off", "owner", "queen"),
    *(
        NUL,
        "a" + NUL,
        LONE,
        "a" + LONE,
        RTL + "abc",
        "\u200f",
        "a\r\nb",
        "\u2028",
        "\x85",
        "\x1b[0m",
    ),
    *("x" * 121, "x" * 201, "é" * 300, "😀" * 99, "%", "_", "\\", "'", '"', "=1+1", "\ufeff"),
    *(f"Erin{NUL}, erin@example.com", f"E, e{NUL}@example.com", f"E, e@example.com, {NUL}"),
    *(f"Fay{RTL}, fay@example.com", f"{'F' * 121}, f@example.com", f"G, {'g' * 300}@example.com"),
    *("É" * 120 + ", accents@example.com", "H, h@" + "ü" * 60 + ".example.com", '"', '"H, h@h.h'),
]
"""Values with which forms elsewhere were taken down."""
FORMS: dict[str, tuple[str, ...]] = {
    "admin.people.search": ("search", "state", "after"),
    "admin.people.export": ("search", "state", "after"),
    "admin.adding.submit": ("people",),
    "admin.reminder.submit": (),
    "admin.person.unlock": (),
    "admin.person.disable": (),
    "admin.person.change_role": ("role",),
    "admin.person.invite": (),
    "admin.person.enable": (),
    "admin.reset.submit": ("reason", "once"),
    "admin.enforcement.choose": ("level", "hard_from", "grace_days"),
    "admin.enforcement.confirm": ("level", "hard_from", "grace_days"),
    "admin.audit.search": ("kind", "person", "search", "since", "until", "before"),
    "admin.audit.export": ("kind", "person", "search", "since", "until", "before"),
}
"""Every form of an administrator and its fields: a new one belongs in here."""
ARGUMENTS = ("organisation", "state", "after", "before", "kind", "person", "since", "until")
"""What stands in addresses of administration."""
VALUES = st.one_of(
    st.sampled_from(ODD),
    st.text(max_size=20),
    st.text(st.characters(categories=["Cs", "Cc", "Cf", "Nd", "Zl", "Zp"]), max_size=9),
    st.integers(-(2**70), 2**70).map(str),
    st.dates().map(str),
)
BEYOND = """
    SELECT name FROM organisations WHERE NOT grace_days BETWEEN 0 AND 365
    OR hard_from < '2000-01-01 00:00:00+00' OR hard_from >= '2200-01-01 00:00:00+00'
    OR enforcement NOT IN ('off', 'soft', 'hard')
"""
"""Organisations that no form may leave behind."""
TEXTS = {
    ("accounts", "name"): 120,
    ("accounts", "email"): 254,
    ("organisations", "name"): 120,
    ("events", "factor"): 100,
    ("events", "result"): 300,
    ("events", "reason"): 200,
    ("outbox", "recipient"): 254,
    ("sign_ins", "proof_for"): 1000,
    ("sign_ins", "next_path"): 1000,
}
"""Columns that a typed text reaches, and how many characters each may hold."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    instance: Path = tmp_path_factory.mktemp("odd") / "instance"
    made = install(instance)
    if request.param == "sqlite":
        yield made
        return
    made = install(instance, DATABASE_URL=postgres.new_database(postgres.shared(), "odd"))
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture(scope="module")
def dora(app: Flask) -> Iterator[Person]:
    """The owner of the Reading Room; the clock stands, so that her proof stays fresh."""
    with time_machine.travel(NOON, tick=False):
        dora = administrator(app, organisation="Reading Room")
        add(app, "erin", "Reading Room")
        add(app, "owen", "Reading Room", "owner")
        yield dora


def post(client: FlaskClient, path: str, fields: dict[str, str]) -> TestResponse:
    """Send a form as bytes, so that half a surrogate pair can be sent as well."""
    body = urlencode(fields, encoding="utf-8", errors="surrogatepass").encode()
    kind = "application/x-www-form-urlencoded"
    return client.post(path, data=body, content_type=kind, buffered=True)


def path_of(app: Flask, endpoint: str) -> str:
    rule = next(r for r in app.url_map.iter_rules() if r.endpoint == endpoint)
    return re.sub(r"<[^<>]*>", "5", rule.rule)


def stored_beyond(app: Flask) -> list[object]:
    with app.app_context():
        return [tuple(row) for row in db.session.execute(text(BEYOND))]


def check(app: Flask) -> None:
    """Hold that members get in, that reminders leave, and that nothing is stored out of bounds."""
    bob = Person(app, "bob@example.com")
    assert bob.sign_in().heading in {
        "Two-factor authentication",
        "Set up two-factor authentication",
    }
    reminded = app.test_cli_runner().invoke(args=["remind"])
    assert reminded.exit_code == 0, reminded.output
    assert stored_beyond(app) == []
    with app.app_context():
        for (table, column), most in TEXTS.items():
            query = f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"
            for (value,) in db.session.execute(text(query)):
                assert len(value) <= most, (table, column, value)
                assert value.isprintable(), (table, column, value)


def test_every_form_of_an_administrator_is_tried(app: Flask) -> None:
    posted = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("admin.") and "POST" in (rule.methods or ())
    }
    assert posted == set(FORMS)


GOOD = {"level": "soft", "reason": "Lost", "once": "1", "role": "member"}
"""What the other fields hold while one is odd; without these all of them are odd at once."""


@pytest.mark.parametrize("endpoint", FORMS)
def test_no_odd_value_takes_a_form_down(app: Flask, dora: Person, endpoint: str) -> None:
    token, fields = dora.visit("/admin/people").hidden(), FORMS[endpoint]
    path, good = path_of(app, endpoint), {name: GOOD.get(name, "") for name in fields}
    apart = [{name} for name in fields] if set(fields) & set(GOOD) else [set(fields)]
    for odd in apart:
        for value in ODD if odd else [""]:
            sent = {name: value if name in odd else good[name] for name in fields}
            assert post(dora.client, path, token | sent).status_code < 500, (odd, value)
            assert stored_beyond(app) == [], (odd, value)
    check(app)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    endpoint=st.sampled_from(sorted(FORMS)),
    values=st.lists(VALUES, min_size=6, max_size=6),
    argument=st.none() | st.tuples(st.sampled_from(ARGUMENTS), VALUES),
)
def test_whatever_is_typed_the_gate_answers_and_reminders_leave(
    app: Flask, dora: Person, endpoint: str, values: Sequence[str], argument: tuple[str, str] | None
) -> None:
    token = dora.visit("/admin/people").hidden()
    path = path_of(app, endpoint)
    if argument is not None:
        path += "?" + urlencode([argument], encoding="utf-8", errors="surrogatepass")
    sent = dict(zip(FORMS[endpoint], values, strict=False))
    assert post(dora.client, path, token | sent).status_code < 500
    check(app)


@pytest.mark.parametrize("number", ["0", "-1", "007", "１", str(2**31), str(2**63), "9" * 5000])
def test_no_number_of_a_person_takes_a_page_down(app: Flask, dora: Person, number: str) -> None:
    for path in (f"/admin/people/{number}", f"/admin/people/{number}/reset"):
        assert dora.client.get(path).status_code == 404
    for name in ARGUMENTS:
        for page in ("/admin/people", "/admin/audit", "/admin/progress", "/admin/people/remind"):
            answer = dora.client.get(page, query_string={name: number}, buffered=True)
            assert answer.status_code in {200, 404}, (page, name)


FIELDS: tuple[str, ...] = (
    "email",
    "password",
    "code",
    "old",
    "new",
    "ticket",
    "entry",
    "view",
    "address",
    "way",
)
FIELDS += (*ARGUMENTS, "search", "error", "iss", "reason", "once", "people", "proof", "trust")
PARTS = ("account_id", "sign_in_id", "provider_id", "token", "purpose", "view", "filename")
ENDS = {"/signout", "/security/sign-ins/end-others"}


@pytest.mark.parametrize("who", ["nobody", "bob", "owen", "dora"])
@pytest.mark.parametrize("value", ["a" + NUL, "a" + LONE, "9" * 30, "é" * 300])
def test_no_text_takes_any_page_down(app: Flask, dora: Person, who: str, value: str) -> None:
    """In the path, the arguments, the form, the headers and the cookie, at every address."""
    person = dora if who == "dora" else Person(app, f"{who}@example.com")
    if who in {"bob", "owen"}:  # a member, and an owner whom administration leads to a set-up
        person.sign_in()
    token = person.visit("/signin").hidden() | person.visit("/help").hidden()
    fields = urlencode(dict.fromkeys(FIELDS, value), errors="surrogatepass")
    body = urlencode(token | dict.fromkeys(FIELDS, value), errors="surrogatepass")
    part = quote(value, errors="surrogatepass")
    plain = value.encode("utf-8", "replace").decode("latin-1").replace(NUL, "")
    person.client.set_cookie("device", plain[:99])
    for method, path in addresses_of(app, **dict.fromkeys(PARTS, part)):
        if method not in {"GET", "POST"} or path in ENDS:
            continue
        answer = person.client.open(
            f"{path}?{fields}",
            method=method,
            data=body,
            content_type="application/x-www-form-urlencoded",
            headers={"User-Agent": plain, "X-Forwarded-For": plain},
            environ_overrides={"REMOTE_ADDR": plain},
            buffered=True,
        )
        assert answer.status_code < 500, (method, path)
        if who == "owen" and path.startswith("/admin"):
            assert answer.status_code in {303, 404}, (method, path)
    check(app)
