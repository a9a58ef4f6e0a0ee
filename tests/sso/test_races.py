"""Twenty answers of a provider at once, on SQLite and on PostgreSQL: one person, one sign-in."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest
import requests

from accounts import sso_kept
from tests import postgres
from tests.live import Browser, at_once, serve
from tests.sso import evil_provider
from tests.sso.comer import START, address_in
from tests.test_races import TWO_WORKERS, Site

MANY = 20


@pytest.fixture(scope="module")
def provider() -> Iterator[evil_provider.Evil]:
    with evil_provider.serving() as found:
        yield found


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    provider: evil_provider.Evil,
) -> Iterator[Site]:
    instance = tmp_path_factory.mktemp(request.param)
    (instance / "onward.toml").write_text(evil_provider.toml(provider.url))
    with ExitStack() as open_now:
        database = ""
        if request.param == "postgresql":
            database = postgres.new_database(postgres.shared(), "sso")
        server = open_now.enter_context(serve(instance, database, **TWO_WORKERS))
        server.run("organisation", "add", "Hartley & Sons", "--enforcement", "hard")
        yield Site(server, database or f"sqlite:///{instance}/onward.sqlite", instance)


def answered(site: Site) -> tuple[Browser, str]:
    """Return a browser that has been at the provider, and where it is sent back to."""
    browser = Browser(site.server)
    browser.get("/signin")
    sent = requests.get(address_in(browser.press(START).text), allow_redirects=False, timeout=5)
    return browser, str(sent.headers["Location"]).partition(f":{site.server.port}")[2]


def test_an_answer_is_good_for_one_of_many(site: Site, provider: evil_provider.Evil) -> None:
    """S-180: the state is spent by one UPDATE."""
    provider.person = {"sub": "one", "email": "one@example.com", "email_verified": True}
    browser, back = answered(site)

    answers = at_once([partial(browser.send, "GET", back)] * MANY)

    assert sorted(a.status for a in answers) == [303] + [422] * (MANY - 1)
    assert site.rows("SELECT count(*) FROM sign_ins") == [(1,)]
    assert site.rows("SELECT subject FROM identities") == [("one",)]


def test_a_newcomer_in_many_browsers_is_one_person(
    site: Site, provider: evil_provider.Evil
) -> None:
    """S-181: whoever loses the race finds the account that the winner made."""
    provider.person = {"sub": "two", "email": "two@example.com", "email_verified": True}
    came = [answered(site) for _ in range(sso_kept.AT_ONCE)]

    answers = at_once([partial(browser.send, "GET", back) for browser, back in came])

    assert [a.status for a in answers] == [303] * len(came)
    assert site.rows("SELECT count(*) FROM accounts WHERE email = 'two@example.com'") == [(1,)]
    assert site.rows("SELECT count(*) FROM identities WHERE subject = 'two'") == [(1,)]
    two = "(SELECT id FROM accounts WHERE email = 'two@example.com')"
    assert site.rows(f"SELECT count(*) FROM memberships WHERE account_id = {two}") == [(1,)]
    assert site.rows(f"SELECT count(*) FROM sign_ins WHERE account_id = {two}") == [(len(came),)]
    tied = f"SELECT count(*) FROM events WHERE kind = 'sso tied' AND account_id = {two}"
    assert site.rows(tied) == [(1,)]
