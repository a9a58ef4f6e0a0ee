"""Races: twenty requests released together; exactly one wins, on SQLite and on PostgreSQL."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests import postgres
from tests.live import Answer, Browser, Server, at_once, serve
from tests.person import PASSWORD, app_code, letters_in, text_of
from tests.sizes import drill

MANY = 20
TWO_WORKERS = {"GUNICORN_CMD_ARGS": "--workers 2"}
"""Requests meet in one process, as threads, and across processes."""
NUMBERS = count(1)


@dataclass
class Site:
    """A live server with its database beside it."""

    server: Server
    database: str
    instance: Path

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        engine = create_engine(self.database.replace("postgresql:", "postgresql+psycopg:"))
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(text(query))]
        engine.dispose()
        return found

    def run(self, statement: str) -> None:
        engine = create_engine(self.database.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def newcomer(self) -> "Newcomer":
        """Add a person by command and sign them in."""
        email = f"person{next(NUMBERS)}@example.com"
        self.server.run("account", "add", email, "--name", "Person", typed=PASSWORD + "\n")
        return self.signed_in(email)

    def twin(self, of: "Newcomer") -> "Newcomer":
        """Add another person like this one was at first, faster than by command."""
        email = f"person{next(NUMBERS)}@example.com"
        same = "name, password_hash, password_at, created_at, 0"
        self.run(
            "INSERT INTO accounts (email, name, password_hash, password_at, created_at,"
            f" records_issued) SELECT '{email}', {same} FROM accounts WHERE email = '{of.email}'"
        )
        self.run("INSERT INTO throttles (account_id) SELECT max(id) FROM accounts")
        return self.signed_in(email)

    def signed_in(self, email: str) -> "Newcomer":
        browser = Browser(self.server)
        browser.sign_in(email)
        return Newcomer(self, email, browser)


@dataclass
class Newcomer:
    """Somebody who sets up two-factor authentication over the wire."""

    site: Site
    email: str
    browser: Browser
    key: str = ""
    codes: list[str] = field(default_factory=list)

    @property
    def account(self) -> str:
        return f"(SELECT id FROM accounts WHERE email = '{self.email}')"

    def to_scan(self) -> None:
        self.browser.get("/setup")
        self.browser.press("/setup")
        found = re.search(r'<code id="key">([^<]*)<', self.browser.last.text)
        assert found, self.browser.last.text
        self.key = found.group(1).replace(" ", "")

    def to_verify(self) -> None:
        self.to_scan()
        self.browser.press("/setup")

    def to_codes(self) -> None:
        self.to_verify()
        # One step back: the next codes are still unspent for the sign-in that follows. It is
        # good for the rest of this step only, which a busy machine may need.
        left = 30 - time.time() % 30
        time.sleep(left if left < 5 else 0)
        self.browser.press("/setup", code=app_code(self.key, steps=-1))
        self.browser.press("/setup", way="codes")
        self.codes = re.findall(r"<li><code>([\d ]+)</code></li>", self.browser.last.text)
        assert len(self.codes) == 10, self.browser.last.text

    def set_up(self) -> None:
        self.to_codes()
        self.browser.press("/setup", saved="1")
        assert self.browser.last.heading == "Two-factor authentication is on"

    def half_sign_in(self) -> Browser:
        browser = Browser(self.site.server)
        assert browser.sign_in(self.email).heading == "Enter your code"
        return browser


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    instance = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        with serve(instance, **TWO_WORKERS) as server:
            yield Site(server, f"sqlite:///{instance}/onward.sqlite", instance)
        return
    database = postgres.new_database(postgres.shared(), "races")
    with serve(instance, database, **TWO_WORKERS) as server:
        yield Site(server, database, instance)


def winners(site: Site, browser: Browser, answers: list[Answer]) -> int:
    """Count the answers whose cookies open the security page; none may be a fault."""
    assert not [a.status for a in answers if a.status >= 500]
    opened = 0
    for answer in answers:
        if "onward" in answer.cookies:
            own = Browser(site.server, browser.cookies | answer.cookies)
            opened += own.get("/security").heading == "Two-factor authentication"
    return opened


def test_one_ticket_takes_one_turn(site: Site) -> None:
    someone = site.newcomer()
    someone.to_scan()

    answers = someone.browser.press_at_once(MANY, "/setup")

    # htmx sends no second click as a new act: every answer shows the same next step.
    assert {(a.status, a.heading) for a in answers} == {(200, "Enter the code from your app")}
    query = f"SELECT turn FROM wizards WHERE account_id = {someone.account}"
    assert site.rows(query) == [(2,)]


def test_one_start_makes_one_secret(site: Site) -> None:
    someone = site.newcomer()
    someone.browser.get("/setup")

    answers = someone.browser.press_at_once(MANY, "/setup")

    assert {(a.status, a.heading) for a in answers} == {(200, "Scan the QR code")}
    assert len({re.search(r'id="key">([^<]*)', a.text)[1] for a in answers}) == 1  # type: ignore[index]  # it is there
    query = f"SELECT records_issued FROM accounts WHERE id = {someone.account}"
    assert site.rows(query) == [(1,)]


def test_the_final_step_counts_once(site: Site) -> None:
    someone = site.newcomer()
    someone.to_codes()

    answers = someone.browser.press_at_once(MANY, "/setup", saved="1")

    assert not [a.status for a in answers if a.status >= 500]
    for table in ("authenticators", "backup_codes", "wizards"):
        expected = 10 if table == "backup_codes" else 1
        query = f"SELECT count(*) FROM {table} WHERE account_id = {someone.account}"
        assert site.rows(query) == [(expected,)], table
    # The replays carry the winner's token: nobody is signed out by a lost answer.
    # (The rest of a cookie is the second at which it was signed.)
    kept = {a.cookies["onward"].rsplit(".", 2)[0] for a in answers if "onward" in a.cookies}
    assert len(kept) == 1


def test_one_app_code_lets_one_request_in(site: Site) -> None:
    someone = site.newcomer()
    someone.set_up()
    browser = someone.half_sign_in()

    answers = browser.press_at_once(MANY, "/signin/code", code=app_code(someone.key, steps=1))

    assert winners(site, browser, answers) == 1


def test_one_app_code_lets_one_of_many_sign_ins_in(site: Site) -> None:
    someone = site.newcomer()
    someone.set_up()
    code = app_code(someone.key, steps=1)
    browsers = [someone.half_sign_in() for _ in range(MANY)]
    forms = [browser.form(code=code) for browser in browsers]

    answers = at_once(
        [
            partial(browser.send, "POST", "/signin/code", **form)
            for browser, form in zip(browsers, forms, strict=True)
        ]
    )

    assert winners(site, Browser(site.server), answers) == 1


def test_one_backup_code_lets_one_request_in(site: Site) -> None:
    someone = site.newcomer()
    someone.set_up()
    browser = someone.half_sign_in()

    answers = browser.press_at_once(MANY, "/signin/backup-code", code=someone.codes[0])

    assert winners(site, browser, answers) == 1
    query = "SELECT count(*) FROM backup_codes WHERE used_at IS NOT NULL AND account_id = "
    assert site.rows(query + someone.account) == [(1,)]


def test_one_emailed_code_lets_one_request_in(site: Site) -> None:
    someone = site.newcomer()
    someone.set_up()
    browser = someone.browser
    browser.get("/setup/email")
    browser.press("/setup")
    browser.press("/setup", address=f"home-{someone.email}")
    browser.press("/setup", code=_newest_code(site))
    assert browser.last.heading == "Your backup email is confirmed"
    half = someone.half_sign_in()
    half.get("/signin/backup-email")
    half.get(half.press("/signin/backup-email").location)

    answers = half.press_at_once(MANY, "/signin/backup-email/code", code=_newest_code(site))

    assert winners(site, half, answers) == 1


def _newest_code(site: Site) -> str:
    newest = sorted((site.instance / "outbox").glob("*.eml"))[-1].read_text()
    found = re.search(r"^(\d{6})\r?$", newest, re.M)
    assert found, newest
    return found.group(1)


def test_no_more_wrong_codes_are_read_than_the_budget_has(site: Site) -> None:
    """S-090, S-093, S-094: sixty parallel guesses of two factors, five of them read."""
    someone = site.newcomer()
    someone.set_up()
    browsers = [someone.half_sign_in() for _ in range(MANY)]
    wrong = f"{(int(app_code(someone.key)) + 500_000) % 10**6:06d}"
    guesses = [("code", wrong), ("backup-code", "12345678"), ("backup-code", "87654321")]

    answers = at_once(
        [
            partial(browser.send, "POST", f"/signin/{page}", **browser.form(code=code))
            for page, code in guesses
            for browser in browsers
        ]
    )

    assert {a.status for a in answers} <= {303, 422, 429}
    told = site.rows(
        "SELECT result, count(*) FROM events WHERE kind = 'second factor' "
        f"AND account_id = {someone.account} GROUP BY result"
    )
    # The fifth is read, but its answer is "locked".
    assert sum(number for result, number in told if "locked" not in result) == 4, told
    throttle = f"SELECT locks, failures FROM throttles WHERE account_id = {someone.account}"
    assert site.rows(throttle) == [(1, 0)]
    spent = f"SELECT last_time_step FROM authenticators WHERE account_id = {someone.account}"
    before = site.rows(spent)
    right = app_code(someone.key, steps=1)
    for browser in browsers:  # every half sign-in is over, whichever request held it
        late = browser.send("POST", "/signin/code", **browser.form(code=right))
        assert (late.status, late.location) == (303, "/signin")
    someone.browser.get("/signin/confirm")
    assert someone.browser.press("/signin/confirm", code=right).status == 429
    assert (site.rows(throttle), site.rows(spent)) == ([(1, 0)], before)


def test_parallel_wrong_passwords_are_all_refused(site: Site) -> None:
    someone = site.newcomer()
    stranger = Browser(site.server)
    stranger.get("/signin")

    answers = stranger.press_at_once(MANY, "/signin", email=someone.email, password="wrong one")

    assert {a.status for a in answers} == {422}


def test_no_more_links_are_mailed_than_there_may_be(site: Site) -> None:
    """S-077, S-098: one for all strangers and three for a known browser."""
    person = site.newcomer()
    stranger = Browser(site.server)
    for browser, most in ((stranger, 1), (person.browser, 3)):
        browser.get("/signin/forgot")
        answers = browser.press_at_once(MANY, "/signin/forgot", email=person.email)
        assert {answer.status for answer in answers} == {200}
        # What is asked for is looked up after the answer, by the mail thread (S-152).
        for _ in range(300):
            if site.rows("SELECT count(*) FROM link_requests") == [(0,)]:
                break
            time.sleep(0.1)
        asked_in = "NULL" if most == 1 else "NOT NULL"
        links = f"SELECT count(*) FROM password_links WHERE asked_in IS {asked_in}"
        assert site.rows(f"{links} AND account_id = {person.account}") == [(most,)]


def test_finishing_beside_other_browsers_of_the_person_ends_those(site: Site) -> None:
    """S-050: both ends of the race reach for the same rows; nobody waits for ever."""
    someone = site.newcomer()
    others = [Browser(site.server) for _ in range(MANY)]
    for other in others:
        other.sign_in(someone.email)
        other.get("/setup")
    someone.to_codes()

    answers = at_once(
        [
            partial(someone.browser.send, "POST", "/setup", **someone.browser.form(saved="1")),
            *(partial(other.send, "POST", "/setup", **other.form()) for other in others),
        ]
    )

    assert not [a.status for a in answers if a.status >= 500]
    bound = site.rows(f"SELECT count(*) FROM authenticators WHERE account_id = {someone.account}")
    alive = site.rows(
        f"SELECT count(*) FROM sign_ins WHERE ended_at IS NULL AND account_id = {someone.account}"
    )
    done = "Two-factor authentication is on" in {a.heading for a in answers}
    assert (bound, alive) == ([(1,)], [(1,)]) if done else ([(0,)], [(MANY + 1,)])


def test_an_installation_on_this_database_is_healthy(site: Site) -> None:
    """The commands made an empty database into one that the models fit."""
    weak = {"ONWARD_PASSWORD_MEMORY_KIB", "ONWARD_PASSWORD_TIME_COST"}
    environment = {k: v for k, v in site.server.environment.items() if k not in weak}

    told = replace(site.server, environment=environment).run("doctor")

    assert "FAULT" not in told
    assert "ok     database" in told


# Passwords

CLIENTS, RESETS = drill((8, 10), (32, 50))
NEW = "a quite different sentence"


def opened_link(site: Site, email: str) -> Browser:
    """Return a browser in which the link for a forgotten password was opened."""
    browser = Browser(site.server)
    browser.get("/signin/forgot")
    browser.press("/signin/forgot", email=email)
    for _ in range(300):
        for letter in letters_in(site.instance / "outbox"):
            found = re.search(r"/signin/reset/\S+", text_of(letter))
            if found and letter["To"] == email:
                browser.get(found[0])
                browser.get(browser.press(found[0]).location)
                return browser
        time.sleep(0.1)
    raise AssertionError("no link was mailed")


@dataclass
class Loop:
    """Somebody who keeps signing in with a password, right or wrong, until told to stop."""

    site: Site
    email: str
    stop: Event
    got_in: list[Browser] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def run(self) -> None:
        last = False
        while not last:
            last = self.stop.is_set()  # one more after it
            browser = Browser(self.site.server)
            browser.get("/signin")
            answer = browser.press("/signin", email=self.email, password=PASSWORD)
            self.statuses.append(answer.status)
            if answer.status == 303:
                self.got_in.append(browser)


@contextmanager
def looping(site: Site, email: str) -> Iterator[list[Loop]]:
    """Let many sign in again and again while the block runs, and once more after it."""
    stop = Event()
    loops = [Loop(site, email, stop) for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(loop.run) for loop in loops]
        try:
            while not all(loop.got_in for loop in loops):
                time.sleep(0.01)
            yield loops
        finally:
            stop.set()
        for one in running:
            one.result()


@pytest.mark.drill
@pytest.mark.parametrize("has_two_factor", [False, True], ids=["password", "two-factor"])
def test_nothing_of_the_old_password_outlives_a_reset(site: Site, has_two_factor: bool) -> None:
    """S-005: a sign-in whose hash began before the reset would have lived for a day."""
    first = site.newcomer()
    for _ in range(RESETS // 2):
        someone = site.twin(first)
        if has_two_factor:
            someone.set_up()
        owner = opened_link(site, someone.email)

        with looping(site, someone.email) as loops:
            answer = owner.press("/signin/new-password", new=NEW)

        assert answer.heading == "Your password is saved"
        assert {status for loop in loops for status in loop.statuses} <= {303, 422, 429}
        alive = "SELECT count(*) FROM sign_ins WHERE ended_at IS NULL AND account_id = "
        assert site.rows(alive + someone.account) == [(0,)]
        for browser in (browser for loop in loops for browser in loop.got_in[-3:]):
            page = "/signin/code" if has_two_factor else "/security"
            assert (browser.get(page).location, browser.get("/").location) == ("/signin",) * 2


def test_all_of_many_right_sign_ins_succeed_after_a_change_of_the_costs(site: Site) -> None:
    """A new hash is not a new password: whoever comes second to it gets in as well."""
    email = f"person{next(NUMBERS)}@example.com"
    dear = replace(
        site.server, environment=site.server.environment | {"ONWARD_PASSWORD_TIME_COST": "3"}
    )
    dear.run("account", "add", email, "--name", "Person", typed=PASSWORD + "\n")
    row = (
        f"SELECT password_hash, password_at, password_version FROM accounts WHERE email = '{email}'"
    )
    ((old, *facts),) = site.rows(row)
    assert "t=3" in old
    browser = Browser(site.server)
    browser.get("/signin")

    answers = browser.press_at_once(16, "/signin", email=email, password=PASSWORD)

    assert [answer.status for answer in answers] == [303] * 16
    ((new, *after),) = site.rows(row)
    assert ("t=1" in new, after) == (True, facts)
    alive = (
        f"SELECT count(*) FROM sign_ins, accounts a WHERE account_id = a.id AND email = '{email}'"
    )
    assert site.rows(alive + " AND ended_at IS NULL") == [(16,)]


def test_a_wait_binds_the_right_password_among_many(site: Site) -> None:
    """S-098: it gets in before the first wrong one or not at all, as it would one by one."""
    someone = site.newcomer()
    for _ in range(5):
        site.run("DELETE FROM password_tries")
        stranger = Browser(site.server)
        stranger.get("/signin")
        for _ in range(20):
            stranger.send("POST", "/signin", **stranger.form(email=someone.email, password="wrong"))
        mine = f"SELECT kind, result FROM events WHERE account_id = {someone.account}"
        before = len(site.rows(mine))
        forms = [stranger.form(email=someone.email, password=f"wrong {n}") for n in range(15)]
        forms.append(stranger.form(email=someone.email, password=PASSWORD))

        answers = at_once([partial(stranger.send, "POST", "/signin", **form) for form in forms])

        assert {answer.status for answer in answers} <= {303, 422, 429}
        results = [result for _, result in site.rows(f"{mine} ORDER BY id")[before:]]
        assert "done" not in results[1:], results


def blocked(site: Site, lock: str, then: str, act: Callable[[], Answer]) -> Answer:
    """Do `act`, which has to wait for the rows of `lock`; when it waits, run `then`."""
    engine = create_engine(site.database.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as first, ThreadPoolExecutor(1) as pool:
        first.execute(text(f"{lock} FOR UPDATE"))
        answer = pool.submit(act)
        while not site.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            assert not answer.done(), "nobody waited"
        first.execute(text(then))
        first.commit()
        given = answer.result()
    engine.dispose()
    return given


def test_a_count_that_is_cleared_meanwhile_begins_anew(site: Site) -> None:
    """The row is gone between two statements of whoever adds to it: no fault, and it counts."""
    if site.database.startswith("sqlite"):
        pytest.skip("SQLite lets no second writer in where the two could meet")
    someone = site.newcomer()
    stranger = Browser(site.server)
    stranger.get("/signin")
    form = stranger.form(email=someone.email, password="wrong")
    site.run("DELETE FROM password_tries")
    assert stranger.send("POST", "/signin", **form).status == 422

    answer = blocked(
        site,
        "SELECT * FROM password_tries",
        "DELETE FROM password_tries",
        partial(stranger.send, "POST", "/signin", **form),
    )

    assert answer.status == 422
    assert site.rows("SELECT failures FROM password_tries") == [(1,)]


def test_a_known_browser_that_is_swept_meanwhile_is_a_stranger(site: Site) -> None:
    """The row of its tries is gone between two statements of whoever adds to it."""
    if site.database.startswith("sqlite"):
        pytest.skip("SQLite lets no second writer in where the two could meet")
    someone = site.newcomer()
    someone.set_up()
    known = someone.half_sign_in()
    known.press("/signin/code", code=app_code(someone.key, steps=0))
    known.get("/security")
    known.press("/signout")
    known.sign_in(someone.email)
    assert known.last.heading == "Enter your code"
    wrong = f"{(int(app_code(someone.key)) + 500_000) % 10**6:06d}"
    devices = f"FROM trusted_devices WHERE account_id = {someone.account}"

    answer = blocked(
        site,
        f"SELECT * {devices}",
        f"DELETE {devices}",
        partial(known.send, "POST", "/signin/code", **known.form(code=wrong)),
    )

    assert answer.status == 422
    counted = f"SELECT failures FROM throttles WHERE account_id = {someone.account}"
    assert site.rows(counted) == [(1,)]
