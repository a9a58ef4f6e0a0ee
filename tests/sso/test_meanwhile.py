"""What was true when the provider was asked is looked at again when it has answered."""

from flask import Flask

from accounts import sso_provider
from tests.meanwhile import meanwhile
from tests.person import PASSWORD
from tests.sso.comer import SECURITY, Comer, Rows, ended
from tests.sso.evil_provider import Evil
from tests.sso.test_proof import FIRST, PROVE, nora, proved, says
from tests.test_meanwhile import HASHES, VERIFIES, reset_of

__all__ = ["nora"]
ANSWERS = sso_provider.answer
ALIVE = "SELECT count(*) FROM sign_ins WHERE ended_at IS NULL"


def command(app: Flask, *arguments: str) -> None:
    done = app.test_cli_runner().invoke(args=list(arguments))
    assert done.exit_code == 0, done.output


def test_nobody_disabled_meanwhile_comes_in(app: Flask, person: Comer, rows: Rows) -> None:
    person.tied()
    back = person.answered()
    with meanwhile(ANSWERS, lambda: command(app, "account", "disable", person.email)):
        page = person.visit(back)

    assert page.status == 422
    assert ended(rows) == [("sign-in", "sso", "refused: closed")]
    assert rows(ALIVE) == [(0,)]


def test_a_sign_in_that_ended_meanwhile_ties_nothing(app: Flask, person: Comer, rows: Rows) -> None:
    """S-181: it was the proof that the account is theirs."""
    person.sign_in()
    back, reset = person.answered(), reset_of(app, person.email)
    with meanwhile(ANSWERS, reset):
        page = person.visit(back)

    assert page.heading == "Is this your account?"
    assert rows("SELECT * FROM identities") == []
    assert rows(ALIVE) == [(0,)]


def test_the_old_password_ties_nothing_once_there_is_a_new_one(
    app: Flask, person: Comer, rows: Rows
) -> None:
    person.come()
    assert person.page.heading == "Is this your account?"
    with meanwhile(VERIFIES, reset_of(app, person.email)):
        page = person.press("/signin/tie", password=PASSWORD)

    assert (page.status, page.error) == (422, "That password does not match.")
    assert rows("SELECT * FROM identities") == []
    assert rows(ALIVE) == [(0,)]


def test_who_left_the_organisation_meanwhile_is_not_tied(
    app: Flask, person: Comer, rows: Rows
) -> None:
    """The page that asks for the password may stand open for minutes."""
    person.come()
    assert person.page.heading == "Is this your account?"
    command(app, "account", "leave", person.email, "--organisation", "Hartley & Sons")
    before = rows("SELECT * FROM sign_ins")

    page = person.press("/signin/tie", password=PASSWORD)

    assert (page.status, page.heading) == (422, "Sign in")
    assert page.error == "Your organisation does not sign in with Example SSO. Use your password."
    assert ended(rows) == [("sign-in", "sso", "refused: organisation")]
    assert rows("SELECT * FROM identities") == []
    assert rows("SELECT * FROM sign_ins") == before


def test_who_left_while_the_password_was_checked_is_not_tied(
    app: Flask, person: Comer, rows: Rows
) -> None:
    """The password was right: it is a sign-in, but by no provider."""
    person.come()

    def leave() -> None:
        command(app, "account", "leave", person.email, "--organisation", "Hartley & Sons")

    with meanwhile(VERIFIES, leave):
        page = person.press("/signin/tie", password=PASSWORD)

    assert page.heading == SECURITY
    assert rows("SELECT * FROM identities") == []
    assert rows("SELECT first_factor, exempt_at FROM sign_ins") == [("password", None)]


def test_a_sign_in_that_ended_meanwhile_is_not_proved(
    app: Flask, nora: Comer, evil: Evil, rows: Rows
) -> None:
    says(evil, 0)
    back = nora.answered(PROVE)
    before = rows("SELECT token_hash, proved_at FROM sign_ins")
    with meanwhile(ANSWERS, lambda: disabled_and_back(app)):
        page = nora.visit(back)

    assert (page.status, page.heading) == (422, "Sign in")
    assert ended(rows) == [("proof", "sso", "refused: signed out")]
    assert rows("SELECT token_hash, proved_at FROM sign_ins") == before


def disabled_and_back(app: Flask) -> None:
    command(app, "account", "disable", "nora@example.com")
    command(app, "account", "enable", "nora@example.com")


def test_a_sign_in_that_ended_meanwhile_sets_no_first_password(
    app: Flask, nora: Comer, evil: Evil, rows: Rows
) -> None:
    """Whoever left a browser open could have got a password of their own into the account."""
    says(evil, 0)
    nora.come(PROVE)
    assert proved(rows)
    with meanwhile(HASHES, lambda: disabled_and_back(app)):
        page = nora.press(FIRST, password="four words are enough")

    assert page.heading == "Sign in"
    assert rows("SELECT password_hash FROM accounts WHERE email LIKE 'nora%'") == [(None,)]
    assert rows("SELECT count(*) FROM events WHERE kind = 'password set'") == [(0,)]


def test_of_two_first_passwords_the_second_is_told(
    app: Flask, nora: Comer, evil: Evil, rows: Rows
) -> None:
    says(evil, 0)
    nora.come(PROVE)
    tab, cookie = Comer(app, nora.email), nora.client.get_cookie("onward")
    assert cookie is not None
    tab.client.set_cookie("onward", cookie.value)
    tab.visit(FIRST)
    with meanwhile(HASHES, lambda: tab.press(FIRST, password="four words are enough")):
        page = nora.press(FIRST, password="five words are not enough")

    assert page.heading == SECURITY
    assert rows("SELECT count(*) FROM events WHERE kind = 'password set'") == [(1,)]
    nora.press("/signout")
    assert nora.sign_in("five words are not enough").status == 422
