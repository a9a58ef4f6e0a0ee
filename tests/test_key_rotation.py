"""People go on across a rotation of each key, in processes that were not told of it (S-162)."""

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask

import key_files
import sealed
from accounts import password_tries, unsubscribe
from app import create_app
from db import Model, db
from mail.carrier import carrier
from tests.conftest import CHEAP, add_person
from tests.person import PASSWORD, Person, app_code, mailed_code
from tests.sso import evil_provider
from tests.sso.comer import SECURITY, Comer, again
from tests.test_mark import IN, run
from tests.test_reset import reset

Rows = Callable[[str], list[tuple[object, ...]]]
SET_UP = "Get an authenticator app"
DONE = "Two-factor authentication is on"


def folder_of(app: Flask) -> Path:
    return Path(app.instance_path) / "keys"


def beside(app: Flask, *arguments: str) -> str:
    """Run a command as another process does: with a ring of its own."""
    other = create_app({"INSTANCE": app.instance_path, **CHEAP})
    done = run(other, *arguments)
    with other.app_context():
        carrier().settle()
        db.engine.dispose()
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(params=key_files.PURPOSES)
def rotate(app: Flask, request: pytest.FixtureRequest) -> Callable[[], str]:
    return lambda: beside(app, "keys", "rotate", request.param)


def test_codes_are_taken_that_were_made_before(
    app: Flask, carol: Person, rotate: Callable[[], str]
) -> None:
    """App code, backup code, mailed code, trusted device, open session."""
    trusting, waiting, mailed = (Person(app, "carol@example.com") for _ in range(3))
    mailed.email = "dora@example.com"
    add_person(app, "dora", "Reading Room")
    past = datetime.now().astimezone() - timedelta(minutes=10)
    with time_machine.travel(past, tick=True):
        mailed.sign_in()
        mailed.set_up_by_email("dora@home.example", past)
        mailed.sign_out()
    trusting.sign_in()
    trusting.press("/signin/code", code=app_code(carol.key, steps=-1), trust="1")
    trusting.sign_out()
    mailed.sign_in()
    mailed.press("/signin/backup-email")
    code = mailed_code(app, "dora@home.example")
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    waiting.sign_in()

    printed = rotate()

    assert "-2 from now on" in printed
    assert carol.visit("/security").heading == IN
    assert waiting.press("/signin/backup-code", code=carol.codes[0]).heading == IN
    assert mailed.press("/signin/backup-email/code", code=code).heading == IN
    assert trusting.sign_in().heading == IN
    with time_machine.travel(datetime.now().astimezone() + timedelta(minutes=1), tick=True):
        waiting.sign_out()
        waiting.sign_in()
        assert waiting.press("/signin/code", code=app_code(carol.key)).heading == IN


def test_a_set_up_half_way_goes_on(app: Flask, rotate: Callable[[], str]) -> None:
    alice, bob = (Person(app, f"{name}@example.com") for name in ("alice", "bob"))
    for person in (alice, bob):
        person.sign_in()
    alice.to_codes()
    bob.to_backup()
    bob.next(way="email")
    bob.next(address="bob@home.example")

    rotate()

    assert alice.next(saved="1").heading == DONE
    assert bob.next(code=mailed_code(app, "bob@home.example")).heading == DONE
    alice.sign_out()
    alice.sign_in()
    with time_machine.travel(datetime.now().astimezone() + timedelta(minutes=1), tick=True):
        assert alice.press("/signin/code", code=app_code(alice.key)).heading == IN


def test_a_discarded_page_comes_back(app: Flask, rotate: Callable[[], str]) -> None:
    bob = Person(app, "bob@example.com", htmx=True)
    bob.sign_in()
    bob.to_codes()
    proof = bob.come_back()

    rotate()

    bob.press("/setup/resume", proof=proof)
    assert bob.next(saved="1").heading == DONE


