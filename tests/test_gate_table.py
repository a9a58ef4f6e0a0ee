"""The truth table of the gate: every cell of it, entered through HTTP.

What is asked (off, soft, hard, soft until a date, hard after days of grace) by two-factor by
how somebody signed in by trusted device by role by kind of request. What is expected is
written down here on its own, as sentences about people, not taken from the gate.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from db import db
from tests.conftest import NOON, set_up_before_noon
from tests.person import PASSWORD, Person, app_code

PAST, FUTURE = NOON - timedelta(days=1), NOON + timedelta(days=1)
POLICIES: dict[str, tuple[str, datetime | None, int, str]] = {
    "off": ("off", None, 0, "nothing"),
    "soft": ("soft", None, 0, "asked"),
    "soft, the date is over": ("soft", PAST, 0, "must"),
    "soft, the date is to come": ("soft", FUTURE, 0, "asked"),
    "soft, the date is over, days left": ("soft", PAST, 365, "asked"),
    "hard": ("hard", None, 0, "must"),
    "hard, days left": ("hard", None, 365, "asked"),
    "hard, days over": ("hard", None, 1, "must"),
}
ROLES = ("member", "admin", "owner")
HTMX = {"HX-Request": "true"}


@dataclass(frozen=True)
class Standing:
    """Somebody signed in in one of the ways there are."""

    has_app: bool
    by_sso: bool
    is_trusted: bool

    def __str__(self) -> str:
        return f"app={self.has_app} sso={self.by_sso} trusted={self.is_trusted}"

    def owes_code(self) -> bool:
        return self.has_app and not self.by_sso and not self.is_trusted

    def expected(self, asked: str) -> str:
        """What must happen: a code is owed, a set-up is a must or asked for, or nothing."""
        if self.owes_code():
            return "challenge"
        if self.has_app or self.by_sso:
            return "open"
        return {"nothing": "open", "asked": "nudge", "must": "set up"}[asked]


STANDINGS = [
    Standing(has_app, by_sso, is_trusted)
    for has_app, by_sso, is_trusted in product((False, True), repeat=3)
    if has_app or not is_trusted  # without an app there is no trust to have
]
HOMES = {"challenge": "/signin/code", "set up": "/setup/required", "nudge": "/setup/required"}


def signed_in(app: Flask, noon: time_machine.Traveller, standing: Standing) -> Person:
    """Return Carol or Bob, signed in in this way, the second factor not given."""
    person = Person(app, "bob@example.com")
    if standing.has_app:
        person = set_up_before_noon(app, noon, "carol")
        if standing.is_trusted:
            person.sign_in()
            person.press("/signin/code", code=app_code(person.key), trust="1")
            person.sign_out()
    person.sign_in()
    if standing.by_sso:
        change(app, EXEMPT, email=person.email)
    return person


EXEMPT = """UPDATE sign_ins SET first_factor = 'sso', exempt_at = first_at WHERE ended_at IS NULL
AND account_id = (SELECT id FROM accounts WHERE email = :email)"""


def change(app: Flask, statement: str, **values: Any) -> None:
    with app.app_context():
        db.session.execute(text(statement), values)
        db.session.commit()


def ask(app: Flask, policy: str, role: str) -> None:
    """Let every organisation ask in this way of everybody, who all have this role."""
    enforcement, hard_from, grace_days, _ = POLICIES[policy]
    moment = hard_from.astimezone(UTC).replace(tzinfo=None) if hard_from else None
    values = {"enforcement": enforcement, "hard_from": moment, "grace": grace_days}
    change(
        app,
        "UPDATE organisations SET enforcement=:enforcement,"
        " hard_from=:hard_from, grace_days=:grace",
        **values,
    )
    since = (NOON - timedelta(days=200)).replace(tzinfo=None)
    change(app, "UPDATE memberships SET role=:role, since=:since", role=role, since=since)


def load(person: Person) -> TestResponse:
    return person.client.get("/security", headers={"Sec-Fetch-Dest": "document"})


def fragment(person: Person) -> TestResponse:
    return person.client.get("/security", headers=HTMX)


def act(person: Person) -> TestResponse:
    return person.client.post("/security/sign-ins/9999/end", data=person.page.hidden())


def code(person: Person) -> TestResponse:
    return person.client.get("/signin/code")


def administration(person: Person) -> TestResponse:
    return person.client.get("/admin/people", headers={"Sec-Fetch-Dest": "document"})


KINDS = {
    "load": load,
    "fragment": fragment,
    "act": act,
    "code page": code,
    "administration": administration,
}


def check_door(standing: Standing, verdict: str, role: str, answer: TestResponse) -> bool:
    """Tell whether the door of administration answers as it must.

    Nobody here has given two factors in this sign-in (tests/sso/test_admin_door.py has those
    who did): an administrator is asked for a code, or led to the set-up.
    """
    leads = answer.headers.get("Location")
    if verdict != "open":
        return (answer.status_code, leads) == (303, HOMES[verdict])
    if role == "member":
        return (answer.status_code, leads) == (403, None)
    wanted = "/signin/confirm" if standing.has_app else "/setup/required"
    return (answer.status_code, leads) == (303, wanted)


def check(kind: str, verdict: str, answer: TestResponse) -> bool:
    """Tell whether this is the answer that somebody with this verdict must get."""
    leads = answer.headers.get("HX-Redirect") or answer.headers.get("Location")
    if kind == "code page":
        if verdict == "challenge":
            return answer.status_code == 200
        return answer.status_code == 303 and leads != "/signin/code"
    if verdict == "open":
        # An act asks for a fresh proof where a trusted device or SSO has given none.
        return answer.status_code == (303 if kind == "act" else 200) and leads != "/setup/required"
    if verdict == "nudge" and kind != "load":
        return answer.status_code == (303 if kind == "act" else 200) and leads != "/setup/required"
    status = {"challenge": 401, "set up": 403}.get(verdict) if kind == "fragment" else 303
    return (answer.status_code, leads) == (status, HOMES[verdict])


@pytest.mark.parametrize("standing", STANDINGS, ids=str)
def test_every_cell(app: Flask, noon: time_machine.Traveller, standing: Standing) -> None:
    person = signed_in(app, noon, standing)
    assert person.visit("/help").hidden()
    wrong: list[tuple[str, ...]] = []
    seen: set[str] = set()

    for policy, role in product(POLICIES, ROLES):
        ask(app, policy, role)
        verdict = standing.expected(POLICIES[policy][3])
        for kind, request in KINDS.items():
            answer = request(person)
            seen.add(verdict)
            is_right = (
                check_door(standing, verdict, role, answer)
                if kind == "administration"
                else check(kind, verdict, answer)
            )
            if not is_right:
                leads = answer.headers.get("HX-Redirect") or answer.headers.get("Location")
                wrong.append((policy, role, kind, verdict, f"{answer.status_code} {leads}"))

    assert wrong == []
    assert seen == {standing.expected(asked) for asked in ("nothing", "asked", "must")}
    assert person.sign_in(PASSWORD).status == 200
