"""A browser that keeps its back/forward cache, a site and a mailbox of its own per test."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiosmtpd.controller import Controller
from playwright.sync_api import BrowserContext, expect
from sqlalchemy import text

from db import db
from tests.browser import chromium
from tests.browser.mailbox import Mailbox
from tests.browser.site import Site, serving
from tests.browser.visitor import ARGUMENTS, KEEP_BACK_FORWARD_CACHE, Visitor
from tests.browser.watch import Watch

MILLISECONDS = 10_000
"""How long anything may take to appear before a test fails, on a busy machine too."""
expect.set_options(timeout=MILLISECONDS)

Count = Callable[[str], int]
"""Counts rows beside the application: `count("authenticators WHERE …")`."""


@pytest.fixture(scope="session")
def base_url() -> None:
    """Each test has a site of its own; pytest-base-url's fixture would warn of itself."""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {
        **browser_type_launch_args,
        "executable_path": chromium.path(),
        "args": ARGUMENTS,
        "ignore_default_args": KEEP_BACK_FORWARD_CACHE,
    }


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    box = Mailbox(port)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box
    controller.stop()


@pytest.fixture
def site(tmp_path: Path, mailbox: Mailbox) -> Iterator[Site]:
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": mailbox.port}
    with serving(tmp_path / "instance", **mail) as site:
        yield site


@pytest.fixture
def count(site: Site) -> Count:
    def counted(table: str) -> int:
        with site.app.app_context():
            return int(db.session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)

    return counted


class Opens(Protocol):
    """Opens a browser of somebody's own; options are Playwright's for a context."""

    def __call__(self, **options: Any) -> Visitor: ...


@pytest.fixture
def opens(site: Site, new_context: Callable[..., BrowserContext]) -> Iterator[Opens]:
    watches: list[Watch] = []

    def open_browser(**options: Any) -> Visitor:
        context = new_context(base_url=site.url, reduced_motion="reduce", **options)
        context.set_default_timeout(MILLISECONDS)
        watches.append(Watch(context, site.url))
        return Visitor(context.new_page(), watch=watches[-1])

    yield open_browser
    assert [watch.troubles for watch in watches] == [[] for _ in watches]
