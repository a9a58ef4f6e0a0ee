"""PostgreSQL stopped, crashed, frozen, locked or without a free connection: 503, and on it goes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import click
import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url, text

import keys
from app import create_app
from db import db
from operations import health
from tests import postgres
from tests.conftest import CHEAP, install
from tests.person import PASSWORD, Page, Person
from tests.test_database_faults import SHORT, assert_sorry, told
from tests.test_health import finish_looks


class Site:
    """An application on a cluster that nobody else uses."""

    def __init__(self, app: Flask, address: str) -> None:
        self.app, self.address = app, address
        self.bob = Person(app, "bob@example.com")

    def post(self) -> Page:
        """Sign in, without following the answer."""
        return Page(self.bob.post("/signin", self.fields))

    @property
    def fields(self) -> dict[str, str]:
        return self.bob.page.hidden() | {"email": self.bob.email, "password": PASSWORD}

    def rows(self) -> list[tuple[object, ...]]:
        """Count what a sign-in writes, beside the application."""
        with psycopg.connect(self.url) as other:
            query = "SELECT (SELECT count(*) FROM sign_ins), (SELECT count(*) FROM events)"
            return other.execute(query).fetchall()

    @property
    def url(self) -> str:
        return str(self.app.config["DATABASE_URL"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("faults") / "instance"
    folder.mkdir(mode=0o700)
    keys.make(folder / "keys")
    with postgres.cluster() as address:
        url = postgres.new_database(address, "faults")
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("CREATE ROLE onward LOGIN")  # limits bind no superuser
            owner.execute(f"ALTER DATABASE {make_url(url).database} OWNER TO onward")
        config = {"DATABASE_URL": url.replace("app@", "onward@"), **SHORT}
        with install(folder, **config).app_context():
            db.engine.dispose()
        app = create_app({"INSTANCE": str(folder), **CHEAP, **config})
        yield Site(app, address)
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def site(served: Site) -> Site:
    """The same, with a pool that is warm, and Bob before the sign-in page."""
    served.bob = Person(served.app, "bob@example.com")
    while served.bob.visit("/signin").status == 503:  # the pause after a silence
        threading.Event().wait(0.05)
    warm(served, 3)
    return served


def warm(site: Site, count: int) -> None:
    """Let the pool hold so many connections."""
    with site.app.app_context(), ExitStack() as held:
        for _ in range(count):
            held.enter_context(db.engine.connect()).execute(text("SELECT 1"))


@contextmanager
def stopped(site: Site, mode: str = "fast") -> Iterator[None]:
    postgres.stop(site.address, mode)
    yield
    postgres.start(site.address)


@contextmanager
def crashed(site: Site) -> Iterator[None]:
    with stopped(site, "immediate"):
        yield


@contextmanager
def frozen(site: Site) -> Iterator[None]:
    with postgres.frozen(site.address):
        yield


@contextmanager
def locked(site: Site) -> Iterator[None]:
    """Somebody holds the table of events for longer than a page waits."""
    with psycopg.connect(site.url) as other:
        other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


Fault = Callable[[Site], AbstractContextManager[None]]
FAULTS: dict[Fault, str] = {
    stopped: "connection",
    crashed: "connection",
    frozen: "the server did not answer within 1 s",
    locked: "55P03 LockNotAvailable",
}


@pytest.mark.parametrize("fault", FAULTS, ids=["stopped", "crashed", "frozen", "locked"])
def test_what_fails_is_answered_politely_and_goes_on_by_itself(
    site: Site, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    before = site.rows()

    with fault(site):
        assert_sorry(site.post())
        assert Page(site.app.test_client().get("/help")).status == 200

    assert site.rows() == before
    [line] = told(caplog)
    assert line.startswith("the database does not serve signin.submit: ")
    assert FAULTS[fault] in line
    assert "password" not in line
    assert until_answered(site) == 303


def until_answered(site: Site) -> int:
    """Return the status once the pause after a silence is over."""
    for _ in range(100):
        if (status := site.post().status) != 503:
            return status
        threading.Event().wait(0.05)
    return 503


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_no_connection_of_before_a_restart_fails_a_page(
    site: Site, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    with stopped(site, mode):
        pass

    # Each takes one of the pooled connections, held while the next one is asked.
    with site.app.app_context(), ExitStack() as held:
        for _ in range(3):
            connection = held.enter_context(db.engine.connect())
            assert connection.scalar(text("SELECT 1")) == 1
            assert site.post().status == 303
    assert told(caplog) == []


def test_without_a_free_connection_pages_say_so(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The server takes no more, as when another program has taken all of them."""
    with site.app.app_context():
        db.engine.dispose()
    with psycopg.connect(site.url.replace("onward@", "app@"), autocommit=True) as other:
        other.execute(f"ALTER DATABASE {other.info.dbname} CONNECTION LIMIT 0")
        try:
            assert_sorry(site.post())
        finally:
            other.execute(f"ALTER DATABASE {other.info.dbname} CONNECTION LIMIT -1")
    [line] = told(caplog)
    assert "too many connections" in line

    assert site.post().status == 303


def test_a_frozen_server_holds_few_threads(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Of twelve that come, four wait for all of the time; after that one at a time tries."""
    forms = [Person(site.app, "bob@example.com") for _ in range(12)]
    for one in forms:
        one.visit("/signin")
    warm(site, 12)
    pages: list[Page] = []

    def press(one: Person) -> None:
        fields = one.page.hidden() | {"email": one.email, "password": PASSWORD}
        pages.append(Page(one.post("/signin", fields)))

    with postgres.frozen(site.address):
        threads = [threading.Thread(target=press, args=(one,)) for one in forms]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [page.status for page in pages] == [503] * 12
    waited = [line for line in told(caplog) if "within 1 s" in line]
    assert 1 <= len(waited) <= site.app.config["DATABASE_WAITERS"]
    assert until_answered(site) == 303


@pytest.mark.parametrize("fault", [stopped, frozen, locked], ids=["stopped", "frozen", "locked"])
def test_readiness_is_told_while_it_lasts(site: Site, fault: Fault) -> None:
    """A locked table of events is no fault of the whole: other pages work."""
    health.init_app(site.app)  # whatever was seen a moment ago
    with fault(site):
        answer = site.app.test_client().get("/health/ready")

        right = (200, "ok\n") if fault is locked else (503, "not ok\n")
        assert (answer.status_code, answer.text) == right
        assert site.app.test_client().get("/health").text == "alive\n"
    finish_looks()
    assert until_answered(site) == 303


def test_a_command_waits_as_long_as_it_takes(site: Site) -> None:
    """Migrations and copies run for longer than a page may."""
    config = {"INSTANCE": site.app.instance_path, "DATABASE_URL": site.url, **SHORT}
    with click.Context(click.Command("init"), info_name="init"):
        command = create_app(config)

    assert [limits(app) for app in (command, site.app)] == [["0", "0"], ["900ms", "800ms"]]


def limits(app: Flask) -> list[str]:
    with app.app_context():
        names = ("statement_timeout", "lock_timeout")
        found = [str(db.session.scalar(text(f"SHOW {name}"))) for name in names]
        db.session.rollback()
        db.engine.dispose()
        return found
