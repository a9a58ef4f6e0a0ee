"""Each place that checks a code counts its wrong ones (S-100): found in the code, then tried."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.person import Person, app_code, never_shown
from tests.test_house import ROOT, product_files

Rows = Callable[[str], list[tuple[object, ...]]]

VERIFIERS = {"matching_step", "accept", "consume", "check"}
"""What compares a code with what it should be."""
STARTING = {"settings.check", "serving.check"}
"""The same word for something else: whether a server may start."""

CALLERS = {
    # How an app, a mailed code and a list of codes compare: called by the verbs below only.
    ("factors/authenticator.py", "accept", "totp.matching_step"),
    ("factors/backup_email.py", "consume", "check"),
    # The verbs of the second factor, each within the account's budget.
    ("accounts/second_factor.py", "_accept", "authenticator.accept"),
    ("accounts/second_factor.py", "backup_code", "backup_codes.consume"),
    ("accounts/second_factor.py", "email_code", "newest.consume"),
    ("accounts/second_factor.py", "reset_code", "reset.consume"),
    # The set-up counts its own: the tenth wrong code voids it.
    ("wizard/steps.py", "submit", "totp.matching_step"),
    ("wizard/steps.py", "submit", "backup_email.check"),
    # The budget itself runs what it is given, after it has charged.
    ("factors/throttle.py", "guard", "check"),
}


def calls(file: Path) -> Iterator[tuple[str, str, ast.Call]]:
    """Yield every call of a verifier: the function it is in, its written name, the call."""
    for function in ast.walk(ast.parse(file.read_text("utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name.rpartition(".")[2] in VERIFIERS:
                    yield function.name, name, node


def test_every_caller_of_a_verifier_is_known() -> None:
    found = {
        (str(file.relative_to(ROOT)), function, name)
        for file in product_files()
        for function, name, _ in calls(file)
        if name not in STARTING
    }
    assert found == CALLERS


def test_the_verbs_of_the_second_factor_check_within_the_budget_only() -> None:
    """Each call stands in what is handed to `_spend`, which hands it to the budget."""
    tree = ast.parse((ROOT / "accounts" / "second_factor.py").read_text("utf-8"))
    spent = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_spend"
    ]
    assert len(spent) == 4
    for call in (
        "_accept(authenticator, typed, at))",
        "backup_codes.consume(",
        "newest.consume(",
        "reset.consume(",
    ):
        assert "\n".join(spent).count(call) == ast.unparse(tree).count(call) == 1
    body = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "_spend")
    assert ast.unparse(body).count("throttle.guard(") == 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/signin/code", ""),
        ("/signin/backup-code", "00000000"),
        ("/signin/backup-email/code", "000000"),
        ("/signin/confirm", ""),
        ("/signin/confirm", "00000000"),
    ],
)
def test_each_of_their_pages_charges_the_account(
    app: Flask, rows: Rows, path: str, code: str
) -> None:
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.set_up_by_email("bob@home.example")
    if path != "/signin/confirm":
        bob.sign_out()
        bob.sign_in()
    if path == "/signin/backup-email/code":
        bob.visit("/signin/backup-email")
        bob.press("/signin/backup-email")
    bob.visit(path)

    assert bob.press(path, code=code or never_shown(bob.key)).status == 422

    assert rows("SELECT failures FROM throttles WHERE account_id = 2") == [(1,)]
    assert rows("SELECT count(*) FROM events WHERE result LIKE 'refused: %'") == [(1,)]


def test_both_pages_of_the_set_up_count_by_themselves(alice: Person, rows: Rows) -> None:
    alice.to_verify()
    alice.next(code=never_shown(alice.key))
    alice.next(code=app_code(alice.key))
    alice.next(way="email")
    alice.next(address="alice@home.example")
    alice.next(code="000000")

    assert rows("SELECT wrong_codes FROM wizards") == [(2,)]
    assert rows("SELECT failures FROM throttles WHERE account_id = 1") == [(0,)]
