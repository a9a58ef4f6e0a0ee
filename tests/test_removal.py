"""One person's data: all of it in one file, and all of it gone but for the log's bare facts."""

import json
import re
import resource
import signal
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

import clock
from accounts import events
from accounts.events import Event
from admin import people
from db import Model, db
from operations import export, lives, removal
from sweeper import sweep
from tests.administration import add, administrator, press, table
from tests.conftest import install
from tests.live import free_port
from tests.person import Person, app_code, mailed_code
from tests.test_mail_delivery import Box, server

CAROL, HOME = "carol@example.com", "carol@home.example"
HERE, THERE = "Hartley & Sons", "Reading Room"
SECRET = re.compile("hash|digest|sealed|salt|pepper|nonce|attempt|seal_id|^view$")
NOT_TOLD = {
    "accounts": {"asked_email", "password_version", "password_hash", "reset_digest"},
    "events": {"by_account_id", "organisation_id"},
    "trusted_devices": {"wrong_at", "locks", "proved_at", "authenticator_id"},
    "authenticators": {"last_time_step"},
    "email_codes": {"sign_in_id"},
    "password_links": {"asked_in"},
    "sign_ins": {"renewed_at", "exempt_at", "demand_met_at", "proved_at", "proof_for"}
    | {"reset_code_at", "next_path", "let_through", "device_id"},
    "sso_trips": {"browser", "refused", "sign_in_id", "exempt_at", "demand_met_at", "tied_at"},
    "outbox": {"series", "expires_at", "tries", "next_try_at", "claimed_at", "error"},
    "wizards": {"sign_in_id", "turn", "time_step", "email_made_at", "wrong_codes", "refusal"}
    | {"view_seen_at", "shown_at", "clock_offset", "resumed_turn", "page", "page_number"}
    | {"hidden_at", "proved_at", "turned_at", "void_reason"},
    "join_requests": {"placeholder_id"},
}
"""Columns that are the machine's own: what no person would know as theirs."""


def run(app: Flask, *arguments: str, typed: str = "") -> Result:
    return app.test_cli_runner().invoke(args=list(arguments), input=typed)


def dumped(app: Flask) -> str:
    """Return everything that every table holds."""
    with app.app_context():
        rows = [
            f"{table.name} {tuple(row)}"
            for table in Model.metadata.sorted_tables
            for row in db.session.execute(text(f"SELECT * FROM {table.name}"))
        ]
    return "\n".join(rows)


def files(app: Flask) -> list[Path]:
    return [file for file in Path(app.instance_path).rglob("*") if file.is_file()]


def live_a_life(app: Flask) -> Person:
    """Carol does everything that leaves a row, and others do something about her."""
    carol: Person = app.extensions["carol"]
    carol.sign_in("wrong")
    carol.sign_in()
    carol.press("/signin/code", code="000000")
    carol.press("/signin/code", code=app_code(carol.key), trust="1")
    carol.visit("/setup?kind=email")
    carol.visit("/security")
    with app.app_context():
        db.session.execute(
            text(
                "INSERT INTO backup_emails (account_id, address, confirmed_at)"
                f" VALUES (3, '{HOME}', '2030-01-01')"
            )
        )
        db.session.commit()
    other = Person(app, CAROL)
    other.sign_in()
    other.press("/signin/backup-email")
    assert mailed_code(app, HOME)
    other.visit("/signin/forgot")
    other.press("/signin/forgot", email=CAROL)
    dora = administrator(app, organisation=THERE)
    dora.visit("/admin/people/add")
    press(dora, "Add people", people=f"Carol Cook, {CAROL}, member")
    assert "was added" in dora.page.words
    return dora


def test_every_column_about_a_person_is_exported_or_left_out_on_purpose() -> None:
    told = {**export.PARTS, **export.TIES}
    columns = {model.__table__.name: set(names) for model, names in told.values()}  # type: ignore[attr-defined]  # a table
    columns |= {"accounts": set(export.ACCOUNT), "events": set(export.EVENT)}
    for name, one in Model.metadata.tables.items():
        about = any(key.column.table.name == "accounts" for key in one.foreign_keys)
        if not about and name != "accounts":
            continue
        silent = {c.name for c in one.columns} - columns[name] - {"id", "account_id"}
        silent -= NOT_TOLD.get(name, set()) | {"organisation_id"}
        assert {c for c in silent if not SECRET.search(c)} == set(), name


