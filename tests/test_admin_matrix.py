"""Who may do what to whom: every act of administration, by every role, on everybody (S-172)."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from time_machine import Traveller

from db import db
from tests.conftest import addresses_of
from tests.person import PASSWORD, Person, app_code

Snapshot = Callable[[], dict[str, list[str]]]
Rows = Callable[[str], list[tuple[object, ...]]]

HERE, ELSEWHERE = "Hartley & Sons", "Reading Room"
ACTS: dict[str, dict[str, str]] = {
    "unlock": {},
    "disable": {},
    "enable": {},
    "reset": {"reason": "Lost the phone", "once": "1"},
    "invite": {},
    "role": {"role": "member"},
}
"""Every act on a person; each finds something to do."""
ON_NOBODY: dict[str, dict[str, str]] = {
    "/admin/people.csv": {},
    "/admin/people/search": {"search": "mia"},
    "/admin/people/remind": {},
    "/admin/enforcement": {"level": "soft"},
    "/admin/enforcement/confirm": {"level": "soft"},
    "/admin/people/add": {"people": "Erin, erin@example.com"},
    "/admin/audit.csv": {},
    "/admin/audit/search": {"kind": "sign-in"},
}
"""Every other POST below /admin."""
MAY: dict[str, set[str]] = {
    "none": set(),
    "member": set(),
    "admin": {"member"},
    "owner": {"member", "admin", "owner"},
}
"""On which roles somebody acts: whoever has a role is an owner's to act on (S-173)."""
CHANGED = {
    "unlock": "SELECT failures FROM throttles WHERE account_id = {0}",
    "disable": "SELECT disabled_at IS NULL FROM accounts WHERE id = {0}",
    "enable": "SELECT disabled_at IS NULL FROM accounts WHERE id = {0}",
    "reset": "SELECT count(revoked_at) FROM authenticators WHERE account_id = {0}",
    "role": "SELECT role FROM memberships WHERE account_id = {0} AND organisation_id = 1",
    "invite": "SELECT count(*) FROM password_links WHERE account_id = {0}",
}
"""What each act changes."""


