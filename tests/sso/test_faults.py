"""One fault in what a provider says is enough to be refused (S-180)."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from joserfc import jws, jwt

import clock
from app import create_app
from tests.conftest import CHEAP
from tests.person import Person
from tests.sso import evil_provider
from tests.sso.comer import BACK, SECURITY, START, Comer, Rows, ended
from tests.sso.evil_provider import Evil, query_of


def bent(**changes: Any) -> Callable[[Evil], None]:
    def apply(evil: Evil) -> None:
        evil.bend = lambda claims: claims.update(
            {k: claims["iat"] + v if k in {"exp", "nbf", "iat"} else v for k, v in changes.items()}
        )

    return apply


def escaped(**changes: Any) -> Callable[[Evil], None]:
    """Say it in JSON of ASCII, which holds half a character as well."""

    def encode(claims: dict[str, Any]) -> str:
        header = {"alg": "RS256", "kid": evil_provider.KEY.kid}
        return jws.serialize_compact(header, json.dumps(claims).encode(), evil_provider.KEY)

    def apply(evil: Evil) -> None:
        bent(**changes)(evil)
        evil.encode = encode

    return apply


def without(name: str) -> Callable[[Evil], None]:
    def apply(evil: Evil) -> None:
        evil.bend = lambda claims: claims.pop(name, None) and None

    return apply


def encoded(how: str) -> Callable[[Evil], None]:
    def apply(evil: Evil) -> None:
        evil.encode = getattr(evil, how)

    return apply


def forged(evil: Evil) -> None:
    """Another key under the name of the right one."""
    header = {"alg": "RS256", "kid": evil_provider.KEY.kid}
    evil.encode = lambda claims: jwt.encode(
        header, claims, evil_provider.OTHER_KEY, algorithms=["RS256"]
    )


def unknown_key(evil: Evil) -> None:
    evil.signs_with = evil_provider.OTHER_KEY


def altered(evil: Evil) -> None:
    evil.encode = lambda claims: evil.signed(claims)[:-8] + "AAAAAAAA"


FAULTS: dict[str, tuple[str, Callable[[Evil], None]]] = {
    "nonce": ("nonce", bent(nonce="another")),
    "no nonce": ("nonce", without("nonce")),
    "issuer": ("iss", bent(iss="https://evil.example")),
    "audience": ("aud", bent(aud="somebody else")),
    "audience of several": ("aud", bent(aud=["onward", "another"], azp="onward")),
    "expired": ("exp", bent(exp=-61)),
    "no expiry": ("exp", without("exp")),
    "not yet": ("nbf", bent(nbf=120)),
    "issued in the future": ("iat", bent(iat=120)),
    "no subject": ("sub", without("sub")),
    "empty subject": ("sub", bent(sub="")),
    "subject with half a character": ("sub", escaped(sub="a\ud800")),
    "subject with a NUL": ("sub", bent(sub="a\0")),
    "subject without an end": ("sub", bent(sub="a" * 256)),
    "methods that are no list": ("amr", bent(amr="mfa")),
    "access token of another": ("at_hash", bent(at_hash="AAAA")),
    "altered signature": ("signature", altered),
    "forged signature": ("signature", forged),
    "alg none": ("alg", encoded("unsigned")),
    "HS256 with the public key": ("alg", encoded("hs256_with_the_public_key")),
    "unknown key": ("key", unknown_key),
    "email not verified": ("unverified", bent(email_verified=False)),
    "email perhaps verified": ("unverified", bent(email_verified="true")),
    "email with half a character": ("unverified", escaped(email="a\ud800@example.com")),
    "email with a NUL": ("unverified", bent(email="a\0@example.com")),
    "email without an end": ("unverified", bent(email="a@" + "b." * 200 + "example")),
    "email without a word": ("unverified", without("email_verified")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_enough_to_be_refused(
    person: Comer, evil: Evil, rows: Rows, fault: str
) -> None:
    """S-180: a clear page with the password way, an event, and nobody is signed in."""
    word, spoil = FAULTS[fault]
    spoil(evil)

    page = person.come()

    assert (page.status, page.heading) == (422, "Sign in")
    assert "Example SSO" in page.error
    assert 'name="password"' in page.text
    assert ended(rows) == [("sign-in", "sso", f"refused: {word}")]
    assert rows("SELECT * FROM identities") + rows("SELECT * FROM sign_ins") == []
    evil.bend, evil.encode, evil.signs_with = lambda claims: None, evil.signed, evil_provider.KEY
    assert person.come().heading == "Is this your account?"


@pytest.mark.parametrize("name", ["\ud800", "a\0", "a\nb", "x" * 121, "", 7, None])
def test_a_name_that_is_none_gives_way_to_the_address(
    person: Comer, evil: Evil, rows: Rows, name: object
) -> None:
    escaped(email="new@example.com", name=name, auth_time=10**400, acr=["x"], amr=[{}, 7])(evil)
    assert person.come().heading == SECURITY
    assert rows("SELECT name FROM accounts WHERE id > 3") == [("new",)]


def test_the_clocks_may_differ_by_a_minute(person: Comer, evil: Evil) -> None:
    bent(exp=-30, nbf=30)(evil)
    assert person.come().heading == "Is this your account?"


def test_keys_may_rotate(app: Flask, person: Comer, evil: Evil) -> None:
    """S-180: an unknown key fetches the keys once more; then it is known."""
    person.tied()
    evil.keys = [evil_provider.OTHER_KEY]
    evil.signs_with = evil_provider.OTHER_KEY

    assert person.come().heading == SECURITY
    assert [path for path, _ in evil.asked].count("/keys") == 2


def test_an_answer_is_good_once_and_in_its_own_browser(
    app: Flask, person: Comer, evil: Evil, rows: Rows
) -> None:
    """S-180: state, browser, time and provider."""
    evil.person["email"] = "alice@example.com"
    address = person.answered()
    refused = "was not begun in this browser"

    stranger = Comer(app, "eve@example.com")
    stranger.visit("/signin")
    assert refused in stranger.visit(address).error
    assert refused in Person(app, "eve@example.com").visit(address).error
    assert refused in person.visit(address.replace("state=", "state=x")).error
    assert refused in person.visit(f"{address}&state=x").error
    assert person.client.head(address).status_code == 405
    assert "code" not in " ".join(path for path, _ in evil.asked if path == "/token")

    assert person.visit(address).heading == "Is this your account?"
    assert refused in person.visit(address).error
    assert ended(rows) == [("sign-in", "sso", "refused: state")]


def test_an_answer_that_comes_too_late_is_refused(person: Comer) -> None:
    address = person.answered()
    later = time_machine.travel(clock.now() + timedelta(minutes=11), tick=True)
    with later:
        assert "too old" in person.visit(address).error


def test_a_code_is_refused_when_the_provider_knows_it_as_spent(
    person: Comer, evil: Evil, rows: Rows
) -> None:
    address = person.answered()
    evil.spent.add(query_of(address)["code"])

    assert person.visit(address).status == 422
    assert ended(rows) == [("sign-in", "sso", "refused: code")]


def test_the_answer_of_another_provider_is_refused(person: Comer, evil: Evil, rows: Rows) -> None:
    """Mix-up: RFC 9207 and the state of the other one."""
    address = person.answered()
    person.visit(f"{address}&iss=https://evil.example")
    assert ended(rows) == [("sign-in", "sso", "refused: issuer")]

    evil.bend_discovery = lambda found: found.update(issuer="https://evil.example")
    person.app.extensions.pop("onward-sso")
    person.visit("/signin")
    assert person.press(START).status == 503
    assert not [form for path, form in evil.asked if path == "/token"]


def test_the_state_of_one_provider_is_not_good_at_another(
    app: Flask, evil: Evil, rows: Rows
) -> None:
    folder = Path(app.instance_path)
    other = evil_provider.toml(evil.url, id="other", name="Other", issuer="http://localhost:9")
    (folder / "onward.toml").write_text(evil_provider.toml(evil.url) + other)
    app = create_app({"INSTANCE": str(folder), **CHEAP})
    person = Comer(app, "alice@example.com")

    address = person.answered().replace("/example/", "/other/")

    assert "was not begun in this browser" in person.visit(address).error
    assert not [form for path, form in evil.asked if path == "/token"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("access_denied", "The sign-in at Example SSO was stopped"),
        ("server_error", "could not be checked"),
        ("<script>", "could not be checked"),
    ],
)
def test_an_error_of_the_provider_gets_a_clear_page(
    person: Comer, rows: Rows, error: str, said: str
) -> None:
    state = query_of(person.leave())["state"]

    page = person.visit(f"{BACK}?error={error}&state={state}&error_description=<b>")

    assert said in page.error
    assert "<script>" not in page.response.text.split("<main>")[1]
    assert page.status == 422
    assert rows("SELECT count(*) FROM sign_ins") == [(0,)]
