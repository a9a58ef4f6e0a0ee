"""A live server as in an installation: gunicorn with threads, spoken to over the wire."""

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from tests.person import PASSWORD

ROOT = Path(__file__).parent.parent
THREADS = 24


@dataclass(frozen=True)
class Answer:
    """What came back over the wire."""

    status: int
    text: str
    location: str
    cookies: dict[str, str]

    def value(self, name: str) -> str:
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found, (name, self.status, self.text[:2000])
        return unescape(found.group(1))

    @property
    def error(self) -> str:
        found = re.search(r'<div class="alert"[^>]*>(.*?)</div>', self.text, re.S)
        return " ".join(re.sub(r"<[^>]+>", " ", found.group(1)).split()) if found else ""

    @property
    def heading(self) -> str:
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.text, re.S)
        return " ".join(found.group(1).split()) if found else ""


@dataclass
class Server:
    """The address of a running server and its settings."""

    port: int
    environment: dict[str, str]
    pid: int = 0

    def run(self, *arguments: str, typed: str = "") -> str:
        """Run one of the product's commands against the same installation."""
        command = [sys.executable, "-m", "flask", "--app", "app", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, input=typed, text=True, capture_output=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@dataclass
class Browser:
    """One browser: its cookies, and requests that carry them."""

    server: Server
    cookies: dict[str, str] = field(default_factory=dict)
    last: Answer = Answer(0, "", "", {})

    def send(self, method: str, path: str, *, _forwarded: str = "", **fields: str) -> Answer:
        """Send one request with the present cookies; keep nothing of the answer.

        `_forwarded` is the address for which a proxy would have sent it.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            if path.startswith("/setup"):
                headers["HX-Request"] = "true"
        if _forwarded:
            headers["X-Forwarded-For"] = _forwarded
        connection.request(method, path, urlencode(fields) if fields else None, headers)
        response = connection.getresponse()
        jar: SimpleCookie = SimpleCookie()
        for sent in response.headers.get_all("Set-Cookie") or []:
            jar.load(sent)
        text = response.read().decode()
        target = response.headers.get("Location") or response.headers.get("HX-Redirect") or ""
        connection.close()
        return Answer(response.status, text, target, {k: m.value for k, m in jar.items()})

    def keep(self, answer: Answer) -> Answer:
        """Take over the cookies of an answer, as a browser does, and show it."""
        self.cookies |= answer.cookies
        self.last = answer
        return answer

    def get(self, path: str) -> Answer:
        return self.keep(self.send("GET", path))

    def form(self, **fields: str) -> dict[str, str]:
        """Return the fields of the shown form, filled in."""
        hidden = {"csrf_token": self.last.value("csrf_token")}
        for name in ("ticket", "entry"):
            if f'name="{name}"' in self.last.text:
                hidden[name] = self.last.value(name)
        return hidden | fields

    def press(self, path: str, **fields: str) -> Answer:
        return self.keep(self.send("POST", path, **self.form(**fields)))

    def sign_in(self, email: str) -> Answer:
        self.get("/signin")
        answer = self.press("/signin", email=email, password=PASSWORD)
        return self.get(answer.location) if answer.location else answer

    def press_at_once(self, count: int, path: str, **fields: str) -> list[Answer]:
        """Send the shown form `count` times in the same moment."""
        form = self.form(**fields)
        return at_once([lambda: self.send("POST", path, **form)] * count)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def at_once(acts: list[Callable[[], Answer]]) -> list[Answer]:
    """Do all acts together, released by a barrier; return their answers."""
    barrier, answers = threading.Barrier(len(acts)), []

    def go(act: Callable[[], Answer]) -> None:
        barrier.wait()
        answers.append(act())

    threads = [threading.Thread(target=go, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == len(acts)
    return answers


@contextmanager
def serve(
    instance: Path, database: str = "", threads: str = str(THREADS), **settings: str
) -> Iterator[Server]:
    """Install by the product's own commands and serve by gunicorn until the block ends.

    `settings` are further variables of the environment.
    """
    port = free_port()
    environment = (
        os.environ
        | {
            "ONWARD_INSTANCE": str(instance),
            "ONWARD_DATABASE_URL": database,
            "ONWARD_BASE_URL": f"http://127.0.0.1:{port}",
            "ONWARD_PASSWORD_MEMORY_KIB": "8",
            "ONWARD_PASSWORD_TIME_COST": "1",
            # Requests are to meet behind the hash, not to wait before it.
            "ONWARD_PASSWORD_PLACES": str(2 * THREADS),
            "ONWARD_PASSWORD_WAITERS": str(2 * THREADS),
            # A busy machine is no fault of what is tested.
            "ONWARD_DATABASE_WAIT": "60",
            "ONWARD_DATABASE_WAITERS": str(THREADS),
        }
        | settings
    )
    server = Server(port, environment)
    server.run("init")
    arguments = ["--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    arguments += ["--worker-class", "gthread", "--threads", threads]
    with (instance / "server.log").open("w") as log:
        command = [sys.executable, "-m", "gunicorn", "app:create_app()", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(port)
            server.pid = process.pid
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not come up")