def test_every_table_about_a_person_is_emptied_by_removal() -> None:
    about = {
        name
        for name, one in Model.metadata.tables.items()
        if any(key.column.table.name == "accounts" for key in one.foreign_keys)
    }
    gone = {model.__table__.name for model in removal.THEIRS}  # type: ignore[attr-defined]  # a table
    by_hand = {"events", "past_memberships", "memberships", "join_requests", "outbox", "sso_trips"}
    assert gone | by_hand == about


def test_a_person_s_data_is_one_file_without_a_secret(site: Flask, tmp_path: Path) -> None:
    live_a_life(site)
    file = tmp_path / "carol.json"

    done = run(site, "account", "export", CAROL, str(file))

    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = json.loads(file.read_text("utf-8"))
    assert found["account"] | {"email": CAROL, "name": "Carol"} == found["account"]
    assert found["memberships"][0]["organisation"] == HERE
    assert found["join_requests"][0]["organisation"] == THERE
    assert found["backup_emails"][0]["address"] == HOME
    assert len(found["backup_codes"]) == 10
    assert len(found["sign_ins"]) == 3
    assert found["known_browsers"][0]["trusted_at"]
    assert {"sign-in", "second factor", "finished: set-up"} <= {e["kind"] for e in found["events"]}
    assert {HOME, CAROL} == {mail["recipient"] for mail in found["mails"]}
    assert all(found[part] for part in export.PARTS if part not in EMPTY), found
    for secret in secrets_of(site):
        assert secret not in file.read_text("utf-8")
    assert "person exported" in dumped(site)

    before = file.read_bytes()
    refused = run(site, "account", "export", CAROL, str(file))
    assert (refused.exit_code, refused.output) == (1, f"Error: {file} is there already.\n")
    assert file.read_bytes() == before
    assert dumped(site).count("person exported") == 1
    assert json.loads(run(site, "account", "export", CAROL).output)["account"]["email"] == CAROL


def test_a_file_that_cannot_be_written_whole_is_not_left_behind(app: Flask, tmp_path: Path) -> None:
    """A disk that is full: nothing was exported, and no half of it lies about."""
    file, before = tmp_path / "alice.json", dumped(app)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        refused = run(app, "account", "export", "alice@example.com", str(file))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert (refused.exit_code, file.exists()) == (1, False)
    assert "can't be written: File too large." in refused.output
    assert dumped(app) == before


EMPTY = {"sso_ties", "sso_trips", "reminders", "void_records"}
"""What Carol has none of."""


def secrets_of(app: Flask) -> list[str]:
    """Return every value of a column that holds a secret or what is made of one."""
    with app.app_context():
        return [
            value.hex() if isinstance(value, bytes) else str(value)
            for one in Model.metadata.sorted_tables
            for column in one.columns
            if SECRET.search(column.name)
            for (value,) in db.session.execute(text(f"SELECT {column.name} FROM {one.name}"))
            if value is not None and len(str(value)) > 6
        ]


def test_a_removed_person_is_nowhere_any_more(site: Flask) -> None:
    dora = live_a_life(site)
    assert run(site, "account", "reset", CAROL, "--reason", "Carol lost it").exit_code == 0
    add(site, "ian", HERE, "owner")
    assert "carol" in dumped(site).lower()
    with site.app_context():
        count = text("SELECT count(*) FROM events WHERE account_id = 3")
        told = db.session.scalar(count)

    kept = run(site, "account", "remove", CAROL, typed="n\n")
    assert kept.exit_code == 1
    assert "Remove Carol (carol@example.com) for ever? [y/N]" in kept.output
    assert "carol" in dumped(site).lower()
    done = run(site, "account", "remove", CAROL, "--yes")

    assert done.output.startswith(
        "Removed carol@example.com. The log now calls this person removed person 3."
    )
    assert "carol" not in dumped(site).lower()
    named = [file for file in files(site) if b"carol" in file.read_bytes().lower()]
    assert named == []
    with site.app_context():
        assert db.session.scalar(count) >= told + 1
        addresses = text("SELECT DISTINCT address FROM events WHERE account_id = 3")
        assert set(db.session.scalars(addresses)) == {"not kept", ""}
    assert Person(site, CAROL).sign_in().error == "That email and password do not match."
    again = run(site, "account", "remove", CAROL, "--yes")
    assert again.output == f"Error: There is nobody with '{CAROL}'.\n"
    assert "carol" not in dora.visit("/admin/people").text.lower()


