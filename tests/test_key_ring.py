"""The ring that a process holds: when it reads the folder again, and what it never does (S-162)."""

import os
import secrets
from pathlib import Path

import pytest
from flask import Flask

import keys
from app import create_app
from tests.test_key_rotation import folder_of
from tests.test_mark import run

LONG_AGO = 10**18
PLACE = ("authenticators.sealed_secret", "x", "1")


def settle(folder: Path) -> None:
    """Let the folder look as it did, as on a disk that notes no times."""
    os.utime(folder, ns=(LONG_AGO, LONG_AGO))


def put(folder: Path, name: str, text: str = "") -> None:
    (folder / f"{name}.key").write_text(text or secrets.token_hex(32))


def test_a_folder_that_stays_is_read_once(app: Flask) -> None:
    settle(folder_of(app))
    with app.app_context():
        held = keys.ring()
        assert keys.ring() is held

        put(folder_of(app), "seal-2")

        assert keys.ring().newest("seal") == 2


def test_an_unknown_number_is_looked_for_once_more(app: Flask) -> None:
    """Where the folder does not show that it has changed, such as on another machine's disk."""
    settle(folder_of(app))
    with app.app_context():
        held = keys.ring()
        put(folder_of(app), "seal-2")
        settle(folder_of(app))
        sealed = keys.load(folder_of(app)).seal(b"secret", PLACE)
        assert keys.ring() is held
        with pytest.raises(keys.SealBroken):
            held.unseal(sealed, PLACE)

        assert keys.ring_with("seal", "2").unseal(sealed, PLACE) == b"secret"

        for unknown in ("9", "", "x", "0"):
            with pytest.raises(keys.SealBroken):
                keys.ring_with("seal", unknown).unseal(f"{unknown}:AAAA", PLACE)


def test_a_key_that_is_spoiled_while_people_are_served_stops_nobody(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with app.app_context():
        held = keys.ring()
        put(folder_of(app), "seal-2", "half a key")

        assert keys.ring() is held
    assert "The key 'seal-2' is missing, short or not hexadecimal" in caplog.text


def test_a_key_that_cannot_be_read_is_told(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder in its place: root reads every file."""
    (folder_of(app) / "pepper-2.key").mkdir()
    sentence = "The key 'pepper-2' can't be read: Is a directory."

    with pytest.raises(SystemExit) as ended:
        create_app({"INSTANCE": app.instance_path})

    assert (ended.value.code, sentence in capsys.readouterr().err) == (3, True)
    assert f"FAULT  keys: {sentence}" in run(app, "doctor").output
    assert "missing or short: pepper-2." in run(app, "init").output
