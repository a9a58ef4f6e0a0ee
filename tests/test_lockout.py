"""Guessing is hopeless, and nobody is locked out by a stranger: the one budget of wrong codes."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count, cycle
from pathlib import Path

import pytest
from flask import Flask
from time_machine import Traveller

from factors.backup_codes import COUNT
from factors.backup_codes import DIGITS as BACKUP_DIGITS
from factors.backup_email import DIGITS as EMAIL_DIGITS
from factors.throttle import LIFT_EVERY, MOST, MOST_OF_DEVICE, YEAR
from factors.totp import DIGITS, TOLERANCE
from tests.conftest import NOON, add_person, set_up_before_noon
from tests.person import PASSWORD, Page, Person, app_code, letters, never_shown, text_of
from tests.sizes import drill
from tests.test_passwords import NEW, choose, forget, links

Rows = Callable[[str], list[tuple[object, ...]]]
Snapshot = Callable[[], dict[str, list[str]]]
APP, BACKUP, SEND, MAILED = (
    "/signin/code",
    "/signin/backup-code",
    "/signin/backup-email",
    "/signin/backup-email/code",
)
IN, ASKED, PAUSED = "Two-factor authentication", "Enter your code", "Sign-in is paused"
STOPPED = "Too many wrong codes for this account."
GUESSES = drill(2_000, 10_000)
HOURS = timedelta(hours=1)
DAYS = timedelta(days=1)
TRIES = "SELECT failures, locks FROM throttles WHERE account_id = 3"
READ_AT = "SELECT at FROM events WHERE kind = 'second factor' AND result != 'accepted'"
READ = READ_AT.replace("at", "count(*)", 1)


@pytest.fixture
def carol(app: Flask, noon: Traveller) -> Person:
    """Set up ten minutes before noon, signed out; her browser has passed no second factor yet."""
    return set_up_before_noon(app, noon, "carol")


@pytest.fixture
def known(carol: Person) -> Person:
    """Carol, whose browser has passed the second factor; signed out."""
    carol.sign_in()
    carol.press(APP, code=app_code(carol.key))
    assert carol.page.heading == IN
    carol.sign_out()
    return carol


def stranger(carol: Person) -> Person:
    """Somebody else at another browser who knows Carol's password."""
    person = Person(carol.app, carol.email)
    person.key = carol.key
    return person


def guess(person: Person, code: str, path: str = APP) -> Page:
    """Sign in by password and guess once; show what came of it."""
    if person.sign_in().heading == ASKED:
        person.visit(path)
        person.press(path, code=code)
    return person.page


def guess_wrong(person: Person, times: int = 5) -> Page:
    wrong = never_shown(person.key)
    for _ in range(times):
        page = guess(person, wrong)
    return page


# The ladder and the year


def test_the_pauses_grow_and_the_thirtieth_wrong_code_is_the_last(
    carol: Person, noon: Traveller, rows: Rows
) -> None:
    """S-090, S-095: 30 minutes, 1, 4, 12, 24 hours, then nothing is read any more."""
    eve, until = stranger(carol), NOON
    for hours in (0.5, 1, 4, 12, 24):
        page, until = guess_wrong(eve), until + hours * HOURS
        assert (page.status, page.heading) == (429, PAUSED)
        assert f"Wait until {until:%-d May %Y, %H:%M} UTC" in page.error
        noon.move_to(until - timedelta(seconds=1))
        assert eve.sign_in().error == page.error
        noon.move_to(until)
    page = guess_wrong(eve)

    assert (page.status, page.heading) == (429, PAUSED)
    assert STOPPED in page.error
    before = rows("SELECT last_time_step FROM authenticators"), rows(READ)
    noon.move_to(NOON + 364 * DAYS)
    page = guess(eve, app_code(carol.key))
    assert (page.status, page.heading) == (429, "Sign in")
    assert STOPPED in page.error
    assert (rows("SELECT last_time_step FROM authenticators"), rows(READ)) == before


def test_a_success_does_not_begin_the_year_anew(carol: Person, noon: Traveller, rows: Rows) -> None:
    """S-095: four wrong codes between the owner's daily sign-ins are stopped at the 31st."""
    eve = stranger(carol)
    for _ in range(8):
        noon.shift(DAYS)
        guess_wrong(eve, 4)
        owner = stranger(carol)  # each time at another browser: nothing of it is known
        guess(owner, app_code(carol.key))
    assert rows(READ) == [(30,)]
    assert STOPPED in guess(stranger(carol), app_code(carol.key)).error