def test_the_log_names_the_number_of_who_was_removed(app: Flask, carol: Person) -> None:
    dora = administrator(app)
    carol.sign_in("wrong")
    assert run(app, "account", "remove", CAROL, "--yes").exit_code == 0

    rows = table(dora.visit("/admin/audit"))
    theirs = [row[2] for row in rows if row[1] == "removed person 3"]
    assert theirs[0] == "Person removed"
    kinds = {what.partition(" · ")[0] for what in theirs}
    assert {"Two-factor set up", "Sign-in", "Signed out"} <= kinds
    assert len(table(dora.visit("/admin/people"))) == 2
    with app.app_context():
        assert people.counts(None, clock.now())["all"] == 3


def test_the_last_owner_stays_unless_it_is_said(app: Flask) -> None:
    dora = administrator(app)
    before = dumped(app)

    refused = run(app, "account", "remove", dora.email, "--yes")

    assert refused.exit_code == 1
    assert "Or give --leave-without-owner." in refused.output
    assert dumped(app) == before
    done = run(app, "account", "remove", dora.email, "--yes", "--leave-without-owner")
    assert done.exit_code == 0, done.output
    assert dora.visit("/admin/people").heading == "Sign in"


def test_what_an_administrator_did_stands_under_their_number(app: Flask) -> None:
    dora, other = administrator(app), administrator(app, "ian")
    dora.visit("/admin/people/remind")
    press(dora, "Send reminder")

    assert run(app, "account", "remove", dora.email, "--yes").exit_code == 0

    rows = table(other.visit("/admin/audit"))
    assert "removed person 4" in [row[3] for row in rows if row[2].startswith("Reminder mailed")]


def test_what_was_written_about_somebody_else_is_not_exported(app: Flask, carol: Person) -> None:
    dora = administrator(app, organisation="Hartley & Sons")
    with app.app_context():
        db.session.add(
            Event(**events.columns_of("reset", 3, clock.now(), by=4, reason="Carol lost her phone"))
        )
        db.session.commit()

    done = run(app, "account", "export", dora.email)

    assert '"person": 3' in done.output
    assert "Carol" not in done.output


def test_the_number_goes_with_the_last_event_that_has_it(app: Flask, carol: Person) -> None:
    assert run(app, "account", "remove", CAROL, "--yes").exit_code == 0
    Person(app, "bob@example.com").sign_in()  # the newest event, which stays, is another one's
    with app.app_context():
        count = text("SELECT count(*) FROM accounts WHERE id = 3")
        at = clock.now() + lives.days("EVENTS_DAYS")
        sweep(at - timedelta(days=1))
        assert db.session.scalar(count) == 1
        sweep(at)
        assert db.session.scalar(count) == 0
        assert db.session.scalar(text("SELECT count(*) FROM accounts")) == 2


@pytest.mark.parametrize("command", ["export", "remove"])
def test_nobody_s_data_is_refused(app: Flask, command: str) -> None:
    before = dumped(app)
    refused = run(app, "account", command, "nobody@example.com")
    assert (refused.exit_code, dumped(app)) == (1, before)
    assert "There is nobody with 'nobody@example.com'." in refused.output


def test_a_mail_whose_person_goes_while_it_is_sent_is_no_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box, port = Box(), free_port()
    app = install(tmp_path / "instance", MAIL_SERVER="127.0.0.1", MAIL_PORT=port)
    box.act = lambda: _take_the_row_away(app)
    alice = Person(app, "alice@example.com")
    with server(box, port):
        alice.visit("/signin/forgot")
        alice.press("/signin/forgot", email=alice.email)

    assert len(box.mails) == 1
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    with app.app_context():
        assert db.session.scalar(text("SELECT count(*) FROM outbox")) == 0
        db.engine.dispose()


def _take_the_row_away(app: Flask) -> None:
    assert run(app, "account", "remove", "alice@example.com", "--yes").exit_code == 0
