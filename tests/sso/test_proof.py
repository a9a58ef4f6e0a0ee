"""Confirm it is you, for somebody who came by SSO (S-183), and a first password."""

import time
from typing import Any

import pytest
from flask import Flask

import clock
from accounts import invitation
from accounts.models import Account, Organisation
from db import db
from tests.person import PASSWORD, app_code, letters, mailed_code
from tests.sso.comer import SECURITY, Comer, Rows, ended, restarted
from tests.sso.evil_provider import Evil, query_of

PROVE = "/signin/confirm/sso"
CONFIRM = "Confirm it is you"
FIRST = "/security/first-password"


@pytest.fixture
def nora(app: Flask, evil: Evil) -> Comer:
    """Signed in by SSO alone, without a password, before the question who she is."""
    evil.person |= {"email": "nora@example.com", "name": "Nora New", "sub": "nora"}
    person = Comer(app, "nora@example.com")
    person.come()
    asked(person)
    return person


def asked(person: Comer) -> None:
    """Go to where a proof is asked for."""
    person.visit("/setup")
    assert person.page.heading == "Set a password first"
    assert person.press(FIRST).heading == CONFIRM


def proved(rows: Rows) -> bool:
    """Whether the newest sign-in has its proof."""
    return bool(rows("SELECT proved_at FROM sign_ins ORDER BY id DESC LIMIT 1")[0][0])


def says(evil: Evil, seconds: Any) -> None:
    """Let the provider say when the person signed in there, from now."""
    evil.bend = lambda claims: claims.update(auth_time=int(time.time()) + seconds)


def test_a_new_sign_in_at_the_provider_is_the_proof(nora: Comer, evil: Evil, rows: Rows) -> None:
    """The sign-in before was none: the provider may have asked nothing."""
    assert not proved(rows)
    says(evil, 0)
    cookie = nora.client.get_cookie("onward")

    address = nora.leave(PROVE)
    assert {k: v for k, v in query_of(address).items() if k in {"prompt", "max_age"}} == {
        "prompt": "login",
        "max_age": "0",
    }
    assert nora.back_from(address).heading == "Set a password"

    assert proved(rows)
    assert ended(rows) == [("proof", "sso", "done")]
    assert rows("SELECT count(*) FROM sign_ins") == [(1,)]
    renewed = nora.client.get_cookie("onward")
    assert cookie is not None
    assert renewed is not None
    assert renewed.value != cookie.value


@pytest.mark.parametrize(
    ("seconds", "changes", "said", "word"),
    [
        (-3600, {}, "did not ask you to sign in again", "auth_time"),
        (-62, {}, "did not ask you to sign in again", "auth_time"),
        (3600, {}, "did not ask you to sign in again", "auth_time"),
        (None, {}, "does not tell when you signed in there", "no auth_time"),
        (0, {"sub": "another"}, "you signed in as somebody else", "subject"),
        (0, {"nonce": "another"}, "could not be checked", "nonce"),
    ],
)
def test_anything_less_is_no_proof(
    nora: Comer,
    evil: Evil,
    rows: Rows,
    seconds: int | None,
    changes: dict[str, Any],
    said: str,
    word: str,
) -> None:
    when = {} if seconds is None else {"auth_time": int(time.time()) + seconds}
    evil.bend = lambda claims: claims.update(when | changes)

    page = nora.come(PROVE)

    assert (page.status, page.heading) == (422, CONFIRM)
    assert said in page.error
    assert ended(rows) == [("proof", "sso", f"refused: {word}")]
    assert not proved(rows)
    assert nora.visit(FIRST).heading == "Set a password"
    assert nora.press(FIRST, password="four words are enough").heading == CONFIRM
    assert rows("SELECT password_hash FROM accounts WHERE email LIKE 'nora%'") == [(None,)]


@pytest.mark.parametrize("told", ["soon", True, 1.5, [1]])
def test_a_time_that_is_none_is_no_proof(nora: Comer, evil: Evil, rows: Rows, told: object) -> None:
    evil.person["auth_time"] = told

    assert nora.come(PROVE).status == 422
    assert not proved(rows)


def test_who_signed_out_meanwhile_proves_nothing(nora: Comer, evil: Evil, rows: Rows) -> None:
    says(evil, 0)
    address = nora.answered(PROVE)
    nora.visit("/security")
    nora.press("/signout")

    page = nora.visit(address)

    assert "was not begun in this browser" in page.error
    assert nora.visit("/security").heading == "Sign in"
    assert not proved(rows)


def test_a_proof_is_no_way_in_and_a_way_in_no_proof(
    app: Flask, nora: Comer, evil: Evil, rows: Rows
) -> None:
    """What a trip is for is written down here, not said by the provider."""
    says(evil, 0)
    other = Comer(app, "nora@example.com")
    other.come()
    assert not proved(rows)

    asked(other)
    address = nora.answered(PROVE)
    assert "was not begun in this browser" in other.visit(address).error
    assert not proved(rows)


