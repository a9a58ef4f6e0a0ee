"""Rows end: each table has a documented life, and what is over goes in small parts (S-165)."""

import re
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, func, insert, select, text, update
from time_machine import Traveller, travel

import keys
import settings
from accounts import alarm, reminders, sign_in
from accounts.events import Event
from accounts.models import Membership
from accounts.sign_in import SignIn
from admin import progress
from db import Model, db
from mail import code_limits, postman
from operations import lives, mark, metrics, restore, start
from operations.backup import Backup
from sweeper import BATCHES, sweep
from tests import postgres, upgrades
from tests.administration import administrator, lines, table
from tests.conftest import LONG, NOON, install
from tests.person import Person
from wizard import wizard

ROOT = Path(__file__).parent.parent
MODEL = (ROOT / "docs" / "security-model.md").read_text("utf-8")
SET = {s.name: s for s in settings.SETTINGS}
USUAL = {name: SET[name].default for name in LONG}


@pytest.fixture
def app(app: Flask) -> Flask:
    """Other tests let rows live long."""
    app.config.update(USUAL)
    return app


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgres.cluster() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An installation of 2031 on either database."""
    config = {}
    if request.param == "postgresql":
        address = request.getfixturevalue("postgresql")
        config["DATABASE_URL"] = postgres.new_database(address, f"n{secrets.token_hex(4)}")
        keys.make(tmp_path / "instance" / "keys")
    with travel(NOON, tick=False):
        app = install(tmp_path / "instance", **USUAL, **config)
        yield app
        with app.app_context():
            db.engine.dispose()


def test_every_table_has_a_documented_life() -> None:
    section = MODEL.partition("## How long rows stay")[2].partition("\n## ")[0]
    told = re.findall(r"^\| (`[a-z].*?) \|", section, re.M)
    named = {name for line in told for name in re.findall(r"`(\w+)`", line)}

    assert named == set(Model.metadata.tables)


def test_the_documented_lives_are_those_of_the_code() -> None:
    section = MODEL.partition("## How long rows stay")[2].partition("\n## ")[0]
    for name in ("EVENTS_DAYS", "ADDRESSES_DAYS", "SIGN_INS_DAYS", "MAILS_DAYS"):
        one = SET[name]
        assert f"`ONWARD_{name}` | {one.default} | {one.least} to {one.most} |" in section
        assert f"`{name}`" in (ROOT / "README.md").read_text("utf-8")
    assert f"{lives.REPLACED.days} days after they were replaced" in section
    assert f"{lives.BACKUPS.days} days" in section


DAY = timedelta(days=1)
READS = {
    "Event.at": {
        "accounts/invitation.py": DAY,
        "admin/progress.py": progress.SINCE,
        "admin/audit.py": None,  # what an administrator asks for
        "operations/metrics.py": max(metrics.WINDOWS.values()),
        "operations/restore.py": None,  # the newest, which stays
        "operations/lives.py": None,
    },
    "SignIn.first_at": {
        "accounts/reminders.py": reminders.SSO_ONLY,
        "accounts/sign_ins.py": sign_in.OVERALL,
        "admin/standing.py": None,  # the newest, which stays
        "operations/lives.py": None,
    },
    "Outbox.made_at": {
        "accounts/join_request.py": DAY,
        "mail/code_limits.py": max(code_limits.DAY, sign_in.OVERALL, wizard.LONGEST),
        "mail/outbox.py": alarm.HOUR,
        "mail/postman.py": None,  # those that have not left
        "mail/queue.py": None,  # those that have not left
        "accounts/organisation_end.py": None,  # those that have not left
        "operations/restore.py": restore.TOLD,
        "operations/lives.py": None,
    },
}
"""Who reads rows by their time, and how far back."""


@pytest.mark.parametrize(
    ("column", "setting"),
    [
        ("Event.at", "EVENTS_DAYS"),
        ("SignIn.first_at", "SIGN_INS_DAYS"),
        ("Outbox.made_at", "MAILS_DAYS"),
    ],
)
def test_no_life_can_be_set_shorter_than_what_reads_the_rows(column: str, setting: str) -> None:
    """A new reader of rows by their time belongs into READS, with its window."""
    readers = {
        str(file.relative_to(ROOT))
        for room in ("accounts", "admin", "factors", "mail", "operations", "wizard")
        for file in (ROOT / room).glob("*.py")
        if re.search(rf"\b{re.escape(column)}\b", file.read_text("utf-8"))
    }
    assert readers == set(READS[column])
    longest = max(window for window in READS[column].values() if window is not None)
    assert timedelta(days=SET[setting].least) > longest


def test_a_mail_is_kept_longer_than_it_is_tried() -> None:
    assert timedelta(days=SET["MAILS_DAYS"].least) > sum(postman.WAITS, timedelta())


def old_events(app: Flask, count: int, at: datetime) -> None:
    """Write many events of Alice with an address of the network, as if of that moment."""
    row = {
        "account_id": 1,
        "kind": "sign-in",
        "result": "done",
        "address": "192.0.2.7",
        "browser": "Firefox",
        "system": "Linux",
    }
    with app.app_context():
        db.session.execute(insert(Event), [row | {"at": at} for _ in range(count)])
        db.session.commit()


def run(app: Flask, *arguments: str) -> str:
    return app.test_cli_runner().invoke(args=list(arguments)).output


def count(app: Flask, *where: str) -> int:
    with app.app_context():
        query = select(func.count()).select_from(Event).where(*map(text, where))
        return db.session.scalar(query) or 0


def test_events_go_in_small_parts_and_the_newest_stays(either: Flask) -> None:
    """Each part is a transaction of its own; the mark still fits (S-164)."""
    old = NOON - timedelta(days=731)
    old_events(either, 2 * lives.BATCH + 1, old)
    changed: list[int] = []
    with either.app_context():
        db.session.execute(text(f"UPDATE events SET at = '{old:%Y-%m-%d}'"))
        db.session.commit()
        newest = start.newest_event()
        mark.write(mark.Mark(*mark_of(either), newest))
        with watched(changed):
            assert sweep(NOON)
        assert db.session.scalars(select(Event.id)).all() == [newest]
        assert start.newest_event() == newest
        held = mark.read()
        assert held is not None
        assert held.event == newest
    assert max(changed) <= lives.BATCH
    assert sum(changed) >= 2 * lives.BATCH + 1
    assert "ok     database is the newest" in run(either, "doctor")


def mark_of(app: Flask) -> tuple[str, int]:
    held = mark.read()
    assert held is not None
    return held.uid, held.epoch


class watched:
    """Note how many rows each statement that deletes or changes has touched."""

    def __init__(self, changed: list[int]) -> None:
        self.changed = changed

    def __enter__(self) -> None:
        event.listen(db.engine, "after_cursor_execute", self.note)

    def __exit__(self, *error: object) -> None:
        event.remove(db.engine, "after_cursor_execute", self.note)

    def note(self, connection, cursor, statement, *rest) -> None:  # type: ignore[no-untyped-def]  # of SQLAlchemy
        if statement.startswith(("DELETE", "UPDATE")):
            self.changed.append(cursor.rowcount)


def test_one_sweep_is_bounded_and_the_next_post_goes_on(
    app: Flask, noon: Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lives, "BATCH", 5)
    with app.app_context():
        db.session.execute(update(Event).values(at=NOON))
        db.session.commit()
    old_events(app, 5 * BATCHES + 3, NOON - timedelta(days=800))

    noon.shift(timedelta(hours=1))
    Person(app, "nobody@example.com").sign_in("wrong")
    assert count(app, "address = '192.0.2.7'") == 3
    Person(app, "nobody@example.com").sign_in("wrong")
    assert count(app, "address = '192.0.2.7'") == 3

    noon.shift(timedelta(minutes=1))
    Person(app, "nobody@example.com").sign_in("wrong")
    assert count(app, "address = '192.0.2.7'") == 0


def test_addresses_are_blanked_before_their_events_go(either: Flask) -> None:
    """The log still tells a person's act from a command's, which never had an address."""
    old_events(either, 1, NOON - timedelta(days=89))
    old_events(either, 2, NOON - timedelta(days=90))
    commands = count(either, "address = ''")
    with either.app_context():
        db.session.execute(text("UPDATE events SET at = '2030-12-01' WHERE address = ''"))
        db.session.commit()
        assert sweep(NOON)

    assert count(either, "address = '192.0.2.7'") == 1
    assert count(either, "address = 'not kept'") == 2
    assert count(either, "address = ''") == commands


def test_the_log_reads_on_after_a_purge(app: Flask, noon: Traveller) -> None:
    dora = administrator(app)
    old_events(app, 60, NOON - timedelta(days=731))
    old_events(app, 60, NOON - timedelta(days=200))
    dora.visit("/admin/audit")
    assert len(table(dora.page)) == 50
    cursor = dora.page.value("before")
    with app.app_context():
        # Alice has been there all the time.
        db.session.execute(update(Membership).values(since=NOON - timedelta(days=900)))
        db.session.commit()
        assert sweep(NOON)

    dora.visit("/admin/audit?person=1")
    cells = [row for row in table(dora.page) if "not kept" in " ".join(row)]
    assert len(cells) >= 49
    assert "the person" in cells[0][3]
    older = dora.visit(f"/admin/audit?person=1&before={dora.page.value('before')}")
    assert 0 < len(table(older)) <= 50
    assert cursor is None or dora.visit(f"/admin/audit?before={cursor}").status == 200
    dora.visit("/admin/audit")
    dora.press("/admin/audit.csv")
    assert len([line for line in lines(dora.page) if "not kept" in line]) == 60


def test_old_sign_ins_go_and_the_list_still_tells_the_last_one(either: Flask) -> None:
    carol = Person(either, "carol@example.com")
    with travel(NOON - timedelta(days=120), tick=False):
        for _ in range(3):
            carol.sign_in()
            carol.to_verify()
            carol.sign_out()
    with either.app_context():
        assert db.session.scalar(select(func.count()).select_from(SignIn)) == 3
        assert sweep(NOON)
        left = db.session.scalars(select(SignIn)).all()
        assert [row.first_at for row in left] == [NOON - timedelta(days=120)]
        assert db.session.scalar(text("SELECT count(*) FROM wizards")) == 0
    assert carol.sign_in().heading == "Set up two-factor authentication"


def test_an_abandoned_set_up_keeps_no_secret_and_its_end_is_still_told(
    app: Flask, noon: Traveller
) -> None:
    """S-165: a pending secret is gone after a day; S-044: its person learns what to delete."""
    alice = Person(app, "alice@example.com")
    alice.sign_in()
    label = alice.start().label
    with app.app_context():
        sweep(NOON + timedelta(hours=23))
        held = text("SELECT count(*) FROM wizards WHERE sealed_secret IS NOT NULL")
        assert db.session.scalar(held) == 1
        sweep(NOON + timedelta(days=1))
        assert db.session.scalar(held) == 0
    noon.shift(timedelta(days=3))
    alice.sign_in()
    assert label in alice.visit("/setup").words


def test_mails_that_left_or_failed_go_and_those_that_wait_stay(either: Flask) -> None:
    with either.app_context():
        restore.tell_everybody(None, NOON)
        db.session.execute(text("UPDATE outbox SET sent_at = made_at WHERE account_id = 1"))
        db.session.execute(text("UPDATE outbox SET failed_at = made_at WHERE account_id = 2"))
        db.session.commit()
        sweep(NOON + timedelta(days=29))
        assert db.session.scalar(text("SELECT count(*) FROM outbox")) == 3
        sweep(NOON + timedelta(days=30))
        assert db.session.scalars(text("SELECT account_id FROM outbox")).all() == [3]


def test_the_newest_copy_with_the_same_keys_stays_known(either: Flask) -> None:
    with either.app_context():
        rows = [
            Backup(made_at=NOON, file=name, key_prints={"seal-1": keys})
            for name, keys in (("a", "old"), ("b", "old"), ("c", "new"), ("d", "new"))
        ]
        db.session.add_all(rows)
        db.session.commit()
        sweep(NOON + timedelta(days=365))
        assert db.session.scalars(text("SELECT file FROM backups ORDER BY id")).all() == ["b", "d"]


def test_a_filled_installation_of_an_older_version_is_swept(tmp_path: Path) -> None:
    """The migration over filled tables, then everything that is over in them."""
    app = upgrades.installed(tmp_path / "old", "0011", **USUAL)
    with travel(upgrades.NOON, tick=False):
        assert app.test_cli_runner().invoke(args=["init"]).exit_code == 0
    with app.app_context():
        newest = start.newest_event()
        assert sweep(upgrades.NOON + timedelta(days=800))
        tables = ("wizards", "void_records", "email_codes", "password_links", "trusted_devices")
        for name in tables:
            assert db.session.scalar(text(f"SELECT count(*) FROM {name}")) == 0, name
        assert db.session.scalars(text("SELECT id FROM events")).all() == [newest]
        db.engine.dispose()