def test_links_reset_codes_and_forms_are_taken(
    app: Flask, carol: Person, rotate: Callable[[], str]
) -> None:
    code = reset(app)
    with app.app_context():
        link = unsubscribe.link(2).removeprefix("http://127.0.0.1:5000")
    bob = Person(app, "bob@example.com")
    bob.visit("/signin")

    rotate()

    assert app.test_client().post(link).status_code == 303
    assert bob.press("/signin", email=bob.email, password=PASSWORD).heading == IN
    carol.sign_in()
    carol.visit("/signin/reset-code")
    assert carol.press("/signin/reset-code", code=code).heading == SET_UP


def test_mails_that_wait_leave(app: Flask, carol: Person, rows: Rows) -> None:
    away = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": 9}
    offline = create_app({"INSTANCE": app.instance_path, **CHEAP, **away})
    alice = Person(offline, "alice@example.com")
    alice.sign_in()
    alice.set_up()
    with offline.app_context():
        db.engine.dispose()
    assert rows("SELECT count(*) FROM outbox WHERE sealed_message LIKE '1:%'") == [(1,)]

    beside(app, "keys", "rotate")

    assert rows("SELECT count(*) FROM outbox WHERE sealed_message LIKE '2:%'") == [(1,)]
    with time_machine.travel(datetime.now().astimezone() + timedelta(minutes=2), tick=True):
        assert "1 of 1 due mails sent" in run(app, "mail", "deliver").output


def test_everything_is_made_with_the_newest_key(app: Flask, carol: Person, rows: Rows) -> None:
    for purpose in key_files.PURPOSES:
        beside(app, "keys", "rotate", purpose)
    alice = Person(app, "alice@example.com")
    alice.sign_in()
    alice.set_up()

    assert rows("SELECT substr(sealed_secret, 1, 2) FROM authenticators") == [("2:",), ("2:",)]
    pepper = "SELECT DISTINCT account_id, pepper_id FROM backup_codes ORDER BY account_id"
    assert rows(pepper) == [(1, 2), (3, 1)]
    cookie = alice.client.get_cookie("onward")
    assert cookie is not None
    (folder_of(app) / "signing.key").rename(folder_of(app) / "signing.gone")
    assert alice.visit("/security").heading == IN  # needs no older key


def test_a_wait_after_wrong_passwords_goes_on(app: Flask) -> None:
    """S-098: nobody gets fresh tries by a rotation."""
    bob = Person(app, "bob@example.com")
    for _ in range(password_tries.FREE + 1):
        bob.sign_in(password="wrong password")

    beside(app, "keys", "rotate", "signing")

    assert "Wait" in bob.sign_in().error


def test_an_unknown_key_fails_closed(app: Flask, carol: Person, rows: Rows) -> None:
    """A value of a key that is nowhere opens nothing, and the right one opens again."""
    beside(app, "keys", "rotate")
    file = folder_of(app) / "seal-2.key"
    file.rename(folder_of(app) / "away")
    carol.sign_in()
    before = rows("SELECT last_time_step FROM authenticators")
    assert carol.press("/signin/code", code=app_code(carol.key)).status == 422
    assert rows("SELECT last_time_step FROM authenticators") == before

    (folder_of(app) / "away").rename(file)

    assert carol.press("/signin/code", code=app_code(carol.key)).heading == IN


def test_every_sealed_column_is_sealed_anew(app: Flask) -> None:
    """The metadata is walked: a new sealed column can't be forgotten."""
    columns = {
        f"{table.name}.{column.name}"
        for table in Model.metadata.sorted_tables
        for column in table.columns
        if "sealed" in column.name
    }
    assert {f"{model.__tablename__}.{name}" for model, name in sealed.everywhere()} == columns
    assert len(columns) == 7


@pytest.fixture
def tied(installed: Path, tmp_path: Path) -> Iterator[Comer]:
    """Alice, tied to an SSO provider."""
    shutil.copytree(installed, tmp_path / "instance")
    with evil_provider.serving() as evil:
        for app in again(tmp_path, evil):
            yield Comer(app, "alice@example.com").tied()


def test_who_is_at_a_provider_comes_back(tied: Comer) -> None:
    """Nonce and PKCE verifier follow from the signing key of when they left."""
    back = tied.leave()

    beside(tied.app, "keys", "rotate", "signing")

    assert tied.back_from(back).heading == SECURITY