class World:
    """Somebody of each role here and one elsewhere: all have two-factor on, and wrong codes."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.people: dict[str, Person] = {}
        self.ids: dict[str, int] = {}
        self.add("member", "mia", HERE, "member")
        self.add("admin", "adam", HERE, "admin")
        self.add("owner", "olga", HERE, "owner")
        self.add("foreign", "fred", ELSEWHERE, "member")
        self.change("UPDATE throttles SET failures = 3, wrong_at = '[1935921600]'")

    def add(self, key: str, name: str, organisation: str, role: str) -> Person:
        """Add somebody who sets up: signed in, with a fresh proof."""
        arguments = ["account", "add", f"{name}@example.com", "--name", name.title()]
        if role != "none":
            arguments += ["--organisation", organisation, "--role", role]
        added = self.app.test_cli_runner().invoke(args=arguments, input=PASSWORD + "\n")
        assert added.exit_code == 0, added.output
        person = Person(self.app, f"{name}@example.com")
        person.sign_in()
        person.set_up()
        with self.app.app_context():
            found = db.session.scalar(text("SELECT max(id) FROM accounts"))
        self.people[key], self.ids[key] = person, int(found or 0)
        return person

    def change(self, statement: str) -> None:
        with self.app.app_context():
            db.session.execute(text(statement))
            db.session.commit()


@pytest.fixture
def world(app: Flask, noon: Traveller) -> World:
    return World(app)


def post(actor: Person, path: str, fields: dict[str, str]) -> tuple[int, str]:
    """Send a form; return the status of the answer, and where it leads."""
    answer = actor.post(path, actor.page.hidden() | fields)
    return answer.status_code, answer.headers.get("Location", "")


def refusing(role: str, target: str) -> int:
    """Return the status with which an act on somebody is refused."""
    if role in {"none", "member"}:
        return 403
    return {"foreign": 404, "own": 409}.get(target, 403)


@pytest.mark.parametrize("role", MAY)
def test_each_role_acts_on_whom_it_may_and_changes_nothing_else(
    world: World, snapshot: Snapshot, rows: Rows, role: str
) -> None:
    actor = world.add("own", "actor", HERE, role)
    for target, target_id in world.ids.items():
        for name, fields in ACTS.items():
            if name == "invite":  # it is for those who have no password yet
                world.change(f"UPDATE accounts SET password_hash = NULL WHERE id = {target_id}")
            cell, before = (role, target, name), snapshot()
            changed = rows(CHANGED[name].format(target_id))
            wanted = {"role": "admin"} if cell[1:] == ("member", "role") else fields
            status, leads = post(actor, f"/admin/people/{target_id}/{name}?organisation=1", wanted)
            if target not in MAY[role]:
                assert (cell, status) == (cell, refusing(role, target))
                assert (cell, snapshot()) == (cell, before)
                continue
            assert (cell, status) == (cell, 200 if name == "reset" else 303)
            assert "/signin" not in leads
            assert (cell, rows(CHANGED[name].format(target_id))) != (cell, changed)
            told = rows("SELECT account_id, by_account_id FROM events ORDER BY id DESC LIMIT 1")
            assert (cell, told) == (cell, [(target_id, world.ids["own"])])


@pytest.mark.parametrize("role", MAY)
def test_each_role_uses_the_lists_that_it_may(world: World, snapshot: Snapshot, role: str) -> None:
    actor = world.add("own", "actor", HERE, role)
    for path, fields in ON_NOBODY.items():
        before = snapshot()
        status, _ = post(actor, f"{path}?organisation=1", fields)
        expected = (303 if path.endswith("confirm") else 200) if MAY[role] else 403
        assert (path, status) == (path, expected)
        if not MAY[role]:
            assert snapshot() == before
        foreign, before = 404 if MAY[role] else 403, snapshot()
        assert post(actor, f"{path}?organisation=2", fields)[0] == foreign
        assert snapshot() == before


def test_the_acts_here_are_all_that_there_are(app: Flask) -> None:
    posts = {a for m, a in addresses_of(app, account_id="1") if m == "POST" and "/admin/" in a}

    assert posts == {f"/admin/people/1/{name}" for name in ACTS} | set(ON_NOBODY)


def everything(world: World) -> list[tuple[str, dict[str, str]]]:
    """Return every POST of administration that an owner may send."""
    target = world.ids["member"]
    acts = [(f"/admin/people/{target}/{name}", fields) for name, fields in ACTS.items()]
    return [*acts, *ON_NOBODY.items()]


def test_half_a_sign_in_does_nothing(world: World, snapshot: Snapshot, noon: Traveller) -> None:
    olga = world.people["owner"]
    olga.sign_out()
    assert olga.sign_in().heading == "Enter your code"
    before = snapshot()

    for path, fields in everything(world):
        assert (path, *post(olga, path, fields)) == (path, 303, "/signin/code")
        assert (path, snapshot()) == (path, before)


def test_an_old_proof_does_nothing_but_lead_to_a_new_one(
    world: World, snapshot: Snapshot, noon: Traveller
) -> None:
    """S-047: the lists may be read, nobody is acted on."""
    olga = world.people["owner"]
    noon.shift(timedelta(minutes=5, seconds=1))
    olga.visit("/security")
    before = snapshot()

    for path, fields in everything(world):
        if path in ON_NOBODY and not path.endswith(("/add", "/remind", "/confirm")):
            continue
        assert (path, *post(olga, path, fields)) == (path, 303, "/signin/confirm")
        # Only where the proof leads afterwards is noted.
        after = snapshot() | {"sign_ins": before["sign_ins"]}
        assert (path, after) == (path, before)


def test_a_trusted_device_does_nothing_without_a_code(
    world: World, snapshot: Snapshot, noon: Traveller
) -> None:
    """S-118."""
    olga = world.people["owner"]
    olga.sign_out()
    noon.shift(60)
    olga.sign_in()
    olga.press("/signin/code", code=app_code(olga.key), trust="1")
    olga.sign_out()
    assert olga.sign_in().heading == "Two-factor authentication"
    before = snapshot()

    for path, fields in everything(world):
        assert (path, *post(olga, path, fields)) == (path, 303, "/signin/confirm")
        after = snapshot() | {"sign_ins": before["sign_ins"]}
        assert (path, after) == (path, before)
    assert olga.visit("/admin/people").heading == "Confirm it is you"


def test_a_role_elsewhere_protects_here_too(world: World, snapshot: Snapshot) -> None:
    """An account is one: who acts on it reaches all of its organisations."""
    olga, mia = world.people["owner"], world.ids["member"]
    world.change(f"INSERT INTO memberships VALUES ({mia}, 2, 'admin', '2031-01-01')")
    before = snapshot()

    for name, fields in ACTS.items():
        assert post(olga, f"/admin/people/{mia}/{name}", fields)[0] == 403
        assert snapshot() == before


def test_an_administrator_makes_no_owner(world: World, snapshot: Snapshot) -> None:
    adam, mia = world.people["admin"], world.ids["member"]
    before = snapshot()

    for role in ("owner", "", "queen"):
        assert post(adam, f"/admin/people/{mia}/role", {"role": role})[0] == 422
        assert snapshot() == before


def test_the_last_owner_is_told_so(world: World, snapshot: Snapshot) -> None:
    olga, olga_id = world.people["owner"], world.ids["owner"]
    before = snapshot()

    for name, fields in ACTS.items():
        olga.show(olga.post(f"/admin/people/{olga_id}/{name}", olga.page.hidden() | fields))
        assert olga.page.status == 409
        assert olga.page.error.startswith("You are the last owner")
        assert snapshot() == before


def test_whoever_lost_the_role_loses_the_room_at_once(world: World, snapshot: Snapshot) -> None:
    adam = world.people["admin"]
    assert adam.visit("/admin/people").heading == "People"
    world.change(f"UPDATE memberships SET role = 'member' WHERE account_id = {world.ids['admin']}")
    before = snapshot()

    for path, fields in everything(world):
        assert post(adam, path, fields)[0] == 403
        assert snapshot() == before


def test_a_password_alone_does_nothing_but_lead_to_the_set_up(
    app: Flask, world: World, snapshot: Snapshot
) -> None:
    """S-170: an administrator who may go without still can't take it from others."""
    world.change("UPDATE organisations SET enforcement = 'off'")
    world.change(
        f"UPDATE authenticators SET revoked_at = bound_at WHERE account_id = {world.ids['owner']}"
    )
    olga = Person(app, "olga@example.com")
    assert olga.sign_in().heading == "Two-factor authentication"
    before = snapshot()

    for path, fields in everything(world):
        assert (path, *post(olga, path, fields)) == (path, 303, "/setup/required")
        after = snapshot() | {"sign_ins": before["sign_ins"]}
        assert (path, after) == (path, before)
    page = olga.visit("/admin/people")
    assert page.heading == "Set up two-factor authentication"
    assert "Administration needs two-factor authentication" in page.words
