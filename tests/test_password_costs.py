"""After a change of the costs: hashes are renewed, and nothing tells whose are not (S-152)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import time_machine
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import event, text

from app import create_app
from db import alembic, db
from tests import upgrades
from tests.conftest import CHEAP, NOON, add_person, set_up_before_noon
from tests.meanwhile import meanwhile
from tests.person import PASSWORD, Person, app_code
from tests.test_meanwhile import HASHES, NEW, reset_of
from tests.test_passwords import change
from tests.test_sign_in import verified

Rows = Callable[[str], list[tuple[object, ...]]]
OLD, DEARER = "$argon2id$v=19$m=8,t=1,", "$argon2id$v=19$m=16,t=3,"
HASH = "SELECT password_hash FROM accounts WHERE email = '{}@example.com'"


def restarted(app: Flask, **costs: int) -> Iterator[Flask]:
    made = create_app({"INSTANCE": app.instance_path, **CHEAP, **costs})
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture
def dearer(app: Flask) -> Iterator[Flask]:
    """The application after a change of the costs and a restart."""
    yield from restarted(app, PASSWORD_MEMORY_KIB=16, PASSWORD_TIME_COST=3)


@pytest.fixture
def cheaper(app: Flask) -> Iterator[Flask]:
    """After a change the other way, with somebody whose hash is a dear one."""
    for dear in restarted(app, PASSWORD_MEMORY_KIB=16, PASSWORD_TIME_COST=3):
        add_person(dear, "erin", "Reading Room")
    yield from restarted(app)


def hash_of(rows: Rows, name: str) -> str:
    return str(rows(HASH.format(name))[0][0])


# A new hash


def test_a_right_sign_in_renews_the_hash_and_nothing_else(
    app: Flask, dearer: Flask, noon: time_machine.Traveller, rows: Rows
) -> None:
    """It is the same password: trust, other sign-ins and its moment stay."""
    carol = set_up_before_noon(app, noon, "carol")
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key), trust="1")
    device = carol.client.get_cookie("device")
    assert device is not None
    facts = "SELECT password_at, password_version FROM accounts WHERE email = 'carol@example.com'"
    before = rows(facts)
    again = Person(dearer, carol.email)
    again.client.set_cookie("device", device.value)

    assert again.sign_in().heading == "Two-factor authentication"  # trust spares the code

    assert hash_of(rows, "carol").startswith(DEARER)
    assert PasswordHasher().verify(hash_of(rows, "carol"), PASSWORD)
    assert rows(facts) == before
    assert carol.visit("/security").heading == "Two-factor authentication"
    assert rows("SELECT count(*) FROM events WHERE kind LIKE 'password%'") == [(0,)]
    renewed = hash_of(rows, "carol")
    again.sign_out()
    again.sign_in()
    assert hash_of(rows, "carol") == renewed


def test_a_right_proof_renews_it_too_and_a_wrong_password_never(
    app: Flask, dearer: Flask, bob: Person, rows: Rows
) -> None:
    before = hash_of(rows, "bob")
    Person(dearer, bob.email).sign_in("a wrong password")
    assert hash_of(rows, "bob") == before
    person, cookie = Person(dearer, bob.email), bob.client.get_cookie("onward")
    assert cookie is not None
    person.client.set_cookie("onward", cookie.value)
    person.visit("/signin/confirm")
    person.press("/signin/confirm", password=PASSWORD)
    assert hash_of(rows, "bob").startswith(DEARER)


def test_a_new_hash_of_the_old_password_does_not_replace_a_new_password(
    app: Flask, dearer: Flask, rows: Rows
) -> None:
    """The hash that is renewed is the one that was verified."""
    bob = Person(dearer, "bob@example.com")
    with meanwhile(HASHES, reset_of(app, bob.email)):
        page = bob.sign_in()

    assert page.status == 422
    assert PasswordHasher().verify(hash_of(rows, "bob"), NEW)
    assert rows("SELECT count(*) FROM sign_ins") == [(0,)]


def test_a_disabled_account_keeps_its_hash(app: Flask, dearer: Flask, rows: Rows) -> None:
    before = hash_of(rows, "bob")
    app.test_cli_runner().invoke(args=["account", "disable", "bob@example.com"])
    assert Person(dearer, "bob@example.com").sign_in().status == 422
    assert hash_of(rows, "bob") == before


# The same work for everybody


def work(app: Flask, email: str, secret: str = "a wrong password") -> list[str]:
    """Return the costs of the hashes that a sign-in computes, one after the other."""
    person = Person(app, email)
    person.visit("/signin")
    with verified() as ran:
        assert person.press("/signin", email=email, password=secret).status == 422
    return ran


def test_a_refusal_costs_the_same_whoever_it_is_for(dearer: Flask, rows: Rows) -> None:
    """S-152: an old hash, a new one, nobody, no address, and somebody disabled."""
    assert Person(dearer, "bob@example.com").sign_in().status == 200
    assert hash_of(rows, "bob").startswith(DEARER)
    assert hash_of(rows, "alice").startswith(OLD)
    dearer.test_cli_runner().invoke(args=["account", "disable", "carol@example.com"])

    emails = [f"{name}@example.com" for name in ("bob", "alice", "nobody")] + ["no address", ""]
    costs = [work(dearer, email) for email in emails]
    costs += [work(dearer, "carol@example.com", secret) for secret in (PASSWORD, "wrong one")]
    costs += [work(dearer, "bob@example.com", PASSWORD + "x" * 10_000)]

    assert costs == [[DEARER, OLD]] * len(costs)


def test_dear_hashes_of_others_are_paid_for_after_the_costs_went_down(
    cheaper: Flask, rows: Rows
) -> None:
    assert hash_of(rows, "erin").startswith(DEARER)
    costs = [work(cheaper, f"{name}@example.com") for name in ("erin", "bob", "nobody")]
    assert costs == [[DEARER, OLD]] * 3

    assert Person(cheaper, "erin@example.com").sign_in().status == 200
    assert hash_of(rows, "erin").startswith(OLD)


def test_a_kind_is_paid_for_as_long_as_somebody_has_it(cheaper: Flask, rows: Rows) -> None:
    with time_machine.travel(NOON, tick=False) as now:
        assert work(cheaper, "nobody@example.com") == [DEARER, OLD]
        Person(cheaper, "erin@example.com").sign_in()
        now.shift(60)
        assert work(cheaper, "nobody@example.com") == [OLD]


def test_a_hash_made_elsewhere_is_paid_for_by_the_first_who_meets_it(app: Flask) -> None:
    """By a command with other settings, say: from the next minute on for everybody."""
    with time_machine.travel(NOON, tick=False) as now:
        assert work(app, "nobody@example.com") == [OLD]
        for dear in restarted(app, PASSWORD_MEMORY_KIB=16, PASSWORD_TIME_COST=3):
            add_person(dear, "erin", "Reading Room")
        assert work(app, "erin@example.com") == [DEARER, OLD]
        now.shift(60)
        assert work(app, "nobody@example.com") == [DEARER, OLD]


def test_what_is_no_hash_stops_nobody(app: Flask, rows: Rows) -> None:
    """Whatever came into the column by hand fits no password, and nobody else notices."""
    with app.app_context():
        db.session.execute(text("UPDATE accounts SET password_hash = '!' WHERE id = 1"))
        longer = {"hash": "!" * 200}
        db.session.execute(text("UPDATE accounts SET password_hash = :hash WHERE id = 3"), longer)
        db.session.commit()
    for email in ("alice@example.com", "carol@example.com"):
        assert Person(app, email).sign_in().status == 422
    assert Person(app, "bob@example.com").sign_in().status == 200


def test_all_hashes_are_looked_through_once_a_minute_not_at_each_sign_in(app: Flask) -> None:
    looked: list[str] = []

    def note(*arguments: object) -> None:
        if "SELECT DISTINCT substr" in str(arguments[2]):
            looked.append(str(arguments[2]))

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    with time_machine.travel(NOON, tick=False) as now:
        for _ in range(3):
            work(app, "nobody@example.com")
        assert len(looked) == 1
        now.shift(60)
        work(app, "nobody@example.com")
        assert len(looked) == 2


def test_a_change_of_the_password_takes_the_new_costs(dearer: Flask, rows: Rows) -> None:
    bob = Person(dearer, "bob@example.com")
    bob.sign_in()
    change(bob, PASSWORD, NEW)
    assert hash_of(rows, "bob").startswith(DEARER)
    assert rows("SELECT password_version FROM accounts ORDER BY id") == [(0,), (1,), (0,)]


# The version


def test_a_filled_database_gets_versions(tmp_path: Path) -> None:
    """Everybody begins at the same one, and signs in as before."""
    with time_machine.travel(upgrades.NOON, tick=False):
        old = upgrades.installed(tmp_path / "instance", "0008")
        with old.app_context():
            alembic.upgrade()
            query = text("SELECT DISTINCT password_version FROM accounts")
            assert [tuple(row) for row in db.session.execute(query)] == [(0,)]
        bob = Person(old, "bob@example.com")
        assert bob.sign_in().status == 200
        with old.app_context():
            db.engine.dispose()