def test_a_year_later_the_oldest_wrong_codes_count_no_more(carol: Person, noon: Traveller) -> None:
    eve = stranger(carol)
    for hours in (1, 2, 5, 13, 25, 0):
        guess_wrong(eve)
        noon.shift(hours * HOURS)
    noon.move_to(NOON + 365 * DAYS)
    assert guess(eve, app_code(carol.key)).heading == IN


def test_after_a_month_without_a_pause_the_next_is_short_again(
    carol: Person, noon: Traveller
) -> None:
    eve = stranger(carol)
    for hours in (0.5, 1):
        guess_wrong(eve)
        noon.shift(hours * HOURS)
    noon.shift(30 * DAYS)
    begins = NOON + 1.5 * HOURS + 30 * DAYS
    assert f"{begins + HOURS / 2:%H:%M} UTC" in guess_wrong(eve).error


def test_an_operator_unlocks(carol: Person, noon: Traveller, rows: Rows) -> None:
    """The way out of the yearly stop; nothing but wrong codes is touched."""
    eve = stranger(carol)
    for _ in range(6):
        guess_wrong(eve)
        noon.shift(25 * HOURS)
    assert STOPPED in guess(eve, app_code(carol.key)).error
    run = carol.app.test_cli_runner().invoke
    assert "nobody" in run(args=["account", "unlock", "nobody@example.com"]).output
    assert STOPPED in guess(eve, app_code(carol.key)).error

    assert run(args=["account", "unlock", "Carol@Example.com"]).exit_code == 0

    assert rows(TRIES) == [(0, 0)]
    assert rows("SELECT kind, browser FROM events ORDER BY id DESC LIMIT 1") == [
        ("unlocked", "the command line")
    ]
    assert guess(eve, app_code(carol.key)).heading == IN


# The owner is never locked out of a known browser


def test_a_known_browser_has_tries_of_its_own(known: Person, noon: Traveller, rows: Rows) -> None:
    noon.shift(timedelta(minutes=1))
    known.sign_in()
    half = known.page
    assert guess_wrong(stranger(known)).heading == PAUSED
    assert stranger(known).sign_in().status == 429

    known.page = half  # the half sign-in of the known browser goes on
    assert known.press(APP, code=never_shown(known.key)).status == 422
    assert known.press(APP, code=app_code(known.key)).heading == IN
    assert rows(TRIES) == [(0, 1)]


def test_a_trusted_browser_is_not_asked_whatever_strangers_do(
    carol: Person, noon: Traveller
) -> None:
    carol.sign_in()
    carol.press(APP, code=app_code(carol.key), trust="1")
    carol.sign_out()
    for _ in range(6):
        guess_wrong(stranger(carol))
        noon.shift(25 * HOURS)
    assert STOPPED in stranger(carol).sign_in().error

    assert carol.sign_in().heading == IN


def test_five_wrong_codes_in_a_known_browser_pause_only_it(
    known: Person, noon: Traveller, rows: Rows
) -> None:
    noon.shift(timedelta(minutes=1))
    live = stranger(known)
    assert guess(live, app_code(known.key)).heading == IN
    other = stranger(known)
    assert other.sign_in().heading == ASKED
    half = other.page

    assert guess_wrong(known).heading == PAUSED

    other.page = half
    assert other.press(APP, code=never_shown(known.key)).status == 422
    assert live.visit("/security").heading == IN
    assert rows(TRIES) == [(1, 0)]
    noon.shift(timedelta(minutes=31))
    assert guess(known, app_code(known.key)).heading == IN


def test_at_the_tenth_wrong_code_a_known_browser_is_a_stranger_again(
    known: Person, noon: Traveller, rows: Rows
) -> None:
    """A copied device cookie is worth ten guesses at most, with successes between them or not."""
    for _ in range(3):
        noon.shift(25 * HOURS)
        guess_wrong(known, 3)
        assert guess(known, app_code(known.key)).heading == IN
        known.sign_out()
    noon.shift(25 * HOURS)

    page = guess_wrong(known, 1)

    assert (page.heading, page.status) == (PAUSED, 429)
    assert (
        page.error
        == "Too many wrong codes in this browser. It is asked like a new one from now on."
    )
    assert "You can sign in again at once." in page.words
    assert rows(TRIES) == [(0, 0)]
    assert kinds(known.app)[-1] == "A wrong code after your password"
    guess_wrong(known, 1)
    assert rows(TRIES) == [(1, 0)]


