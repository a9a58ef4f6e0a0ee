"""Sign in by SSO: who gets in, whose account is tied, and where the way leads."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app import create_app
from db import db
from tests.conftest import CHEAP
from tests.person import PASSWORD, Person, app_code, letters
from tests.sso.comer import BACK, REQUIRED, SECURITY, START, Comer, Rows, ended, restarted
from tests.sso.evil_provider import Evil, query_of


def test_it_asks_for_what_the_standard_wants(person: Comer, evil: Evil) -> None:
    """S-180: code flow with PKCE, state and nonce, and nothing of it in the database."""
    asked = query_of(person.leave())

    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == "http://127.0.0.1:5000/signin/sso/example/callback"
    assert asked["scope"] == "openid email profile"
    assert len(asked["state"]) >= 43
    assert len(asked["nonce"]) == 64
    assert {"prompt", "max_age"}.isdisjoint(asked)


def test_an_account_is_tied_only_after_its_password(app: Flask, person: Comer, rows: Rows) -> None:
    """S-181: and then the person is exempt from what their organisation enforces."""
    person.come()
    assert person.page.heading == "Is this your account?"
    assert person.visit("/security").heading == "Sign in"

    person.visit("/signin/tie")
    assert person.press("/signin/tie", password="wrong").error == "That password does not match."
    assert rows("SELECT * FROM identities") == []

    assert person.press("/signin/tie", password=PASSWORD).heading == SECURITY
    assert rows("SELECT subject, account_id FROM identities") == [("subject-1", 1)]
    assert rows("SELECT first_factor FROM sign_ins") == [("sso",)]
    assert letters(app)[-1]["Subject"].startswith("You can now sign in with Example SSO (")

    person.press("/signout")
    assert Comer(app, person.email).come().heading == SECURITY
    assert person.sign_in().heading == REQUIRED  # the sign-in is exempt, not the person


def test_with_two_factor_on_the_tie_needs_the_code_too_and_then_none(
    app: Flask, carol: Person, evil: Evil, rows: Rows
) -> None:
    """S-181: a trusted device spares no code here."""
    carol.sign_in()
    carol.press("/signin/code", code=app_code(carol.key), trust="1")
    carol.sign_out()
    evil.person["email"] = "carol@example.com"
    comer = Comer(app, "carol@example.com")
    comer.client = carol.client

    comer.come()
    comer.press("/signin/tie", password=PASSWORD)
    assert comer.page.heading == "Enter your code"
    assert rows("SELECT * FROM identities") == []
    assert comer.visit("/security").heading == "Enter your code"

    comer.press("/signin/code", code=app_code(carol.key, steps=1))
    assert comer.page.heading == SECURITY
    assert rows("SELECT subject, account_id FROM identities") == [("subject-1", 3)]

    comer.press("/signout")
    assert Comer(app, "carol@example.com").come().heading == SECURITY


def test_whoever_has_just_signed_in_by_password_ties_without_typing_it_again(
    app: Flask, person: Comer, rows: Rows
) -> None:
    """The enforcement page offers the provider to people of its organisations."""
    person.sign_in()
    assert "Sign in with Example SSO" in person.page.text

    assert person.come().heading == SECURITY
    assert rows("SELECT account_id FROM identities") == [(1,)]
    assert rows("SELECT first_factor, ended_at IS NULL FROM sign_ins ORDER BY id") == [
        ("password", 0),
        ("sso", 1),
    ]


def test_a_newcomer_becomes_a_member_without_a_password(
    app: Flask, person: Comer, evil: Evil, rows: Rows
) -> None:
    evil.person |= {"email": "Nora@Example.com", "name": "Nora New", "sub": "nora"}

    assert person.come().heading == SECURITY
    assert rows("SELECT email, name, password_hash FROM accounts WHERE id = 4") == [
        ("nora@example.com", "Nora New", None)
    ]
    assert rows("SELECT organisation_id, role FROM memberships WHERE account_id = 4") == [
        (1, "member")
    ]
    assert rows("SELECT kind FROM events WHERE account_id = 4") == [
        ("account added",), ("sso tied",), ("sign-in",)
    ]  # fmt: skip
    nora = Person(app, "nora@example.com")
    assert nora.sign_in("").error == "That email and password do not match."


def test_unknown_people_are_added_only_where_the_settings_say_so(
    app: Flask, evil: Evil, rows: Rows
) -> None:
    evil.person |= {"email": "nora@example.com", "sub": "nora"}
    page = Comer(restarted(app, evil, create_people=False), "nora@example.com").come()

    assert "Nobody here has your email address at Example SSO" in page.error
    assert rows("SELECT count(*) FROM accounts") == [(3,)]


MATRIX: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({}, {}, True),
    ({"require_amr": ["mfa"]}, {"amr": ["pwd", "mfa"]}, True),
    ({"require_amr": ["mfa"]}, {"amr": ["pwd"]}, False),
    ({"require_amr": ["mfa"]}, {}, False),
    ({"require_amr": ["mfa", "hwk"]}, {"amr": ["mfa"]}, False),
    ({"require_acr": ["high"]}, {"acr": "high"}, True),
    ({"require_acr": ["high"]}, {"acr": "low"}, False),
    ({"require_acr": ["high"]}, {}, False),
    ({"require_amr": ["mfa"], "require_acr": ["high"]}, {"amr": ["mfa"], "acr": "low"}, False),
]


def test_what_is_demanded_and_missing_makes_a_single_factor(
    app: Flask, carol: Person, evil: Evil
) -> None:
    """S-182: then the own second factor is asked, or enforcement applies."""
    people = {"alice": REQUIRED, "carol": "Enter your code"}
    for name in people:
        evil.person = {"sub": name, "email": f"{name}@example.com", "email_verified": True}
        comer = Comer(app, f"{name}@example.com")
        comer.come()
        comer.press("/signin/tie", password=PASSWORD)
        if name == "carol":
            comer.press("/signin/code", code=app_code(carol.key))
        assert comer.page.heading == SECURITY

    for demanded, given, exempt in MATRIX:
        app = restarted(app, evil, **demanded)
        for name, due in people.items():
            evil.person = {"sub": name} | given
            comer, expected = Comer(app, f"{name}@example.com"), SECURITY if exempt else due

            assert (demanded, given, comer.come().heading) == (demanded, given, expected)
            assert comer.visit("/security").heading == expected


def test_somebody_below_the_demand_may_set_up_right_after_the_sign_in(
    app: Flask, evil: Evil
) -> None:
    app = restarted(app, evil, require_amr=["mfa"])
    evil.person |= {"email": "nora@example.com", "sub": "nora"}
    nora = Comer(app, "nora@example.com")

    assert nora.come().heading == REQUIRED
    nora.set_up()
    nora.press("/signout")
    assert nora.come().heading == "Enter your code"
    for path in ("/security", "/setup", "/setup/codes", "/signin/confirm"):
        assert nora.visit(path).heading == "Enter your code"
    assert nora.press("/signin/code", code=app_code(nora.key, steps=1)).heading == SECURITY


def test_another_subject_with_the_same_email_is_somebody_else(
    app: Flask, person: Comer, evil: Evil, rows: Rows
) -> None:
    """S-181."""
    person.tied()
    evil.person["sub"] = "subject-2"

    assert "belongs to another person of Example SSO" in person.come().error
    assert ended(rows) == [("sign-in", "sso", "refused: other_subject")]
    assert rows("SELECT subject FROM identities") == [("subject-1",)]


def test_the_same_subject_stays_the_same_person_when_the_email_changes(
    person: Comer, evil: Evil
) -> None:
    person.tied()
    evil.person |= {"email": "carol@example.com", "email_verified": False}

    assert person.come().heading == SECURITY
    assert "alice@example.com" in person.page.text


def test_an_account_that_nothing_can_prove_is_not_tied(
    app: Flask, person: Comer, evil: Evil, rows: Rows
) -> None:
    with app.app_context():
        db.session.execute(text("UPDATE accounts SET password_hash = NULL"))
        db.session.commit()

    assert "nothing here can show that it is yours" in person.come().error
    assert rows("SELECT * FROM identities") == []


def test_somebody_disabled_or_of_another_organisation_is_refused(
    app: Flask, person: Comer, evil: Evil, rows: Rows
) -> None:
    evil.person |= {"email": "bob@example.com", "sub": "bob"}
    assert "Your organisation does not sign in with Example SSO" in person.come().error
    assert ended(rows) == [("sign-in", "sso", "refused: organisation")]

    evil.person |= {"email": "alice@example.com", "sub": "alice"}
    person.tied()
    with app.app_context():
        db.session.execute(text("UPDATE accounts SET disabled_at = '2026-01-01' WHERE id = 1"))
        db.session.commit()
    assert "Your account is closed" in person.come().error
    assert ended(rows) == [("sign-in", "sso", "refused: closed")]
    assert rows("SELECT count(*) FROM sign_ins WHERE ended_at IS NULL") == [(0,)]


def test_a_provider_taken_out_of_the_settings_ends_its_sign_ins(
    app: Flask, person: Comer, evil: Evil
) -> None:
    person.tied()
    assert person.come().heading == SECURITY
    address = person.page.response.request.path

    (Path(app.instance_path) / "onward.toml").write_text("")
    person.app = create_app({"INSTANCE": app.instance_path, **CHEAP})
    cookie = person.client.get_cookie("onward")
    assert cookie is not None
    person.client = person.app.test_client()
    person.client.set_cookie("onward", cookie.value)

    assert person.visit(address).heading == "Sign in"
    assert "Sign in with" not in person.page.text
    assert person.visit(BACK).status == 404
    fields = person.visit("/signin").hidden()
    assert person.client.post(START, data=fields).status_code == 404


@pytest.mark.parametrize("path", ["/security?a=1&b=%2F", "/security", "/setup/codes"])
def test_it_leads_where_somebody_wanted_to_go(person: Comer, path: str) -> None:
    """S-150: kept by ourselves, never sent to the provider."""
    person.tied()
    person.visit(path)
    address = person.answered()

    landed = person.client.get(address).headers["Location"]

    assert landed == (path if not path.startswith("/setup") else "/security")
    assert "next" not in address


def test_it_leads_there_through_the_tie_and_the_code_too(
    app: Flask, carol: Person, evil: Evil
) -> None:
    """S-150: kept in the session before the first factor, in the sign-in's row after it."""
    evil.person["email"] = "carol@example.com"
    comer = Comer(app, "carol@example.com")
    comer.visit("/security?a=1")
    comer.come()
    comer.press("/signin/tie", password=PASSWORD)

    answer = comer.post("/signin/code", comer.page.hidden() | {"code": app_code(carol.key)})

    assert answer.headers["Location"] == "/security?a=1"


TRICKS = ["//e", "/\\e", "\\/e", "/%09/e", "https:e", "///e", "/\t/e", "https://evil.example/"]


def test_it_leads_nowhere_else(app: Flask, person: Comer) -> None:
    """S-150: checked again at the end, even if the kept path were bad."""
    person.tied()
    for trick in TRICKS:
        person.client = app.test_client()
        person.visit("/signin")
        with person.client.session_transaction() as session:
            session["next"] = trick
        address = person.answered() + "&next=https://evil.example/"

        answer = person.client.get(address)

        assert (trick, answer.headers["Location"]) == (trick, "/security")


def test_signing_out_goes_on_to_the_provider(person: Comer, evil: Evil, rows: Rows) -> None:
    person.tied()
    person.come()

    page = person.press("/signout")

    assert page.heading == "You are signed out here"
    assert f"{evil.url}/end?client_id=onward&post_logout_redirect_uri=" in page.text
    assert person.visit("/security").heading == "Sign in"

    person.come()
    evil.broken["/.well-known/openid-configuration"] = lambda: ("", 500)
    person.app.extensions.pop("onward-sso")
    assert person.press("/signout").heading == "Sign in"
