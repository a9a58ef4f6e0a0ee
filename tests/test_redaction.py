"""What a log keeps of an exception: its kind and place, and nobody's data."""

import re

import pytest
from flask import abort

import keys
import redaction


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (ValueError("invalid literal: 'Ann Example'"), "invalid literal: '…'"),
        (KeyError("ann"), "'…'"),
        (AttributeError("'NoneType' object has no attribute 'email'"), "no attribute 'email'"),
        (RuntimeError("no <ann@example.org> from 203.0.113.9:\n at 12:34:56"), "12:34:56"),
        (RuntimeError("2001:db8:: and ::1 took 123456"), "::1 took [secret]"),
        (RuntimeError("token " + "ab-_" * 10), "token [secret]"),
    ],
)
def test_what_was_typed_is_not_kept_of_an_exception(error: Exception, kept: str) -> None:
    """S-137."""
    told = redaction.trace(error)
    assert kept in told
    assert not re.search(r"Ann|ann\b|example\.org|203\.0|2001:db8|123456|ab-_", told)
    assert len(told.splitlines()) == 2


def test_a_mailed_link_is_not_kept_of_a_path() -> None:
    """Flask writes the path of a request that it can't answer."""
    told = redaction.masked(f"Exception on /signin/reset/{keys.token()} [GET]")
    assert told == "Exception on /signin/reset/[secret] [GET]"


def test_an_exception_tells_what_led_to_it() -> None:
    try:
        try:
            abort(404)
        except Exception as error:
            raise RuntimeError("afterwards") from error
    except RuntimeError as error:
        told = redaction.trace(error)
    assert told.index("NotFound") < told.index("That led to:") < told.index("afterwards")