def test_a_browser_known_from_before_two_factor_counts_as_a_stranger(
    app: Flask, noon: Traveller, rows: Rows
) -> None:
    """Whoever had just the password could have made any number of known browsers."""
    early = [Person(app, "bob@example.com") for _ in range(3)]
    for person in early:
        person.sign_in()
    bob = Person(app, "bob@example.com")
    bob.sign_in()
    bob.set_up()
    noon.shift(timedelta(minutes=2))
    for person in early:
        person.key = bob.key
        assert guess_wrong(person, 1).status == 422

    assert rows("SELECT failures FROM throttles WHERE account_id = 2") == [(3,)]


def test_no_known_browser_lives_longer_than_its_cookie(
    known: Person, noon: Traveller, rows: Rows
) -> None:
    cookie = known.client.get_cookie("device")
    assert cookie is not None
    noon.shift(30 * DAYS)
    known.client.set_cookie("device", cookie.value)
    guess_wrong(known, 1)
    assert rows(TRIES) == [(1, 0)]


# What a year of guesses is worth


@pytest.mark.drill
def test_whoever_reads_the_mailbox_guesses_sixty_times_a_year(
    carol: Person, noon: Traveller, rows: Rows
) -> None:
    """F7: a mailed link lifts the stop of the year once in 365 days; it was once in 30."""
    eve, password = stranger(carol), PASSWORD
    wrong, lifted = never_shown(carol.key), 0
    for day in range(0, 2 * 365, drill(5, 1)):
        noon.move_to(NOON + day * DAYS)
        if STOPPED in eve.sign_in(password).error and day % 25 == 0:
            password = f"{NEW} {day}"
            choose(forget(carol.app, carol.email), links(carol.app)[-1], password)
            lifted += STOPPED not in eve.sign_in(password).error
        if eve.page.heading == ASKED:
            eve.press(APP, code=wrong)
    moments = [datetime.fromisoformat(str(at)) for (at,) in rows(f"{READ_AT} ORDER BY at")]
    years = [sum(since <= at < since + 365 * DAYS for at in moments) for since in moments]
    assert (lifted, max(years)) == (2, 60)


def test_the_document_tells_what_a_year_of_guesses_is_worth() -> None:
    """Each line of its table is computed here from the constants of the code."""
    page = (Path(__file__).parent.parent / "docs" / "security-model.md").read_text()
    table = page.split("| guesses that are read in 365 days |", 1)[1].split("\n\n", 1)[0]
    told = re.findall(r"^\| (.+?) \| (\+?\d+) \| ([\d.]+) in 100,000 \|$", table, re.M)
    one = (1 + 2 * TOLERANCE) / 10**DIGITS
    assert one > COUNT / 10**BACKUP_DIGITS  # no other code is guessed more easily
    assert one > 1 / 10**EMAIL_DIGITS
    counts = [
        f"{MOST}",
        f"{MOST * (1 + YEAR // LIFT_EVERY)}",
        f"+{MOST_OF_DEVICE}",
        f"+{MOST}",
    ]
    chances = [f"{(1 - (1 - one) ** int(count)) * 1e5:.1f}" for count in counts]
    assert [line[1:] for line in told] == list(zip(counts, chances, strict=True))


# Who does not know the password


def test_without_the_password_nobody_counts_anything_or_causes_mail(
    carol: Person, rows: Rows, snapshot: Snapshot
) -> None:
    """S-097: a hundred posts of every kind, with and without a form of ours."""
    before, mails = snapshot(), len(letters(carol.app))
    thief = Person(carol.app, carol.email)
    thief.visit("/signin")
    for n in range(100):
        path = (APP, BACKUP, SEND, MAILED)[n % 4]
        thief.post(path, thief.page.hidden() | {"code": f"{n:06d}"})
    thief.press("/signin", email=carol.email, password="not the password")

    after = snapshot()
    changed = {table for table in after if after[table] != before[table]}
    assert changed == {"events", "password_tries"}
    assert len(letters(carol.app)) == mails
    assert rows(TRIES) == [(0, 0)]


# Mails


def kinds(app: Flask) -> list[str]:
    return [re.sub(r" (for .*|\(.*\))", "", str(letter["Subject"])) for letter in letters(app)]


