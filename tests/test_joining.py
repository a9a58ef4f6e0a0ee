"""Adding somebody who has an account elsewhere: they are asked, and nobody can tell until then."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from time_machine import Traveller

from db import db
from tests.administration import add, administrator, lines, press, table
from tests.person import Page, Person, app_code, letters, text_of
from tests.test_budgets import counted

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]
HERE, THERE = "Hartley & Sons", "Reading Room"
PAGE = "/security/organisations"
BOTH = "New Nora, nora@example.com, admin\nOld Bert, bob@example.com, admin"
"""Somebody new, and Bob, who is in another organisation, by a name that is not his."""
LENIENT = "UPDATE organisations SET enforcement = 'off'"
NORA, BERT = "/admin/people/5", "/admin/people/6"


def run(app: Flask, *arguments: str) -> str:
    done = app.test_cli_runner().invoke(args=list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def change(app: Flask, *statements: str) -> None:
    with app.app_context():
        for statement in statements:
            db.session.execute(text(statement))
        db.session.commit()


def mails_to(app: Flask, email: str) -> list[str]:
    return [text_of(letter) for letter in letters(app) if email in str(letter["To"])]


@pytest.fixture
def dora(app: Flask, noon: Traveller) -> Person:
    dora = administrator(app)
    dora.visit("/admin/people/add")
    return dora


@pytest.fixture
def both(app: Flask, dora: Person) -> Person:
    """Dora has added somebody new, and Bob."""
    press(dora, "Add people", people=BOTH)
    assert "2 people were added." in dora.page.words
    assert dora.page.status == 200
    return dora


def asked(app: Flask) -> Person:
    """Return Bob, signed in."""
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    return bob


def renew(dora: Person, noon: Traveller, hours: float) -> None:
    """Let time go by; Dora signs in anew, by her app."""
    noon.shift(timedelta(hours=hours))
    dora.sign_out()
    dora.sign_in()
    dora.press("/signin/code", code=app_code(dora.key))


def alike(page: Page | str) -> str:
    """Return a page with what tells the two apart by their nature taken out: name, address, id."""
    shown = page if isinstance(page, str) else page.response.text
    for old, new in (
        ("New Nora", "NAME"),
        ("Old Bert", "NAME"),
        ("nora@", "WHO@"),
        ("bob@", "WHO@"),
    ):
        shown = shown.replace(old, new)
    shown = re.sub(r'name="csrf_token" value="[^"]+"', "CSRF", shown)
    return re.sub(r'(people/|person=|after=|"person" value="|\bp)[56]\b', r"\1N", shown)


def test_they_are_asked_by_mail_and_are_in_no_organisation_yet(
    app: Flask, both: Person, rows: Rows
) -> None:
    (mail,) = mails_to(app, "bob@example.com")

    assert "Hello Bob," in mail
    assert "Hartley & Sons asks you to join with your account." in mail
    assert f"http://127.0.0.1:5000{PAGE}" in mail
    assert "Bert" not in mail
    assert rows("SELECT organisation_id FROM memberships WHERE account_id = 2") == [(2,)]
    assert rows("SELECT count(*) FROM events WHERE account_id = 2 AND by_account_id = 4") == [(0,)]


def test_everything_an_administrator_sees_is_the_same_for_both(
    app: Flask, both: Person, noon: Traveller
) -> None:
    both.visit("/admin/people")
    nora, bert = table(both.page)[-2:]
    assert nora == ["New Nora", "nora@example.com", "Administrator", *nora[3:]]
    assert bert == ["Old Bert", "bob@example.com", *nora[2:]]
    assert "Invited" in nora[3]
    assert "2 Invited" in both.page.words
    for path in ("/admin/people?state=invited", "/admin/people?state=must"):
        assert [row[0] for row in table(both.visit(path))[-2:]] == ["New Nora", "Old Bert"]
    for words in ("nora@example.com", "New Nora"):
        other = words.replace("New Nora", "Old Bert").replace("nora@", "bob@")
        both.visit("/admin/people")
        one = press(both, "Search", search=words).response.text.replace(words, "WORDS")
        both.visit("/admin/people")
        two = press(both, "Search", search=other).response.text.replace(other, "WORDS")
        assert alike(one) == alike(two)
    assert alike(both.visit(NORA)) == alike(both.visit(BERT))
    audit = [alike(both.visit(f"/admin/audit?person={n}")) for n in (5, 6)]
    assert audit[0] == audit[1]

    both.visit("/admin/people")
    press(both, "Download CSV")
    nora, bert = lines(both.page)[-2:]
    assert bert == ["Old Bert", "bob@example.com", *nora[2:]]
    both.visit("/admin/audit")
    press(both, "Download CSV")
    told = [line for line in lines(both.page) if line[3] == "invited"]
    assert [line[1:3] for line in told] == [
        ["bob@example.com", "Old Bert"],
        ["nora@example.com", "New Nora"],
    ]
    assert told[0][3:] == told[1][3:]
    assert told[0][5] == "to Hartley & Sons as admin"


def test_every_act_on_both_is_answered_alike(app: Flask, both: Person, noon: Traveller) -> None:
    acts: list[tuple[str, dict[str, str]]] = [
        ("invite", {}),
        ("unlock", {}),
        ("reset", {"reason": "Lost", "once": "1"}),
        ("role", {"role": "owner"}),
        ("role", {"role": "member"}),
        ("disable", {}),
        ("invite", {}),
        ("enable", {}),
        ("invite", {}),
    ]
    for number, (act, fields) in enumerate(acts):
        renew(both, noon, 0.1)
        token = both.page.hidden()
        answers = []
        for path in (NORA, BERT):
            answer = both.client.post(f"{path}/{act}", data=token | fields, buffered=True)
            shown = both.visit(path)
            answers.append((answer.status_code, alike(answer.text), alike(shown)))
        assert (number, act, answers[0]) == (number, act, answers[1])
    both.visit("/admin/people/add")
    press(both, "Add people", people=BOTH)
    assert [row[2] for row in table(both.page)] == ["Is here already.", "Is here already."]


def test_adding_costs_the_same_number_of_statements_for_both_but_one(
    app: Flask, dora: Person
) -> None:
    """The one that notes whom the placeholder stands for: too little to be told by time."""
    costs = []
    for line in BOTH.splitlines():
        with counted(app) as cost:
            press(dora, "Add people", people=line)
        assert "1 person was added." in dora.page.words
        costs.append(cost.statements)

    assert costs[1] - costs[0] <= 1


def test_nothing_that_is_done_to_the_placeholder_reaches_the_account(
    app: Flask, both: Person, rows: Rows
) -> None:
    kept = "SELECT * FROM accounts WHERE id = 2"
    before, bob = rows(kept), asked(app)
    both.visit(BERT)
    press(both, "Disable")
    press(both, "Let back in")
    press(both, "Change role", role="owner")

    assert bob.visit("/security").status == 200
    assert rows(kept) == before
    assert rows("SELECT count(*) FROM events WHERE account_id = 2 AND by_account_id = 4") == [(0,)]
    assert both.visit("/admin/people/2").status == 404


def test_nobody_signs_in_as_a_placeholder(app: Flask, both: Person, rows: Rows) -> None:
    (row,) = rows("SELECT email, password_hash FROM accounts WHERE id = 6")
    assert (str(row[0]).count("@"), row[1]) == (0, None)
    # The link that was made for both alike was mailed to the new one alone.
    assert "/signin/invitation/" in mails_to(app, "nora@example.com")[0]
    assert "/signin/" not in mails_to(app, "bob@example.com")[0]
    assert asked(app).page.heading == "Two-factor authentication"


def test_whoever_accepts_is_a_member_from_then_on(
    app: Flask, both: Person, noon: Traveller, rows: Rows
) -> None:
    change(app, LENIENT)
    bob = asked(app)
    assert "Hartley & Sons asks you to join." in bob.page.words
    noon.shift(60)

    page = bob.visit(PAGE)
    assert page.heading == "Your organisations"
    assert "You would join as: Administrator" in page.words
    press(bob, "Join")

    assert [row[:2] for row in table(bob.page)] == [
        ["Hartley & Sons", "Administrator"],
        ["Reading Room", "Member"],
    ]
    assert rows(
        "SELECT role, since FROM memberships WHERE account_id = 2 AND organisation_id = 1"
    ) == [("admin", "2031-05-06 12:01:00.000000")]
    # The placeholder is gone, with all that hung on it.
    assert rows("SELECT id FROM accounts WHERE id = 6") == []
    both.visit("/admin/people")
    names = [row[:3] for row in table(both.page)]
    assert ["Bob", "bob@example.com", "Administrator"] in names
    assert "Old Bert" not in both.page.text
    assert both.visit(BERT).status == 404
    both.visit("/admin/audit?person=2")
    assert [(row[2], row[3]) for row in table(both.page)] == [
        ("Joined an organisation · Hartley & Sons as admin", "the person"),
        ("Invited · to Hartley & Sons as admin", "Dora"),
    ]


def test_what_the_organisation_asks_counts_once_they_are_in(app: Flask, both: Person) -> None:
    bob = asked(app)
    assert bob.page.heading == "Two-factor authentication"
    bob.visit(PAGE)

    press(bob, "Join")

    assert "Hartley &amp; Sons" in bob.page.response.text
    assert bob.page.heading == "Set up two-factor authentication"


def test_joining_needs_a_fresh_proof(
    app: Flask, both: Person, noon: Traveller, snapshot: Snapshot
) -> None:
    """An administrator may reset whoever joins: a stolen sign-in must not lead there."""
    change(app, LENIENT)
    bob = asked(app)
    noon.shift(timedelta(minutes=6))
    bob.visit(PAGE)
    before = snapshot()

    press(bob, "Join")

    assert bob.page.heading == "Confirm it is you"
    after = snapshot()
    assert {n for n in after if after[n] != before[n]} <= {"sign_ins"}
    bob.press("/signin/confirm", password="correct horse battery staple")
    assert bob.page.heading == "Your organisations"
    press(bob, "Join")
    assert "Hartley & Sons" in table(bob.page)[0][0]


def test_who_declines_is_shown_as_invited_and_never_asked_again(
    app: Flask, both: Person, noon: Traveller, rows: Rows
) -> None:
    bob = asked(app)
    bob.visit(PAGE)
    press(bob, "Decline")
    assert "asks you to join" not in bob.page.words

    renew(both, noon, 1)
    assert alike(both.visit(NORA)) == alike(both.visit(BERT))
    for path in (NORA, BERT):
        both.visit(path)
        press(both, "Send the invitation again")
    assert [len(mails_to(app, f"{name}@example.com")) for name in ("nora", "bob")] == [2, 1]
    assert alike(both.visit(NORA)) == alike(both.visit(BERT))
    bob = asked(app)
    assert "asks you to join" not in bob.visit(PAGE).words
    # It stands on Bob's own page, and in nobody's log.
    assert "Declined to join an organisation" in bob.visit("/security").words
    assert rows("SELECT organisation_id FROM events WHERE kind = 'join declined'") == [(0,)]


@pytest.mark.parametrize("act", ["accept", "decline"])
def test_a_request_of_others_or_one_that_is_over_does_nothing(
    app: Flask, both: Person, noon: Traveller, snapshot: Snapshot, rows: Rows, act: str
) -> None:
    (number,) = rows("SELECT id FROM join_requests")[0]
    bob, other = asked(app), add(app, "olaf", THERE)
    other.sign_in()

    before = snapshot()
    assert other.post(f"{PAGE}/{number}/{act}", other.page.hidden()).status_code == 404
    assert other.post(f"{PAGE}/999/{act}", other.page.hidden()).status_code == 404
    assert snapshot() == before

    noon.shift(timedelta(days=3))
    bob.sign_in()
    assert "asks you to join" not in bob.visit(PAGE).words
    before = snapshot()
    bob.show(bob.post(f"{PAGE}/{number}/{act}", bob.page.hidden()))
    assert bob.page.status == 409
    assert bob.page.error.startswith("That request is over.")
    assert snapshot() == before


def test_a_new_mail_lets_the_request_live_again(app: Flask, both: Person, noon: Traveller) -> None:
    change(app, LENIENT)
    renew(both, noon, 73)
    both.visit(BERT)
    press(both, "Send the invitation again")

    bob = asked(app)
    bob.visit(PAGE)
    press(bob, "Join")
    assert len(table(bob.page)) == 2


def test_a_disabled_placeholder_can_not_be_joined(
    app: Flask, both: Person, snapshot: Snapshot, rows: Rows
) -> None:
    bob = asked(app)
    bob.visit(PAGE)
    token = bob.page.hidden()
    both.visit(BERT)
    press(both, "Disable")
    assert "asks you to join" not in bob.visit(PAGE).words
    before = snapshot()

    answer = bob.post(f"{PAGE}/{rows('SELECT id FROM join_requests')[0][0]}/accept", token)

    assert answer.status_code == 409
    assert snapshot() == before


def test_an_address_gets_few_mails_however_many_organisations_ask(
    app: Flask, both: Person, noon: Traveller
) -> None:
    """As with other mailed links: 3 an hour and 10 a day, and nobody is told."""
    owners = []
    for number in range(4):
        run(app, "organisation", "add", f"Club {number}")
        owners.append(administrator(app, f"owner{number}", f"Club {number}"))
        owners[-1].visit("/admin/people/add")
        press(owners[-1], "Add people", people="Bob, bob@example.com")
        assert "1 person was added." in owners[-1].page.words
    assert len(mails_to(app, "bob@example.com")) == 3

    for hour in range(24):
        for owner in owners:
            renew(owner, noon, 0.25)
            owner.visit("/admin/people?state=invited")
            owner.visit(re.findall(r'href="(/admin/people/\d+[^"]*)"', owner.page.text)[0])
            press(owner, "Send the invitation again")
        if hour == 22:
            assert len(mails_to(app, "bob@example.com")) == 10


def test_somebody_without_a_password_is_mailed_a_link_for_the_first_one(
    app: Flask, both: Person, noon: Traveller
) -> None:
    """Nora was invited here and has not answered: signed in is what she can't be."""
    otto = administrator(app, "otto", THERE)
    otto.visit("/admin/people/add")
    press(otto, "Add people", people="Nora N, nora@example.com")

    first, second = mails_to(app, "nora@example.com")
    links = [re.findall(r"/signin/invitation/\S+", mail)[0] for mail in (first, second)]
    assert "Reading Room asks you to join." in second
    nora = Person(app, "nora@example.com")
    for link in links:  # the older one is not replaced
        assert nora.visit(link).status == 200
    nora.press(links[1])
    nora.press("/signin/new-password", new="a long enough new password")
    change(app, LENIENT)
    nora.sign_in("a long enough new password")
    nora.visit(PAGE)
    press(nora, "Join")
    assert [row[0] for row in table(nora.page)] == [HERE, THERE]


