"""The edges of what a factor accepts and tells, each one step to both sides.

Mutation testing asked for these; everything else about factors is tried at its page.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from time_machine import Traveller

from db import db
from factors import backup_codes, diagnosis, totp, trusted_device, void_record
from factors.authenticator import Authenticator
from factors.backup_email import EmailCode
from factors.diagnosis import Record
from factors.refusal import Refusal
from factors.throttle import Throttle
from tests.conftest import NOON, set_up_before_noon
from tests.person import Person, app_code, never_shown

Rows = Callable[[str], list[tuple[object, ...]]]
NOW = totp.step_at(NOON)
RECORD = Record("alice@example.com #2", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
DEAD = Record("alice@example.com", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
"""Always the same, so that no code of theirs is another one's by chance."""


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def code_of(record: Record, steps: int) -> str:
    return app_code(record.secret, NOON, steps)


def told(steps: int, noted: int | None = None, record: Record = RECORD) -> diagnosis.Finding:
    return diagnosis.in_set_up(code_of(record, steps), RECORD, [DEAD], noted, NOON)


@pytest.mark.parametrize(
    ("steps", "reason", "minutes"),
    [
        (-2, "expired", None),
        (-3, "expired", None),
        (-4, "expired", None),
        (-5, "clock_behind_perhaps", 2),
        (-6, "clock_behind_perhaps", 3),
        (2, "clock_ahead_perhaps", 1),
        (4, "clock_ahead_perhaps", 2),
        (-3120, "clock_behind_perhaps", 1560),
        (3120, "clock_ahead_perhaps", 1560),
        (-3121, "unknown", None),
        (3121, "unknown", None),
    ],
)
def test_each_offset_has_its_reason(steps: int, reason: str, minutes: int | None) -> None:
    finding = told(steps)
    assert (finding.refusal.reason, finding.refusal.values.get("minutes")) == (reason, minutes)
    assert finding.offset == (steps if minutes else None)