def test_a_mailed_code_is_the_proof_where_the_provider_says_no_time(
    app: Flask, nora: Comer, rows: Rows
) -> None:
    """And only there: before the provider was asked, no code is mailed."""
    before = len(letters(app))
    assert "Send me the code" not in nora.page.text
    nora.press("/signin/confirm/mail")
    assert len(letters(app)) == before

    nora.come(PROVE)
    assert nora.press("/signin/confirm/mail").heading == CONFIRM
    assert "We sent a code to" in nora.page.text
    assert letters(app)[-1]["To"] == "nora@example.com"
    assert "confirm that it is you" in letters(app)[-1].as_string()
    code = mailed_code(app, "nora@example.com")
    wrong = f"{(int(code) + 1) % 10**6:06}"
    assert nora.press("/signin/confirm", code=wrong).status == 422
    assert not proved(rows)

    assert nora.press("/signin/confirm", code=code).heading == "Set a password"
    assert proved(rows)
    assert rows("SELECT count(*) FROM events WHERE result = 'accepted' AND factor = 'email'") == [
        (1,)
    ]
    nora.visit("/signin/confirm")
    assert nora.press("/signin/confirm", code=code).status == 422  # spent


def test_the_tries_of_a_mailed_code_are_counted(app: Flask, nora: Comer, rows: Rows) -> None:
    nora.come(PROVE)
    nora.press("/signin/confirm/mail")
    code = mailed_code(app, "nora@example.com")
    wrong = f"{(int(code) + 1) % 10**6:06}"

    statuses = [nora.press("/signin/confirm", code=wrong).status for _ in range(6)]
    assert statuses[-1] == 429
    assert nora.press("/signin/confirm", code=code).status == 429
    assert not proved(rows)


def test_with_two_factor_on_only_a_code_is_the_proof(
    app: Flask, carol: Comer, evil: Evil, rows: Rows
) -> None:
    """A sign-in at the provider is one factor of two."""
    evil.person["email"] = "carol@example.com"
    comer = Comer(app, "carol@example.com")
    comer.come()
    comer.press("/signin/tie", password=PASSWORD)
    comer.press("/signin/code", code=app_code(carol.key))
    comer.press("/signout")
    assert comer.come().heading == SECURITY
    says(evil, 0)

    comer.visit("/signin/confirm")
    assert "Sign in with Example SSO" not in comer.page.text
    assert comer.press(PROVE).heading == CONFIRM
    comer.press("/signin/confirm/mail")
    assert rows("SELECT count(*) FROM sso_trips WHERE purpose = 'proof'") == [(0,)]
    assert comer.press("/signin/confirm", password=PASSWORD).status == 422
    assert not proved(rows)

    comer.press("/signin/confirm", code=app_code(carol.key, steps=1))
    assert proved(rows)


def test_a_first_password_is_a_good_one_and_then_two_factor_may_be_set_up(
    app: Flask, nora: Comer, evil: Evil, rows: Rows
) -> None:
    other = Comer(app, "nora@example.com")
    other.come()
    says(evil, 0)
    nora.come(PROVE)

    assert nora.press(FIRST, password="nora").status == 422
    assert rows("SELECT password_hash FROM accounts WHERE email LIKE 'nora%'") == [(None,)]

    assert nora.press(FIRST, password="four words are enough").heading == "Get an authenticator app"
    assert rows("SELECT count(*) FROM events WHERE kind = 'password set'") == [(1,)]
    assert letters(app)[-1]["Subject"].startswith("Your account has a password now (")
    assert other.visit("/security").heading == "Sign in"  # others are signed out
    nora.set_up()
    nora.press("/signout")
    assert nora.sign_in("four words are enough").heading == "Enter your code"

    assert other.come().heading == SECURITY  # by SSO no code is asked
    assert other.visit(FIRST).heading == SECURITY


def test_a_first_password_ends_the_link_of_an_invitation(
    app: Flask, nora: Comer, evil: Evil, rows: Rows
) -> None:
    """S-121: what the link would have let somebody choose has been chosen."""
    with app.test_request_context():
        account = db.session.query(Account).filter_by(email="nora@example.com").one()
        invitation.send(account, db.session.get_one(Organisation, 1), None, clock.now())
        db.session.commit()
    assert rows("SELECT used_at FROM password_links") == [(None,)]
    says(evil, 0)
    nora.come(PROVE)
    nora.press(FIRST, password="four words are enough")

    assert rows("SELECT count(*) FROM password_links WHERE used_at IS NULL") == [(0,)]


def test_a_first_password_never_replaces_one(app: Flask, person: Comer, rows: Rows) -> None:
    person.tied()
    person.come()
    before = rows("SELECT password_hash FROM accounts")
    person.visit("/signin/confirm")
    person.press("/signin/confirm", password=PASSWORD)

    person.press(FIRST, password="four words are enough")

    assert rows("SELECT password_hash FROM accounts") == before


def test_a_proof_with_less_than_what_is_demanded_is_none(
    app: Flask, evil: Evil, rows: Rows
) -> None:
    """S-182: who came in exempt can't confirm it by less."""
    app = restarted(app, evil, require_amr=["mfa"])
    evil.person |= {"email": "nora@example.com", "sub": "nora", "amr": ["pwd", "mfa"]}
    nora = Comer(app, "nora@example.com")
    nora.come()
    asked(nora)
    says(evil, 0)
    evil.person["amr"] = ["pwd"]

    assert "asked you for less than when you signed in" in nora.come(PROVE).error
    assert not proved(rows)

    evil.person["amr"] = ["pwd", "mfa"]
    assert nora.come(PROVE).heading == "Set a password"
    assert proved(rows)
