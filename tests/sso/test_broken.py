"""A provider that is down, slow or talks nonsense costs a bounded time and a clear page."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, redirect

from accounts import sso_limits, sso_provider
from tests.sso import evil_provider
from tests.sso.comer import REQUIRED, Comer, Rows, ended, restarted
from tests.sso.evil_provider import Evil

BROKEN: dict[str, Callable[[], Any]] = {
    "500": lambda: ("a fault", 500),
    "no JSON": lambda: "<html>",
    "a list": lambda: "[]",
    "endless brackets": lambda: "[" * 200_000,
    "another form": lambda: '{"issuer": 3, "keys": {"a": 1}, "id_token": []}',
    "flood": evil_provider.flood,
    "redirect loop": lambda: redirect("/keys"),
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
def test_a_broken_provider_gets_a_clear_page(
    person: Comer, evil: Evil, rows: Rows, how: str, path: str
) -> None:
    address = person.answered() if path != "/.well-known/openid-configuration" else None
    evil.broken[path] = BROKEN[how]
    began = time.monotonic()

    page = person.visit(address) if address else person.press_start()

    assert page.status in {422, 503}
    assert (page.heading, page.error != "") == ("Sign in", True)
    assert time.monotonic() - began < 5
    assert rows("SELECT count(*) FROM sign_ins") == [(0,)]
    ((kind, factor, result),) = ended(rows)
    assert (kind, factor, str(result)[:8]) == ("sign-in", "sso", "refused:")
    assert person.sign_in().heading == REQUIRED  # the password way is still there


SLOW = [evil_provider.silent, evil_provider.trickle, evil_provider.trickle_headers]


@pytest.mark.parametrize("how", SLOW)
def test_a_slow_provider_costs_a_bounded_time(
    person: Comer, evil: Evil, rows: Rows, how: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits are shortened, so that the test is no longer than it must be."""
    assert (sso_limits.STEP_SECONDS, sso_provider.SECONDS) == (4, 8)
    monkeypatch.setattr(sso_limits, "STEP_SECONDS", 1)
    monkeypatch.setattr(sso_provider, "SECONDS", 2)
    address = person.answered()
    evil.broken["/token"] = how
    began = time.monotonic()

    page = person.visit(address)

    assert (page.status, page.heading) == (503, "Sign in")
    assert "does not answer as it should at the moment" in page.error
    assert time.monotonic() - began < 4
    assert rows("SELECT count(*) FROM sign_ins") == [(0,)]
    assert ended(rows) == [("sign-in", "sso", "refused: unavailable")]


def test_a_provider_that_is_down_gets_a_clear_page(app: Flask, evil: Evil, rows: Rows) -> None:
    person = Comer(restarted(app, evil, issuer="http://127.0.0.1:9"), "alice@example.com")

    page = person.press_start()

    assert (page.status, page.heading) == (503, "Sign in")
    assert "Example SSO does not answer as it should at the moment" in page.error
    assert ended(rows) == [("sign-in", "sso", "refused: unavailable")]
    assert person.sign_in().heading == REQUIRED