@pytest.mark.parametrize(
    ("apart", "sure"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_the_same_offset_may_move_by_one_step(apart: int, sure: bool) -> None:
    assert told(-8, noted=-8 + apart).refusal.reason == (
        "clock_behind" if sure else "clock_behind_perhaps"
    )


@pytest.mark.parametrize(
    ("steps", "is_told"), [(2, False), (1, True), (0, True), (-19, True), (-20, True), (-21, False)]
)
def test_a_dead_record_is_told_of_near_now(steps: int, is_told: bool) -> None:
    for refusal in (
        told(steps, record=DEAD).refusal,
        diagnosis.at_sign_in(code_of(DEAD, steps), RECORD, 0, [DEAD], NOON),
    ):
        assert (refusal.reason == "void_record") == is_told


def test_a_code_of_the_step_that_was_spent_is_used_and_another_one_old() -> None:
    for spent, reason in ((NOW - 5, "used"), (NOW - 6, "expired"), (NOW - 4, "expired")):
        assert diagnosis.at_sign_in(code_of(RECORD, -5), RECORD, spent, [], NOON) == Refusal(reason)


def test_the_search_agrees_with_oathtool_far_away() -> None:
    for steps in (-3000, -1, 0, 77, 2999):
        code = code_of(RECORD, steps)
        assert totp.search(RECORD.secret, code, [NOW + steps]) == NOW + steps
        assert totp.search(RECORD.secret, code, [NOW + 9000, NOW + 9001]) is None


# Records that are dead


def test_dead_records_are_their_owners_and_of_a_day(context: None) -> None:
    for number in range(12):
        record = Record(f"#{number}", totp.new_secret())
        void_record.keep(1, record, NOON + timedelta(seconds=number))
    void_record.keep(2, Record("#11", totp.new_secret()), NOON)
    db.session.commit()

    newest_first = [record.label for record in void_record.of_account(1, NOON)]
    assert newest_first == [f"#{n}" for n in range(11, 1, -1)]
    later = NOON + timedelta(hours=24)
    assert [r.label for r in void_record.of_account(1, later)] == newest_first
    assert [r.label for r in void_record.of_account(2, later)] == []
    void_record.drop(1, "#11")
    assert [r.label for r in void_record.of_account(2, NOON)] == ["#11"]
    assert [r.label for r in void_record.of_account(1, NOON)] == [f"#{n}" for n in range(10, 0, -1)]
    void_record.wipe(later)
    assert [r.label for r in void_record.of_account(1, NOON)] == [f"#{n}" for n in range(10, 0, -1)]
    void_record.wipe(later + timedelta(seconds=11))
    assert void_record.of_account(1, NOON) == []


def test_replacing_an_app_twice_ends_each_once(carol: Person, rows: Rows) -> None:
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    ended: list[tuple[object, ...]] = []
    for _ in range(2):
        carol.visit("/setup/authenticator")
        carol.next()
        key = carol.page.key
        carol.next()
        carol.next(code=app_code(key))
        assert carol.page.heading == "Your new app works now"
        now = rows("SELECT id, revoked_at FROM authenticators ORDER BY id")
        assert now[: len(ended)] == ended
        ended = now[:-1]
    assert rows("SELECT label FROM void_records ORDER BY id") == [
        ("carol@example.com",),
        ("carol@example.com #2",),
    ]


# Backup codes


def test_a_code_of_somebody_else_is_just_unknown(context: None) -> None:
    """Used or replaced ones of another person explain nothing here."""
    codes = backup_codes.new_codes()
    backup_codes.issue(1, codes, NOON)
    backup_codes.issue(2, backup_codes.new_codes(), NOON)
    assert backup_codes.consume(1, codes[0], NOON) is None
    assert backup_codes.consume(2, codes[0], NOON) == Refusal("backup_unknown")
    assert backup_codes.consume(3, codes[1], NOON) == Refusal("backup_unknown")


def test_a_replaced_code_lets_nobody_in_and_counts_for_nothing(context: None) -> None:
    codes, later = backup_codes.new_codes(), NOON + timedelta(days=1)
    backup_codes.issue(1, codes, NOON)
    assert backup_codes.has_unused(1)
    backup_codes.issue(1, ["00000001"], later)
    assert backup_codes.consume(1, codes[0], later) == Refusal("backup_replaced", {"date": later})
    assert backup_codes.consume(1, "00000001", later) is None
    assert not backup_codes.has_unused(1)


# The budget


def test_the_last_tries_of_a_year_are_told() -> None:
    """28 wrong codes long ago: two are left, whatever the run says."""
    throttle = Throttle(failures=0, locks=0, wrong_at=[int(NOON.timestamp())] * 28)
    assert throttle.left(NOON) == 2
    throttle.failures = 4
    assert throttle.left(NOON) == 1


# A clock that jumped


@pytest.fixture
def two(app: Flask, noon: Traveller) -> list[Person]:
    """Carol and Bob, set up ten minutes ago and half signed in."""
    people = [set_up_before_noon(app, noon, name) for name in ("carol", "bob")]
    for person in people:
        person.sign_in()
    return people


STEPS = "SELECT last_time_step FROM authenticators ORDER BY id"


def spend(app: Flask, step: int) -> None:
    """Let both apps have spent this step."""
    with app.app_context():
        db.session.connection().exec_driver_sql(
            f"UPDATE authenticators SET last_time_step = {step}"
        )
        db.session.commit()


def test_a_spent_step_of_the_future_is_brought_back(
    app: Flask, two: list[Person], noon: Traveller, rows: Rows
) -> None:
    """S-029: of this app only; what passes now is burnt with it."""
    carol, _ = two
    spend(app, NOW + 120)
    assert "Wait one minute" in carol.press("/signin/code", code=app_code(carol.key)).error
    assert rows(STEPS) == [(NOW + 1,), (NOW + 120,)]
    assert rows("SELECT failures FROM throttles WHERE account_id = 3") == [(1,)]
    for steps in (-1, 0, 1):
        page = carol.press("/signin/code", code=app_code(carol.key, steps=steps))
        assert "used that code already" in page.error
    noon.shift(timedelta(seconds=30))
    page = carol.press("/signin/code", code=app_code(carol.key, steps=1))
    assert page.heading == "Two-factor authentication"


def test_a_spent_step_that_still_passes_is_left_alone(
    app: Flask, two: list[Person], rows: Rows
) -> None:
    carol, _ = two
    spend(app, NOW + 1)
    page = carol.press("/signin/code", code=app_code(carol.key, steps=1))
    assert "used that code already" in page.error
    assert rows(STEPS) == [(NOW + 1,), (NOW + 1,)]


# Brought back


def test_what_was_left_is_wiped_at_once(app: Flask, noon: Traveller, rows: Rows) -> None:
    """Only what a load has voided may come back."""
    alice = Person(app, "alice@example.com", htmx=True)
    alice.sign_in()
    alice.to_verify()
    alice.next(code=never_shown(alice.key))
    alice.post("/setup/leave", alice.page.hidden())
    assert rows("SELECT sealed_kept, sealed_secret FROM wizards") == [(None, None)]


def test_at_thirty_minutes_to_the_second_it_is_over(app: Flask, noon: Traveller) -> None:
    alice = Person(app, "alice@example.com", htmx=True)
    alice.sign_in()
    alice.to_verify()
    for _ in range(2):
        noon.shift(timedelta(minutes=14))
        alice.next(code="")
    noon.shift(timedelta(minutes=2))
    assert alice.next(code=app_code(alice.key)).heading == "Set-up has started again"


def test_what_comes_back_leaves_nothing_aside(app: Flask, noon: Traveller, rows: Rows) -> None:
    alice = Person(app, "alice@example.com", htmx=True)
    alice.sign_in()
    alice.to_verify()
    alice.press("/setup/resume", proof=alice.come_back())
    assert rows("SELECT sealed_kept FROM wizards") == [(None,)]


def mailed(account_id: int, minutes_ago: float) -> EmailCode:
    """A code mailed to somebody a while before noon."""
    made_at = NOON - timedelta(minutes=minutes_ago)
    sign_in_id = db.session.scalar(text("SELECT max(id) FROM sign_ins")) or 1
    code = EmailCode.issue(account_id, sign_in_id, made_at)
    db.session.flush()
    return code


def test_a_mailed_code_is_spent_by_whoever_comes_first(app: Flask, bob: Person) -> None:
    with app.app_context():
        code = mailed(2, 1)
        assert code.consume(code.code, NOON) is None
        db.session.expire(code)
        assert code.consume(code.code, NOON) == Refusal("email_unknown")


def test_a_mailed_code_that_ran_out_is_told_to_its_owner_with_its_end(
    app: Flask, bob: Person
) -> None:
    with app.app_context():
        old, foreign, new = mailed(2, 10), mailed(3, 12), mailed(2, 1)
        ended = Refusal("email_expired", {"time": NOON})
        assert new.consume(old.code, NOON) == ended
        assert old.consume(old.code, NOON) == ended
        assert new.consume(foreign.code, NOON) == Refusal("email_unknown")


def test_one_code_that_is_left_is_a_way_in(context: None) -> None:
    codes = backup_codes.new_codes()
    backup_codes.issue(1, codes, NOON)
    for code in codes[:9]:
        assert backup_codes.consume(1, code, NOON) is None
    assert backup_codes.has_unused(1)
    assert backup_codes.consume(1, codes[9], NOON) is None
    assert not backup_codes.has_unused(1)


def test_without_a_list_an_old_code_is_still_told_as_replaced(context: None) -> None:
    codes = backup_codes.new_codes()
    backup_codes.issue(1, codes, NOON)
    backup_codes.revoke(1, NOON + timedelta(minutes=1))
    told = Refusal("backup_replaced", {"date": NOON + timedelta(minutes=1)})
    assert backup_codes.consume(1, codes[0], NOON) == told


def test_a_seal_that_does_not_open_has_spent_no_code(context: None) -> None:
    broken = Authenticator(account_id=1, label="x", sealed_secret="1.AAAA", last_time_step=NOW)
    assert broken.spent_last("123456") is False


def test_trust_is_taken_from_one_device_or_all(context: None) -> None:
    for name in ("one", "two"):
        trusted_device.remember(1, name, "", NOON)
    trusted_device.remember(2, "foreign", "", NOON)
    db.session.flush()
    ids = list(db.session.scalars(text("SELECT id FROM trusted_devices ORDER BY id")))
    assert not trusted_device.forget(1, ids[2])
    assert trusted_device.forget(1, ids[0])
    assert trusted_device.forget(1)
    assert not trusted_device.forget(1)
    assert list(db.session.scalars(text("SELECT id FROM trusted_devices"))) == ids[2:]
