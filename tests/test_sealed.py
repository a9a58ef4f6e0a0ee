"""Sealed values put where they were not sealed: by somebody who can write to the database (S-160).

What such a person can do all the same is in docs/security-model.md.
"""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from time_machine import Traveller

import keys
import sealed
from app import create_app
from db import Model, db
from sealed import SealedModel
from tests.conftest import CHEAP, set_up_before_noon
from tests.person import Person, app_code, letters
from tests.test_forgot import left_behind

Rows = Callable[[str], list[tuple[object, ...]]]
AGAIN = "Set-up has started again"


def change(app: Flask, statement: str, **values: object) -> None:
    with app.app_context():
        db.session.execute(text(statement), values)
        db.session.commit()


def swap(app: Flask, table: str, columns: str, one: int, other: int) -> None:
    """Exchange columns of two rows, as only somebody can who writes to the database."""
    with app.app_context():
        query = text(f"SELECT {columns} FROM {table} WHERE id = :id")
        first, second = (
            dict(db.session.execute(query, {"id": id_}).mappings().one()) for id_ in (one, other)
        )
        values = ", ".join(f"{name} = :{name}" for name in first)
        update = text(f"UPDATE {table} SET {values} WHERE id = :id")
        db.session.execute(update, [first | {"id": other}, second | {"id": one}])
        db.session.commit()


def replace_app(person: Person) -> None:
    person.visit("/setup/authenticator")
    person.next()
    person.key = person.page.key
    person.next()
    person.next(code=app_code(person.key))
    assert person.page.heading == "Your new app works now"


# One attack for each sealed column


def an_older_secret(app: Flask, noon: Traveller, rows: Rows, log: pytest.LogCaptureFixture) -> None:
    """A finder of Carol's old phone puts its secret into the row of her new app."""
    carol = set_up_before_noon(app, noon, "carol")
    older, old_key = rows("SELECT sealed_secret FROM authenticators")[0][0], carol.key
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    replace_app(carol)
    noon.shift(timedelta(minutes=2))
    bound = "SELECT * FROM authenticators WHERE revoked_at IS NULL"
    change(
        app, "UPDATE authenticators SET sealed_secret = :old WHERE revoked_at IS NULL", old=older
    )
    before = rows(bound)
    thief = Person(app, "carol@example.com")
    thief.sign_in()

    thief.press("/signin/code", code=app_code(old_key))

    assert thief.page.status == 422
    assert thief.page.error.startswith("That code does not match")
    assert thief.visit("/security").heading == "Enter your code"
    assert rows(bound) == before
    assert rows("SELECT failures FROM throttles WHERE account_id = 3") == [(1,)]
    assert log.text.count("authenticators.sealed_secret does not open") == 1
    assert [s for s in (old_key, carol.key, older) if str(s) in log.text] == []


def another_record(app: Flask, noon: Traveller, rows: Rows, log: pytest.LogCaptureFixture) -> None:
    """Two dead records exchanged with their names: each explains nothing any more."""
    carol = set_up_before_noon(app, noon, "carol")
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    dead = []
    for _ in range(2):
        carol.visit("/setup/authenticator")
        carol.next()
        dead.append(carol.page.key)
        carol.next()
    carol.visit("/setup/authenticator")
    carol.sign_out()
    carol.sign_in()
    carol.press("/signin/code", code=app_code(dead[0]))
    assert "carol@example.com #2" in carol.page.error
    swap(app, "void_records", "label, sealed_secret", 1, 2)

    carol.press("/signin/code", code=app_code(dead[0], steps=-1))

    assert carol.page.status == 422
    assert "#" not in carol.page.error


def exchanged(app: Flask, noon: Traveller, rows: Rows, log: pytest.LogCaptureFixture) -> None:
    """The secret and the codes of a running set-up change places."""
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.to_codes()
    change(app, "UPDATE wizards SET sealed_secret = sealed_codes, sealed_codes = sealed_secret")

    bob.next(saved="1")

    assert (bob.page.status, bob.page.heading) == (409, AGAIN)
    assert rows("SELECT void_reason, sealed_secret, sealed_codes FROM wizards") == [
        ("unreadable", None, None)
    ]
    assert rows("SELECT count(*) FROM authenticators") == [(0,)]
    assert rows("SELECT count(*) FROM backup_codes") == [(0,)]
    assert log.text.count("wizards.sealed_secret does not open") == 1
    assert bob.key not in log.text


def codes_of_a_secret(
    app: Flask, noon: Traveller, rows: Rows, log: pytest.LogCaptureFixture
) -> None:
    """The download of backup codes finds the secret in their place."""
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.to_codes()
    change(app, "UPDATE wizards SET sealed_codes = sealed_secret")

    bob.press("/setup/backup-codes")

    assert (bob.page.status, bob.page.heading) == (409, AGAIN)
    assert bob.key not in bob.page.text.replace(" ", "")
    assert rows("SELECT void_reason, sealed_codes FROM wizards") == [("unreadable", None)]
    assert log.text.count("wizards.sealed_codes does not open") == 1


def something_else_kept(
    app: Flask, noon: Traveller, rows: Rows, log: pytest.LogCaptureFixture
) -> None:
    """What a discarded page may be brought back with is something else of that set-up."""
    bob = Person(app, "bob@example.com", htmx=True)
    bob.sign_in()
    bob.to_codes()
    codes = rows("SELECT sealed_codes FROM wizards")[0][0]
    proof = bob.come_back()
    change(app, "UPDATE wizards SET sealed_kept = :codes", codes=codes)

    bob.press("/setup/resume", proof=proof)

    assert (bob.page.status, bob.page.heading) == (409, AGAIN)
    assert rows("SELECT sealed_secret, sealed_kept FROM wizards") == [(None, None)]
    assert log.text.count("wizards.sealed_kept does not open") == 1


