"""The door of administration: who enters it, by how they have signed in. Every cell over HTTP.

What is expected is written down here as sentences about people, not taken from the door.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from time_machine import Traveller
from werkzeug.test import TestResponse

from db import db
from tests.administration import prove
from tests.conftest import addresses_of
from tests.person import PASSWORD, app_code, mailed_code
from tests.sso.comer import SECURITY, Comer, Rows, restarted
from tests.sso.evil_provider import Evil

Snapshot = Callable[[], dict[str, list[str]]]
BACKUP = "alice.backup@example.net"
ROLES = ("none", "member", "admin", "owner")
DEMAND = {"require_amr": ["mfa"]}


class Someone(Comer):
    """Alice, who is given a role and comes in one of the ways there are."""

    def add_app(self, by_email: bool = False) -> None:
        """Set up by password, an hour ago; the clock is back at noon and nobody signed in."""
        self.sign_in()
        if by_email:
            self.set_up_by_email(BACKUP)
        else:
            self.codes = self.set_up()
        self.sign_out()

    def tie(self, evil: Evil) -> None:
        """Tie the account to the provider, whatever is due for it, and sign out."""
        self.come()
        self.press("/signin/tie", password=PASSWORD)
        if self.key:
            self.press("/signin/code", code=app_code(self.key, steps=-1))
        self.sign_out()


def password_alone(app: Flask, evil: Evil, at: Traveller) -> Someone:
    alice = Someone(app, "alice@example.com")
    alice.sign_in()
    return alice


def with_app(app: Flask, at: Traveller, by_email: bool = False) -> Someone:
    """Return Alice an hour after she has set up."""
    alice = Someone(app, "alice@example.com")
    alice.add_app(by_email)
    at.shift(timedelta(hours=1))
    return alice


def trusted_device(app: Flask, evil: Evil, at: Traveller) -> Someone:
    alice = with_app(app, at)
    alice.sign_in()
    alice.press("/signin/code", code=app_code(alice.key, steps=-1), trust="1")
    alice.sign_out()
    assert alice.sign_in().heading == SECURITY
    return alice


def by_app_code(app: Flask, evil: Evil, at: Traveller) -> Someone:
    alice = with_app(app, at)
    alice.sign_in()
    alice.press("/signin/code", code=app_code(alice.key))
    return alice


def by_backup_code(app: Flask, evil: Evil, at: Traveller) -> Someone:
    alice = with_app(app, at)
    alice.sign_in()
    alice.visit("/signin/backup-code")
    alice.press("/signin/backup-code", code=alice.codes[0])
    return alice


def by_mailed_code(app: Flask, evil: Evil, at: Traveller) -> Someone:
    alice = with_app(app, at, by_email=True)
    alice.sign_in()
    alice.visit("/signin/backup-email")
    alice.press("/signin/backup-email")
    alice.press("/signin/backup-email/code", code=mailed_code(app, BACKUP))
    return alice


def sso_that_asked_nothing(app: Flask, evil: Evil, at: Traveller) -> Someone:
    """The provider says that it asked for two factors, but nobody demanded that."""
    alice = Someone(app, "alice@example.com")
    alice.tie(evil)
    evil.person["amr"] = ["mfa"]
    alice.come()
    return alice


def sso_that_asked_nothing_with_app(app: Flask, evil: Evil, at: Traveller) -> Someone:
    alice = with_app(app, at)
    alice.tie(evil)
    alice.come()
    return alice


def sso_that_met_the_demand(app: Flask, evil: Evil, at: Traveller) -> Someone:
    alice = Someone(restarted(app, evil, **DEMAND), "alice@example.com")
    evil.person["amr"] = ["mfa"]
    alice.tie(evil)
    alice.come()
    return alice


def sso_below_the_demand(app: Flask, evil: Evil, at: Traveller) -> Someone:
    alice = Someone(restarted(app, evil, **DEMAND), "alice@example.com")
    evil.person["amr"] = ["pwd"]
    alice.tie(evil)
    alice.come()
    return alice


def sso_below_the_demand_with_app(app: Flask, evil: Evil, at: Traveller) -> Someone:
    alice = with_app(app, at)
    alice = _in(restarted(app, evil, **DEMAND), alice)
    evil.person["amr"] = ["pwd"]
    alice.tie(evil)
    alice.come()
    return alice


def _in(app: Flask, before: Someone) -> Someone:
    """Return the same person in a browser of the restarted application."""
    after = Someone(app, before.email)
    after.key, after.codes = before.key, before.codes
    return after


@dataclass(frozen=True)
class Way:
    """How somebody came, and what the door does then: in, a code, the set-up, or no whole way."""

    come: Callable[[Flask, Evil, Traveller], Someone]
    then: str


WAYS = {
    "password only": Way(password_alone, "set up"),
    "trusted device": Way(trusted_device, "code"),
    "app code": Way(by_app_code, "in"),
    "backup code": Way(by_backup_code, "in"),
    "mailed code": Way(by_mailed_code, "in"),
    "SSO, exempt": Way(sso_that_asked_nothing, "set up"),
    "SSO, exempt, has an app": Way(sso_that_asked_nothing_with_app, "code"),
    "SSO, demand met": Way(sso_that_met_the_demand, "in"),
    "SSO, below demand": Way(sso_below_the_demand, "set up"),
    "SSO, below demand, has an app": Way(sso_below_the_demand_with_app, "half"),
}
LEADS = {"code": "/signin/confirm", "set up": "/setup/required", "half": "/signin/code"}


@pytest.fixture(autouse=True)
def nothing_is_asked(app: Flask, noon: Traveller) -> None:
    """No organisation asks for two-factor: what is asked here is asked by the door alone."""
    change(app, "UPDATE organisations SET enforcement = 'off'")


def change(app: Flask, statement: str) -> None:
    with app.app_context():
        db.session.execute(text(statement))
        db.session.commit()


def give(person: Someone, role: str) -> None:
    """Give a role of Hartley & Sons, or take the membership away."""
    mine = "account_id = (SELECT id FROM accounts WHERE email = 'alice@example.com')"
    if role == "none":
        change(person.app, f"DELETE FROM memberships WHERE {mine}")
    else:
        change(person.app, f"UPDATE memberships SET role = '{role}' WHERE {mine}")


LISTS = {f"/admin/{name}" for name in ("people", "people/3", "enforcement", "progress", "audit")}
"""Pages that ask for no fresh proof."""


def rooms(app: Flask) -> list[tuple[str, str]]:
    """Return every method and address below /admin."""
    every = addresses_of(app, account_id="3")
    return [a for a in every if a[1].startswith("/admin/") and a[0] in {"GET", "HEAD", "POST"}]


def is_right(method: str, address: str, then: str, role: str, answer: TestResponse) -> bool:
    """Tell whether this is what somebody of this role must get who came so."""
    leads = answer.headers.get("Location")
    if then == "half":
        return (answer.status_code, leads) == (303, LEADS["half"])
    if role in {"none", "member"}:
        return answer.status_code == 403
    if then != "in":
        return (answer.status_code, leads) == (303, LEADS[then])
    if address in LISTS and method != "POST":
        return answer.status_code == 200
    # An act asks for a fresh proof, or tells what is missing for it.
    return answer.status_code in {200, 303, 403, 409, 422} and leads != LEADS["set up"]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", WAYS)
def test_every_cell(
    app: Flask, evil: Evil, noon: Traveller, snapshot: Snapshot, name: str, role: str
) -> None:
    """Nothing below /admin opens, and nothing changes, without two factors in this sign-in."""
    way = WAYS[name]
    person = way.come(app, evil, noon)
    if way.then != "half":
        assert person.visit("/security").heading == SECURITY
    give(person, role)
    below, before = rooms(person.app), snapshot()
    assert {address for _, address in below} > LISTS
    wrong: list[tuple[str, str, str]] = []

    for method, address in below:
        data = person.page.hidden() if method == "POST" else None
        answer = person.client.open(address, method=method, data=data)
        if not is_right(method, address, way.then, role, answer):
            leads = answer.headers.get("Location")
            wrong.append((method, address, f"{answer.status_code} {leads}"))

    assert wrong == []
    if way.then != "in" or role in {"none", "member"}:
        # Where somebody goes on after the code or the set-up is noted, and nothing else.
        assert snapshot() | {"sign_ins": before["sign_ins"]} == before


PAGE = "/admin/audit?organisation=1&kind=sign-in"


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way.then == "code"])
def test_the_code_leads_on_to_the_page(
    app: Flask, evil: Evil, noon: Traveller, rows: Rows, name: str
) -> None:
    alice = WAYS[name].come(app, evil, noon)
    give(alice, "owner")

    assert alice.visit(PAGE).heading == "Confirm it is you"
    assert "Administrators reach other people’s accounts" in alice.page.words
    alice.press("/signin/confirm", code="000000")
    assert alice.page.status == 422
    assert alice.visit("/admin/people").heading == "Confirm it is you"
    alice.visit(PAGE)

    prove(alice)
    assert (alice.page.heading, alice.page.response.request.full_path) == ("Audit log", PAGE)
    given = "SELECT second_factor, second_at FROM sign_ins ORDER BY id DESC LIMIT 1"
    ((factor, moment),) = rows(given)
    assert factor == "app"
    assert moment is not None
    noon.shift(timedelta(minutes=20))
    assert alice.visit("/admin/people").heading == "People"  # a list asks for no fresh proof


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way.then == "set up"])
def test_the_set_up_leads_on_to_the_page(
    app: Flask, evil: Evil, noon: Traveller, name: str
) -> None:
    alice = WAYS[name].come(app, evil, noon)
    give(alice, "admin")

    alice.visit(PAGE)
    assert alice.page.heading == "Set up two-factor authentication"
    assert "Administration needs two-factor authentication" in alice.page.words
    alice.visit("/setup")
    alice.next()
    while alice.page.heading == "Confirm it is you":
        alice.press("/signin/confirm", password=PASSWORD)
        alice.next()
    alice.key = alice.page.key
    alice.next()
    alice.next(code=app_code(alice.key))
    alice.next(way="codes")
    alice.next(saved="1")
    assert alice.page.heading == "Two-factor authentication is on"

    assert f'href="{PAGE}"' in alice.page.text
    assert alice.visit(PAGE).heading == "Audit log"
