"""The demo that `make run` starts: four people, their passwords, and a server to try them."""

import json
import os
import re
import socket
import sqlite3
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlencode

import pytest

from tests.person import app_code

ROOT = Path(__file__).parent.parent
FLASK = Path(sys.executable).parent / "flask"
PATIENCE_SECONDS = 60
SITUATIONS = {
    "alice@example.com": "must set up",
    "bob@example.com": "may set up",
    "carol@example.com": "already set up, with the key",
    "dora@example.com": "administrator, already set up, with the key",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(instance: Path, port: int) -> dict[str, str]:
    """What `make run` sets."""
    return os.environ | {
        "ONWARD_INSTANCE": str(instance),
        "ONWARD_ISSUER": "Onward Demo",
        "ONWARD_BASE_URL": f"http://127.0.0.1:{port}",
    }


class Demo:
    """A demo that serves, and what it has printed."""

    def __init__(self, printed: str, url: str) -> None:
        self.printed, self.url = printed, url
        rows = re.findall(r"^(\S+@\S+) (\S+) (.+)$", printed, re.M)
        self.people = {email: (password, situation) for email, password, situation in rows}

    @property
    def key(self) -> str:
        return self.key_of("carol@example.com")

    def key_of(self, email: str) -> str:
        return str(self.people[email][1].rsplit(" ", 1)[1])


@contextmanager
def running(instance: Path) -> Iterator[Demo]:
    """Run the demo; its output goes to a file, where only what is flushed can be read."""
    port = free_port()
    output = instance.parent / "printed.txt"
    with output.open("w") as out:
        process = subprocess.Popen(
            [str(FLASK), "--app", "app", "demo", "--port", str(port)],
            cwd=ROOT,
            env=environment(instance, port),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        end = monotonic() + PATIENCE_SECONDS
        while not answers(url):
            assert process.poll() is None, output.read_text()
            assert monotonic() < end, output.read_text()
            sleep(0.05)
        yield Demo(output.read_text(), url)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.read() == b"alive\n")
    except OSError:
        return False


class Browser:
    """A browser without script, over a real connection."""

    def __init__(self, url: str) -> None:
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self.url, self.opener = url, urllib.request.build_opener(cookies)
        self.text = ""

    def send(self, path: str, **fields: str) -> str:
        """Open a page, or post the shown page's form; return the heading that comes."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.text)
        data = None
        if fields and token:
            data = urlencode(fields | {"csrf_token": token[1]}).encode()
        with self.opener.open(self.url + path, data, timeout=30) as answer:
            self.text = unescape(answer.read().decode())
        heading = re.search(r"<h1[^>]*>(.*?)</h1>", self.text, re.S)
        return heading[1].strip() if heading else ""


def sign_in(demo: Demo, email: str) -> tuple[Browser, str]:
    browser = Browser(demo.url)
    browser.send("/signin")
    return browser, browser.send("/signin", email=email, password=demo.people[email][0])


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "instance"


@pytest.fixture(scope="module")
def demo(instance: Path) -> Iterator[Demo]:
    with running(instance) as demo:
        yield demo


def test_it_prints_a_line_for_each_person_and_the_address(demo: Demo) -> None:
    lines = [line for line in demo.printed.splitlines() if "@example.com " in line]

    assert len(lines) == 4
    assert [line.split()[0] for line in lines] == list(SITUATIONS)
    for line, (email, situation) in zip(lines, SITUATIONS.items(), strict=True):
        assert re.match(rf"{email} [\w-]{{12}} {situation}", line)
    assert f"Onward serves {demo.url} " in demo.printed
    assert "Mails are caught in" in demo.printed
    assert "Traceback" not in demo.printed
    assert len({password for password, _ in demo.people.values()}) == 4


@pytest.mark.parametrize(
    ("email", "heading"),
    [
        ("alice@example.com", "Set up two-factor authentication"),
        ("bob@example.com", "Two-factor authentication"),
        ("carol@example.com", "Enter your code"),
        ("dora@example.com", "Enter your code"),
    ],
)
def test_each_person_signs_in_and_meets_their_situation(
    demo: Demo, email: str, heading: str
) -> None:
    assert sign_in(demo, email)[1] == heading


def test_the_printed_key_computes_a_code_that_signs_in(demo: Demo) -> None:
    assert re.fullmatch(r"[A-Z2-7]{32}", demo.key)
    browser, heading = sign_in(demo, "carol@example.com")
    assert heading == "Enter your code"

    assert browser.send("/signin/code", code=app_code(demo.key)) == "Two-factor authentication"
    assert "Carol Cook" in browser.text
    assert "10 of 10 left" in browser.text


def administers(demo: Demo) -> str:
    """Sign in as the administrator with the printed key; return the heading of her page."""
    key = demo.key_of("dora@example.com")
    assert re.fullmatch(r"[A-Z2-7]{32}", key)
    browser, heading = sign_in(demo, "dora@example.com")
    assert heading == "Enter your code"
    browser.send("/signin/code", code=app_code(key))
    return browser.send("/admin/people")


def test_the_administrator_comes_in_with_her_printed_key(demo: Demo) -> None:
    assert administers(demo) == "People"
    assert demo.key_of("dora@example.com") != demo.key


def test_the_file_of_its_passwords_is_private(demo: Demo, instance: Path) -> None:
    assert stat.S_IMODE((instance / "demo-people.json").stat().st_mode) == 0o600


def sign_ins(instance: Path) -> int:
    with closing(sqlite3.connect(instance / "onward.sqlite")) as connection:
        return int(connection.execute("SELECT count(*) FROM sign_ins").fetchone()[0])


def test_a_second_run_keeps_everything_and_prints_the_same_people(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    with running(instance) as first:
        sign_in(first, "bob@example.com")
        count = sign_ins(instance)
    with running(instance) as second:
        assert second.people == first.people
        assert len(second.people) == 4
        assert "Made the key" in first.printed
        assert "Made the key" not in second.printed
        assert sign_ins(instance) == count == 1
        assert sign_in(second, "bob@example.com")[1] == "Two-factor authentication"


def of_before(instance: Path, has_set_up: bool) -> Demo:
    """Make a demo of before: its administrator has no key in it, and perhaps an app of her own."""
    with running(instance) as made:
        pass
    file = instance / "demo-people.json"
    stored = json.loads(file.read_text("utf-8"))
    stored[3] |= {"situation": "administrator", "key": ""}
    file.write_text(json.dumps(stored), "utf-8")
    if not has_set_up:
        change(instance, "DELETE FROM authenticators WHERE account_id = 4")
        change(instance, "DELETE FROM backup_codes WHERE account_id = 4")
        change(instance, "UPDATE accounts SET records_issued = 2 WHERE id = 4")
    return made


def change(instance: Path, statement: str) -> None:
    with closing(sqlite3.connect(instance / "onward.sqlite")) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_demo_of_before_goes_on_with_its_administrator_set_up(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    before = of_before(instance, has_set_up=False)

    with running(instance) as demo:
        assert administers(demo) == "People"
    with running(instance) as again:
        assert again.people == demo.people

    old, new = before.people["dora@example.com"], demo.people["dora@example.com"]
    assert (new[0], new[1].rsplit(" ", 1)[0]) == (old[0], SITUATIONS["dora@example.com"])
    assert demo.people | {"dora@example.com": old} == before.people
    with closing(sqlite3.connect(instance / "onward.sqlite")) as connection:
        labels = connection.execute("SELECT label FROM authenticators WHERE account_id = 4")
        assert labels.fetchall() == [("dora@example.com #3",)]
    assert stat.S_IMODE((instance / "demo-people.json").stat().st_mode) == 0o600


def test_an_administrator_of_before_who_has_set_up_keeps_her_app(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    before = of_before(instance, has_set_up=True)

    with running(instance) as demo:
        password, situation = demo.people["dora@example.com"]
        assert (password, situation) == (before.people["dora@example.com"][0], "administrator")
        demo.people = before.people
        assert administers(demo) == "People"


def test_a_taken_port_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = subprocess.run(
            [str(FLASK), "--app", "app", "demo", "--port", str(port)],
            cwd=ROOT,
            env=environment(tmp_path / "instance", port),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    assert ended.returncode == 1
    expected = f"Error: Port {port} is taken. Choose another one: make run PORT={port + 1}\n"
    assert ended.stderr == expected
    assert list(tmp_path.iterdir()) == []


def test_make_run_calls_the_demo_with_its_own_folder_and_port() -> None:
    recipe = (ROOT / "Makefile").read_text("utf-8")
    assert "$(BIN)/flask --app app demo --port $(PORT)" in recipe
    assert "ONWARD_INSTANCE=$${ONWARD_INSTANCE:-instance/demo}" in recipe
    assert "http://127.0.0.1:$(PORT)" in recipe