def test_a_command_that_joins_them_ends_the_request(app: Flask, both: Person, rows: Rows) -> None:
    run(app, "account", "join", "bob@example.com", "--organisation", HERE, "--role", "owner")

    both.visit("/admin/people")
    assert [row[:3] for row in table(both.page) if "bob@" in row[1]] == [
        ["Bob", "bob@example.com", "Owner"]
    ]
    assert rows("SELECT id FROM accounts WHERE id = 6") == []
    assert "asks you to join" not in asked(app).visit(PAGE).words


def test_a_removed_organisation_asks_nobody_any_more(app: Flask, both: Person, rows: Rows) -> None:
    run(app, "organisation", "remove", HERE, "--yes")

    assert rows("SELECT count(*) FROM join_requests") == [(0,)]
    assert rows("SELECT id FROM accounts WHERE asked_email IS NOT NULL") == []
    bob = asked(app)
    assert "asks you to join" not in bob.visit(PAGE).words
    assert [row[0] for row in table(bob.page)] == [THERE]


def test_nobody_is_reminded_before_they_have_come(app: Flask, both: Person) -> None:
    """Neither the new one nor the asked one: both have an invitation to answer first."""
    both.visit("/admin/people/remind")
    assert "Nora" not in both.page.text
    assert "Bert" not in both.page.text

    told = run(app, "remind", "--dry-run")
    assert "nora@" not in told
    assert "bob@" not in told


def test_an_owner_who_has_not_come_yet_is_no_other_owner(app: Flask, both: Person) -> None:
    """The last owner who can sign in stays, whoever was invited as one."""
    for path in (NORA, BERT):
        both.visit(path)
        press(both, "Change role", role="owner")

    done = app.test_cli_runner().invoke(args=["account", "disable", "dora@example.com"])

    assert done.exit_code == 1
    assert "last owner" in done.output


def test_an_event_of_before_is_not_shown_after_joining(
    app: Flask, both: Person, noon: Traveller
) -> None:
    bob = asked(app)
    noon.shift(60)
    bob.visit(PAGE)
    press(bob, "Join")

    both.visit("/admin/people/2")

    assert "Sign-in" not in [row[1].partition(" ·")[0] for row in table(both.page)]
