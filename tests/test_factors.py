"""What someone can prove, without any page: app codes, backup codes, sealed values."""

import random
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

import keys
from db import db
from factors import backup_codes, backup_email, totp
from factors.typed import APP, digits
from tests.person import Person, app_code

Rows = Callable[[str], list[tuple[object, ...]]]
START = datetime(2024, 1, 1, tzinfo=UTC)


def test_it_agrees_with_oathtool_at_many_moments() -> None:
    """The times are spread over ten years; the phone is oathtool (S-021)."""
    chance = random.Random(6238)
    for _ in range(40):
        secret = totp.new_secret()
        at = START + timedelta(seconds=chance.randrange(10 * 365 * 86400))
        assert totp.matching_step(secret, app_code(secret, at), at) == totp.step_at(at)


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_it_accepts_the_steps_around_now(steps: int) -> None:
    secret, at = totp.new_secret(), START + timedelta(seconds=17)
    code = app_code(secret, at, steps)
    assert totp.matching_step(secret, code, at) == totp.step_at(at) + steps


@pytest.mark.parametrize("steps", [-2880, -20, -2, 2, 20, 2880])
def test_it_refuses_every_step_further_away(steps: int) -> None:
    """S-023."""
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    at = START + timedelta(seconds=17)
    code = app_code(secret, at, steps)
    assert code not in {app_code(secret, at, near) for near in (-1, 0, 1)}
    assert totp.matching_step(secret, code, at) is None


def test_a_step_ends_with_its_last_second() -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    code = app_code(secret, START)
    ends = START + timedelta(seconds=2 * totp.STEP_SECONDS)
    assert totp.matching_step(secret, code, ends - timedelta(seconds=1)) is not None
    assert totp.matching_step(secret, code, ends) is None


@pytest.mark.parametrize(
    ("issuer", "label"),
    [
        ("Onward Demo", "alice@example.com #2"),
        ("A&B Co+/é", "x+y%z/@ä.de"),
        ("100% sure?", "o'neil&sons=1@example.com"),
        ("日本", "ß@example.com"),
    ],
)
def test_the_otpauth_address_reads_back_equal(issuer: str, label: str) -> None:
    """S-021, S-022: only defaults, `%20` never `+`, one colon between issuer and account."""
    uri = totp.provisioning_uri("JBSWY3DPEHPK3PXP", issuer, label)
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("otpauth", "totp", "")
    assert parts.path.count(":") == 1
    assert "+" not in uri
    assert [unquote(part) for part in parts.path[1:].split(":")] == [issuer, label]
    assert parse_qs(parts.query) == {"secret": ["JBSWY3DPEHPK3PXP"], "issuer": [issuer]}


def test_secrets_have_160_bits_and_never_repeat() -> None:
    """S-020: 32 letters of base32 are 160 bits, without padding."""
    made = {totp.new_secret() for _ in range(10_000)}
    assert len(made) == 10_000
    assert all(re.fullmatch("[A-Z2-7]{32}", secret) for secret in made)


def test_the_key_reads_in_groups_of_four() -> None:
    assert totp.grouped("ABCDEFGHIJ") == "ABCD EFGH IJ"


@given(st.text(max_size=200))
def test_whatever_is_typed_is_six_ascii_digits_or_no_code(typed: str) -> None:
    """S-027."""
    assert (APP.refusal(typed) is None) == bool(re.fullmatch("[0-9]{6}", digits(typed)))


def test_backup_codes_are_ten_different_ones_of_eight_digits() -> None:
    """S-060: leading zeros are kept, and the first digit is spread evenly."""
    lists = [backup_codes.new_codes() for _ in range(400)]
    assert all(len(set(codes)) == backup_codes.COUNT == 10 for codes in lists)
    every = [code for codes in lists for code in codes]
    assert all(re.fullmatch("[0-9]{8}", code) for code in every)
    for first in "0123456789":  # 400 expected; six standard deviations are 114
        assert 286 < sum(code.startswith(first) for code in every) < 514


def test_the_database_holds_no_backup_code(carol: Person, app: Flask) -> None:
    """S-061, S-114."""
    with sqlite3.connect(f"{app.instance_path}/onward.sqlite") as connection:
        dump = "\n".join(connection.iterdump())
    assert "backup_codes" in dump
    for code in carol.codes:
        assert code not in dump
        assert code.replace(" ", "") not in dump
    assert carol.key not in dump