def test_wrong_codes_after_the_password_are_told_once_an_hour(
    carol: Person, app: Flask, noon: Traveller
) -> None:
    """S-102."""
    eve = stranger(carol)
    told = "A wrong code after your password"
    guess_wrong(eve, 2)
    assert kinds(app).count(told) == 1
    assert letters(app)[-1]["To"] == carol.email
    text = text_of(letters(app)[-1])
    assert "6 May 2031, 12:00 UTC" in text
    assert "Not you? Then somebody knows your password." in text

    guess_wrong(eve, 3)
    assert kinds(app).count("Sign-in is paused") == 1
    assert "6 May 2031, 12:30 UTC" in text_of(letters(app)[-1])
    noon.shift(timedelta(minutes=31))
    guess_wrong(eve, 5)
    assert (kinds(app).count(told), kinds(app).count("Sign-in is paused")) == (1, 1)
    noon.shift(2 * HOURS)
    guess_wrong(eve, 5)
    assert (kinds(app).count(told), kinds(app).count("Sign-in is paused")) == (2, 2)


def test_a_slip_in_a_known_browser_is_no_alarm(known: Person, app: Flask, noon: Traveller) -> None:
    noon.shift(timedelta(minutes=1))
    mails = len(letters(app))
    guess_wrong(known, 4)
    assert len(letters(app)) == mails
    guess_wrong(known, 1)
    assert kinds(app)[mails:] == ["Sign-in is paused"]


# What a guesser learns


def bare(page: Page) -> str:
    """The answer without the CSRF value, which differs from session to session."""
    return re.sub(r'name="csrf_token" value="[^"]*"', "", page.response.text)


@pytest.mark.parametrize("steps", [2, 3, 10, 120])
def test_a_code_of_a_future_step_is_answered_like_a_random_one(carol: Person, steps: int) -> None:
    """Byte for byte: else it would tell a guesser which code will soon work."""
    future = guess(stranger(carol), app_code(carol.key, steps=steps))
    random = guess(stranger(carol), never_shown(carol.key))

    assert future.status == random.status == 422
    assert bare(future) == bare(random)


class Guesser:
    """Somebody with the password and any number of addresses, who guesses every kind of code."""

    def __init__(self, person: Person) -> None:
        self.person, self.form = Person(person.app, person.email), {"password": PASSWORD}
        wrong = never_shown(person.key)
        self.ways = cycle([(APP, wrong), (BACKUP, "00000000"), (MAILED, "000000")])
        self.addresses = (f"198.51.{n // 256 % 256}.{n % 256}" for n in count())

    def post(self, path: str, **fields: str) -> int:
        """Send a form with a valid CSRF value, fetched anew if it is not."""
        data = self.form | fields | {"email": self.person.email}
        address = {"REMOTE_ADDR": next(self.addresses)}
        status = self.person.client.post(path, data=data, environ_base=address).status_code
        if status != 400:
            return status
        self.form |= Page(self.person.client.get("/signin")).hidden()
        return self.post(path, **fields)

    def sign_in(self) -> None:
        """Begin a sign-in by password, if that is possible now."""
        if self.post("/signin") == 303:
            self.post(SEND)

    def guess(self) -> None:
        """Type a code of the next kind, whether the sign-in still lives or not."""
        path, code = next(self.ways)
        self.post(path, code=code)


@pytest.mark.drill
def test_thousands_of_guesses_in_a_year_are_not_enough(
    app: Flask, noon: Traveller, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never more codes are read than the budget has: thirty in any year.

    Each of them hits one of three codes of a million at most.
    """
    add_person(app, "dave", "Reading Room")
    dave = Person(app, "dave@example.com")
    dave.sign_in()
    dave.set_up_by_email("dave@home.example")
    dave.visit("/setup/codes")
    dave.next()
    dave.next(saved="1")
    guesser = Guesser(dave)
    for n in range(GUESSES):
        if n % 100 == 0:
            noon.shift(timedelta(days=365) / (GUESSES / 100))
        if n % 5 == 0:
            guesser.sign_in()
        guesser.guess()

    [(read,)], chance = rows(f"{READ} AND account_id = 4"), 1 - (1 - 3e-6) ** 30
    with capsys.disabled():
        print(f"\n{GUESSES} guesses in a year, {read} read: {chance:.1e} to get in")
    assert read == 30
    assert len(rows(f"{READ} AND account_id = 4 GROUP BY factor")) == 3
    assert chance < 1e-4
    assert rows(
        "SELECT count(*) FROM sign_ins WHERE account_id = 4 AND second_at > '2031-05-06 12:00:01'"
    ) == [(0,)]
