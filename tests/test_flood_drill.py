"""The full flood: 70 anonymous posts a second against a real server, at real costs (make drill)."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live import Browser, Server, serve
from tests.person import PASSWORD
from tests.sizes import full_only

RATE = 70
SECONDS = 30
SETTINGS = {
    "GUNICORN_CMD_ARGS": "--workers 2",
    "ONWARD_PASSWORD_MEMORY_KIB": "19456",
    "ONWARD_PASSWORD_TIME_COST": "2",
    "ONWARD_PASSWORD_PLACES": "0",
    "ONWARD_PASSWORD_WAITERS": "4",
    "ONWARD_PROXY_HOPS": "1",
}


class Flood:
    """Wrong passwords for addresses that nobody has, from many networks, at a fixed rate."""

    def __init__(self, server: Server) -> None:
        self.statuses: Counter[int] = Counter()
        self._lock, self._over = threading.Lock(), threading.Event()
        self._browser = Browser(server)
        self._browser.get("/signin")
        self._form = self._browser.form(password="wrong password")
        self._thread = threading.Thread(target=self._pour)

    def __enter__(self) -> "Flood":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _pour(self) -> None:
        posts: list[threading.Thread] = []
        begun = time.monotonic()
        while not self._over.is_set():
            posts.append(threading.Thread(target=self._post, args=(len(posts),)))
            posts[-1].start()
            self._over.wait(max(0.0, begun + len(posts) / RATE - time.monotonic()))
        for post in posts:
            post.join()

    def _post(self, number: int) -> None:
        form = self._form | {"email": f"nobody{number}@example.com"}
        network = f"198.51.100.{random.randrange(200)}"
        try:
            status = self._browser.send("POST", "/signin", _forwarded=network, **form).status
        except OSError:
            status = 0
        with self._lock:
            self.statuses[status] += 1


@full_only
@pytest.mark.drill
def test_a_known_browser_signs_in_during_the_flood(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with serve(tmp_path / "instance", threads="8", **SETTINGS) as server:
        server.run("account", "add", "bob@example.com", "--name", "Bob", typed=PASSWORD + "\n")
        bob, came, ends = Browser(server), Counter[int](), time.monotonic() + SECONDS
        assert bob.sign_in("bob@example.com").status == 200
        bob.press("/signout")
        with Flood(server) as flood:
            while time.monotonic() < ends:
                bob.get("/signin")
                came[bob.press("/signin", email="bob@example.com", password=PASSWORD).status] += 1
                bob.get("/security")
                bob.press("/signout")
    told = f"flood: {dict(flood.statuses)}; the known browser: {dict(came)}"
    record_property("drill", told)
    assert set(came) == {303}
    assert came[303] >= 10
    assert flood.statuses[503] > 0
    assert set(flood.statuses) <= {422, 503}