def another_mail(app: Flask, noon: Traveller, rows: Rows, log: pytest.LogCaptureFixture) -> None:
    """Two waiting mails to one recipient change places: neither leaves."""
    away = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": 9}
    offline = create_app({"INSTANCE": app.instance_path, **CHEAP, **away})
    carol = set_up_before_noon(offline, noon, "carol")
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    replace_app(carol)
    with offline.app_context():
        db.engine.dispose()
    assert rows("SELECT recipient, failed_at FROM outbox") == [("carol@example.com", None)] * 2
    swap(app, "outbox", "sealed_message", 1, 2)
    noon.shift(timedelta(minutes=2))

    done = app.test_cli_runner().invoke(args=["mail", "deliver"])

    assert "0 of 2 due mails sent." in done.output
    assert letters(app) == []
    found = "SELECT error, sent_at FROM outbox WHERE failed_at IS NOT NULL"
    assert rows(found) == [("SealBroken", None)] * 2


def another_request(app: Flask, noon: Traveller, rows: Rows, log: pytest.LogCaptureFixture) -> None:
    """Two who forgot their passwords: each one's request beside the other one's browser."""
    for name in ("bob", "alice"):
        left_behind(app, f"{name}@example.com")
    swap(app, "link_requests", "sealed_request", 1, 2)

    done = app.test_cli_runner().invoke(args=["mail", "deliver"])

    assert "0 of 0 due mails sent." in done.output
    assert letters(app) == []
    assert rows("SELECT count(*) FROM password_links") == [(0,)]
    assert rows("SELECT count(*) FROM link_requests") == [(0,)]
    assert log.text.count("link_requests.sealed_request does not open") == 2


ATTACKS = {
    "authenticators.sealed_secret": an_older_secret,
    "link_requests.sealed_request": another_request,
    "outbox.sealed_message": another_mail,
    "void_records.sealed_secret": another_record,
    "wizards.sealed_codes": codes_of_a_secret,
    "wizards.sealed_kept": something_else_kept,
    "wizards.sealed_secret": exchanged,
}
COLUMNS = sorted(
    f"{table}.{column.name}"
    for table in Model.metadata.sorted_tables
    for column in table.columns
    if column.name.startswith("sealed_")
)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_value_sealed_elsewhere_opens_nothing(
    app: Flask,
    noon: Traveller,
    rows: Rows,
    caplog: pytest.LogCaptureFixture,
    column: str,
) -> None:
    """A sealed column without its attack here fails: write one."""
    ATTACKS[column](app, noon, rows, caplog)


def test_a_page_loaded_anew_sets_nothing_aside_that_does_not_open(
    app: Flask, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    bob = Person(app, "bob@example.com", htmx=True)
    bob.sign_in()
    bob.to_codes()
    change(app, "UPDATE wizards SET sealed_secret = sealed_codes")
    bob.say("hidden")

    bob.visit("/setup")

    assert (bob.page.status, bob.page.heading) == (409, AGAIN)
    state = "SELECT void_reason, sealed_secret, sealed_codes, sealed_kept FROM wizards"
    assert rows(state) == [("unreadable", None, None, None)]
    assert caplog.text.count("wizards.sealed_secret does not open") == 1


def model_of(table: str) -> type[SealedModel]:
    return next(m for m in SealedModel.__subclasses__() if m.__tablename__ == table)


def a_row(model: type[SealedModel], **values: object) -> SealedModel:
    facts: dict[str, object] = {"account_id": 1, "label": "x", "recipient": "a@example.com"}
    facts |= {"seal_id": sealed.new_id(), "attempt": sealed.new_id()}
    names = {column.name for column in model.__table__.columns}
    return model(**{name: value for name, value in (facts | values).items() if name in names})


@pytest.mark.parametrize("column", COLUMNS)
def test_a_value_is_bound_to_column_row_and_account(app: Flask, column: str) -> None:
    table, _, name = column.partition(".")
    model = model_of(table)
    mine = a_row(model)
    same = {"seal_id": mine.bound_to[0], "attempt": mine.bound_to[0]}
    with app.app_context():
        mine.seal(name, "secret")
        value = getattr(mine, name)
        assert re.fullmatch(r"1:[\w-]+=*", value)
        assert a_row(model, **same, **{name: value}).unseal(name) == "secret"
        elsewhere = [(a_row(model, **{name: value}), name)]
        if "account_id" in model.__table__.columns:  # a request names nobody's account
            elsewhere.append((a_row(model, **same, account_id=2, **{name: value}), name))
        for other in (c.name for c in model.__table__.columns if c.name.startswith("sealed_")):
            if other != name:
                elsewhere.append((a_row(model, **same, **{other: value}), other))
        for row, at in elsewhere:
            with pytest.raises(keys.SealBroken, match=f"^{table}.{at} does not open$"):
                row.unseal(at)


def test_a_mail_does_not_open_for_another_recipient(app: Flask) -> None:
    model = model_of("outbox")
    mine = a_row(model)
    with app.app_context():
        mine.seal("sealed_message", "secret")
        mine.recipient = "thief@example.com"  # type: ignore[attr-defined]  # the outbox has it
        with pytest.raises(keys.SealBroken):
            mine.unseal("sealed_message")


def test_every_row_has_a_random_id_of_its_own(app: Flask, noon: Traveller, rows: Rows) -> None:
    carol = set_up_before_noon(app, noon, "carol")
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    replace_app(carol)
    for table in ("authenticators", "void_records", "outbox"):
        found = [str(value) for (value,) in rows(f"SELECT seal_id FROM {table}")]
        assert found
        assert len(set(found)) == len(found)
        assert all(re.fullmatch("[0-9a-f]{32}", value) for value in found)
