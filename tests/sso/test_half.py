"""A sign-in by SSO where the own factor is due can do nothing else (S-001, S-002)."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.conftest import addresses_of
from tests.person import PASSWORD, Person, app_code
from tests.sso.comer import SECURITY, Comer, Rows, restarted
from tests.sso.evil_provider import Evil
from tests.test_gate import CHALLENGE, FOR_EVERYBODY, HTMX, SET_UP

Snapshot = Callable[[], dict[str, list[str]]]
BY_SSO = {"/signin/sso/example", "/signin/sso/example/callback", "/signin/tie"}


def below(app: Flask, evil: Evil, carol: Person) -> Comer:
    """Carol, whose provider says too little: her code is due."""
    app = restarted(app, evil, require_amr=["mfa"])
    evil.person["email"] = "carol@example.com"
    comer = Comer(app, "carol@example.com")
    comer.come()
    comer.press("/signin/tie", password=PASSWORD)
    comer.press("/signin/code", code=app_code(carol.key))
    comer.press("/signout")
    assert comer.come().heading == "Enter your code"
    return comer


def waits_for_tie(app: Flask, evil: Evil, carol: Person) -> Comer:
    """Carol has proved the password of the account to be tied; her code is due."""
    evil.person |= {"email": "carol@example.com"}
    comer = Comer(app, "carol@example.com")
    comer.come()
    assert comer.press("/signin/tie", password=PASSWORD).heading == "Enter your code"
    return comer


def below_and_asked(app: Flask, evil: Evil, carol: Person) -> Comer:
    """Alice, whose organisation enforces, and whose provider says too little."""
    comer = Comer(restarted(app, evil, require_amr=["mfa"]), "alice@example.com")
    comer.come()
    comer.press("/signin/tie", password=PASSWORD)
    assert comer.page.heading == "Set up two-factor authentication"
    return comer


def before_tie(app: Flask, evil: Evil, carol: Person) -> Comer:
    """Somebody who came by SSO and has proved nothing of Carol's account yet."""
    evil.person["email"] = "carol@example.com"
    comer = Comer(app, "carol@example.com")
    assert comer.come().heading == "Is this your account?"
    return comer


STANDINGS = [
    pytest.param(below, CHALLENGE, "/signin/code", id="code due"),
    pytest.param(waits_for_tie, CHALLENGE, "/signin/code", id="tie waits for the code"),
    pytest.param(
        below_and_asked,
        SET_UP,
        "/setup/required",
        id="set-up due",
    ),
    pytest.param(before_tie, set(), "/signin", id="tie waits for the password"),
]


@pytest.mark.parametrize(("standing", "may_enter", "home"), STANDINGS)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["no script", "htmx"])
def test_it_may_do_what_is_due_and_nothing_else(
    app: Flask,
    evil: Evil,
    carol: Person,
    snapshot: Snapshot,
    standing: Callable[[Flask, Evil, Person], Comer],
    may_enter: set[str],
    home: str,
    headers: dict[str, str],
) -> None:
    person = standing(app, evil, carol)
    before = snapshot()
    values = {"provider_id": "example", "kind": "codes", "filename": "onward.css", "device_id": "1"}
    allowed = FOR_EVERYBODY | BY_SSO | may_enter
    walked = [a for a in addresses_of(person.app, **values) if a[1] not in allowed]
    if standing is below_and_asked:
        walked = [a for a in walked if not a[1].startswith(("/setup/view/", "/setup/seen/"))]
    fields = person.page.hidden() | {"password": PASSWORD, "code": app_code(carol.key, steps=1)}

    for method, address in walked:
        data = fields if method == "POST" else None
        answer = person.client.open(address, method=method, data=data, headers=headers)
        leads = answer.headers.get("HX-Redirect" if headers else "Location")
        refused = answer.status_code in ({401, 403} if headers else {303})
        assert (method, address, refused, leads) == (method, address, True, home)

    assert len(walked) > 20
    assert snapshot() == before


def test_a_tie_that_waits_is_not_made_by_another_way_in(
    app: Flask, evil: Evil, carol: Person, rows: Rows
) -> None:
    """S-181: who leaves the challenge and signs in elsewhere has tied nothing."""
    comer = waits_for_tie(app, evil, carol)

    comer.visit("/signin")
    comer.press("/signin", email="alice@example.com", password=PASSWORD)
    assert rows("SELECT * FROM identities") == []

    comer.press("/signout")
    comer.email = "carol@example.com"
    comer.sign_in()
    comer.press("/signin/code", code=app_code(carol.key))
    assert comer.page.heading == SECURITY
    assert rows("SELECT * FROM identities") == []


def test_what_was_demanded_and_missing_is_not_asked_back_by_an_older_exempt_sign_in(
    app: Flask, evil: Evil, carol: Person
) -> None:
    """A sign-in that is below the demand ends the exempt one of the same browser."""
    comer = below(app, evil, carol)
    evil.person["amr"] = ["mfa"]
    assert comer.come().heading == SECURITY
    exempt = comer.client.get_cookie("onward")
    assert exempt is not None
    comer.press("/signout")
    del evil.person["amr"]

    assert comer.come().heading == "Enter your code"
    comer.client.set_cookie("onward", exempt.value)
    assert comer.visit("/security").heading == "Sign in"
