"""The whole way: from the enforcement page to "Two-factor authentication is on"."""

from collections.abc import Callable

from tests.person import Person, app_code

Rows = Callable[[str], list[tuple[object, ...]]]


def test_it_leads_whoever_must_set_up_to_the_enforcement_page(alice: Person) -> None:
    assert alice.page.heading == "Set up two-factor authentication"
    assert "Hartley & Sons asks everyone for this" in alice.page.text
    assert alice.visit("/security").heading == "Set up two-factor authentication"


def test_it_sets_up_with_backup_codes(alice: Person, rows: Rows) -> None:
    codes = alice.set_up()

    assert len(set(codes)) == 10
    assert rows("SELECT count(*) FROM authenticators") == [(1,)]
    assert rows("SELECT count(*) FROM backup_codes") == [(10,)]
    assert alice.visit("/security").heading == "Two-factor authentication"


def test_the_code_that_confirmed_the_set_up_is_spent(alice: Person) -> None:
    alice.to_verify()
    code = app_code(alice.key)
    alice.next(code=code)
    alice.next(way="codes")
    alice.next(saved="1")
    alice.sign_out()
    alice.sign_in()

    alice.press("/signin/code", code=code)

    assert alice.page.status == 422
    assert "used that code already" in alice.page.error