def test_equal_backup_codes_of_two_people_are_stored_unlike(app: Flask, rows: Rows) -> None:
    """S-061: the salt is of the list, the digest of its owner too."""
    with app.app_context():
        for account_id in (1, 2):
            backup_codes.issue(account_id, ["12345678"], START)
        db.session.commit()
    assert len(set(rows("SELECT digest FROM backup_codes"))) == 2
    assert len(set(rows("SELECT salt FROM backup_codes"))) == 2


def test_another_pepper_makes_every_backup_code_worthless(carol: Person, rows: Rows) -> None:
    """S-061: the database alone tells nothing."""
    carol.sign_in()
    file = Path(carol.app.instance_path) / "keys" / "pepper.key"
    kept = file.read_text()
    _use_key(carol.app, file, "ab" * 32)

    carol.press("/signin/backup-code", code=carol.codes[0])

    assert carol.page.status == 422
    assert rows("SELECT count(*) FROM backup_codes WHERE used_at IS NOT NULL") == [(0,)]
    _use_key(carol.app, file, kept)
    assert carol.press("/signin/backup-code", code=carol.codes[0]).status == 200


def test_new_backup_codes_void_the_older_ones(carol: Person, rows: Rows) -> None:
    """S-063."""
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key))
    carol.visit("/setup/codes")
    newer = carol.next().codes
    carol.next(saved="1")
    assert rows("SELECT count(*) FROM backup_codes WHERE replaced_at IS NULL") == [(10,)]
    carol.sign_out()
    carol.sign_in()

    assert carol.press("/signin/backup-code", code=carol.codes[0]).status == 422
    assert carol.press("/signin/backup-code", code=newer[0]).status == 200


def test_a_mailed_code_belongs_to_purpose_account_and_nonce(app: Flask) -> None:
    """S-074: the same three give the same code; any other gives another one."""
    with app.app_context():
        nonces = [backup_email.new_nonce() for _ in range(50)]
        mine = [backup_email.derived("sign in", 1, nonce) for nonce in nonces]
        assert mine == [backup_email.derived("sign in", 1, nonce) for nonce in nonces]
        assert mine != [backup_email.derived("sign in", 2, nonce) for nonce in nonces]
        assert mine != [backup_email.derived("confirm", 1, nonce) for nonce in nonces]
    assert len(set(mine)) > 45
    assert all(re.fullmatch("[0-9]{6}", code) for code in mine)


HERE = ("things.sealed_one", "row", "1")


def test_a_sealed_value_opens_in_its_column_row_and_account_only(app: Flask) -> None:
    """S-160."""
    with app.app_context():
        ring = keys.ring()
        sealed = ring.seal(b"secret", HERE)
        assert ring.unseal(sealed, HERE) == b"secret"
        assert b"secret" not in sealed.encode()
        assert sealed != ring.seal(b"secret", HERE)
        for elsewhere in (
            ("things.sealed_other", "row", "1"),
            ("things.sealed_one", "other", "1"),
            ("things.sealed_one", "row", "2"),
            ("things.sealed_one", "row"),
            ("things.sealed_one", "row1", ""),
            ("things.sealed_one", "row", "1", ""),
        ):
            with pytest.raises(keys.SealBroken, match=f"^{elsewhere[0]} does not open$"):
                ring.unseal(sealed, elsewhere)


@pytest.mark.parametrize("place", [2, 14, 30, -4])
def test_a_sealed_value_with_one_sign_changed_does_not_open(app: Flask, place: int) -> None:
    """S-160: nonce, text and tag are all guarded."""
    with app.app_context():
        sealed = keys.ring().seal(b"a secret of some length", HERE)
        other = "B" if sealed[place] != "B" else "C"
        broken = sealed[:place] + other + sealed[place:][1:]
        assert len(broken) == len(sealed)
        assert broken != sealed
        with pytest.raises(keys.SealBroken):
            keys.ring().unseal(broken, HERE)


@pytest.mark.parametrize("broken", ["", "1:", "1:%%%", "9:AAAA", "1:AAAA"])
def test_nonsense_in_place_of_a_sealed_value_does_not_open(app: Flask, broken: str) -> None:
    with app.app_context(), pytest.raises(keys.SealBroken):
        keys.ring().unseal(broken, HERE)


def _use_key(app: Flask, file: Path, text: str) -> None:
    """Replace a key file and let the application read it anew, as after a restart."""
    file.write_text(text)
    app.extensions.pop("onward-keys")
