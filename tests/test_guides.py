"""The guides, followed word by word, end with an owner who signs in and administers.

What is run is read out of docs/deploy.md and the README; only the folders are others.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from app import create_app
from db import db
from tests.person import PASSWORD, HttpsClient, Person
from tests.test_house import ROOT

BIN = Path(sys.executable).parent
OWNER = "ann@example.org"


def section(document: str, heading: str) -> str:
    """Return the text below a heading, up to the next one."""
    text = (ROOT / document).read_text("utf-8")
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def code(text: str, beginning: str) -> list[str]:
    """Return the lines of code that begin so."""
    return re.findall(rf"^ {{4}}({beginning}.*)$", text, re.M)


def run(command: str, **settings: str) -> str:
    """Run what the guide says to type, by the shell; return what is printed."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("ONWARD_")}
    done = subprocess.run(
        ["sh", "-ec", command],
        cwd=ROOT,
        env=plain | settings,
        input=f"{PASSWORD}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


class Machine:
    """A folder in the place of the machine that the guide sets up."""

    def __init__(self, folder: Path) -> None:
        self.instance, self.env, self.bin = folder / "srv", folder / "env", folder / "bin"
        self.instance.mkdir(mode=0o700)
        self.bin.mkdir()

    def moved(self, text: str) -> str:
        """Return a text of the guide with the folders of this machine."""
        for there, here in (
            ("/srv/onward", self.instance),
            ("/etc/onward/env", self.env),
            ("/opt/onward", ROOT),
            (".venv/bin", BIN),
        ):
            text = text.replace(there, str(here))
        return text

    def follow_the_guide(self) -> str:
        """Do sections 2 and 3 of docs/deploy.md; return what the commands print."""
        settings = code(section("docs/deploy.md", "2. Settings"), "ONWARD_")
        self.env.write_text(self.moved("\n".join(settings)) + "\n")
        script = self.bin / "onward"
        script.write_text(self.moved((ROOT / "deploy" / "onward").read_text("utf-8")))
        script.chmod(0o755)
        return "".join(self.onward(line) for line in self.commands())

    def commands(self) -> list[str]:
        lines = code(section("docs/deploy.md", "3. Install, then look"), "sudo -u onward onward")
        return [line.removeprefix("sudo -u onward ") for line in lines]

    def onward(self, command: str) -> str:
        return run(command, PATH=f"{self.bin}:{os.environ['PATH']}")

    def follow_the_readme(self) -> str:
        """Do what the README says in short; return what the commands print."""
        lines = code(section("README.md", "Deploy"), r"(?:export|\.venv/bin/flask) ")
        return run(self.moved("\n".join(lines)))

    def settings(self) -> dict[str, str]:
        """Return what the guide has set."""
        lines = code(section("docs/deploy.md", "2. Settings"), "ONWARD_")
        if not self.env.exists():
            lines = code(section("README.md", "Deploy"), "export ")
        words = [word for line in lines for word in shlex.split(self.moved(line))]
        pairs = [word.partition("=") for word in words if word != "export"]
        return {name: value for name, _, value in pairs}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("guide", [Machine.follow_the_guide, Machine.follow_the_readme])
def test_following_it_ends_with_an_owner_who_administers(
    machine: Machine, guide: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = guide(machine)

    assert f"Added {OWNER}." in printed
    assert printed.count("\nok ") >= 7
    assert "FAULT" not in printed
    # Every organisation has an owner; the guide's mail server is only an example.
    assert re.findall(r"^note +(.*?) takes no mails: ", printed, re.M) == [
        "mail server smtp.example.org:587"
    ]
    assert printed.count("\nnote ") == 1, printed

    for name, value in machine.settings().items():
        monkeypatch.setenv(name, value)
    app = create_app()
    assert app.config["BASE_URL"] == HttpsClient.address
    app.test_client_class = HttpsClient
    ann = Person(app, OWNER)
    assert ann.visit("/admin/people").heading == "Sign in"
    assert ann.press("/signin", email=OWNER, password=PASSWORD).heading == (
        "Set up two-factor authentication"
    )
    ann.set_up()
    assert ann.visit("/admin/people").heading == "People"
    assert "Ann" in ann.page.words
    with app.app_context():
        db.engine.dispose()


def test_the_commands_of_the_guide_are_all_there(machine: Machine) -> None:
    named = [" ".join(line.split()[1:3]) for line in machine.commands()]
    assert named == ["init", "organisation add", "account add", "doctor", "account role"]


def test_its_script_reads_the_settings_from_any_folder(machine: Machine) -> None:
    """Without them a command would look at the wrong database, or at none."""
    machine.follow_the_guide()
    for command in ("onward remind --dry-run", "onward doctor"):
        assert "FAULT" not in machine.onward(f"cd / && {command}")
    assert "1 would be reminded." in machine.onward("cd / && onward remind --dry-run")


def test_no_guide_says_that_soft_does_nothing() -> None:
    for document in ("README.md", "docs/deploy.md", "docs/administration.md"):
        text = (ROOT / document).read_text("utf-8")
        assert "does nothing yet" not in text
        # A job that runs a command in the folder of the code alone has no settings.
        assert not re.search(r"^ {4}[*\d].*flask --app app", text, re.M), document
