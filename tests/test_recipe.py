"""CONTRIBUTING's recipe for a new mail, followed word by word in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.test_house import ROOT

QUIET = {"PYTEST_ADDOPTS": "", "PYTEST_XDIST_WORKER": ""}


def recipe() -> dict[str, str]:
    """Return what the recipe says to write, by file."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    part = text.partition("### A new mail, step by step")[2].partition("\n## ")[0]
    found = re.findall(r"(?:At the end of|In) `([^`]+)`:\n\n```\w+\n(.*?)```", part, re.S)
    assert len(found) == 3, part
    return dict(found)


def files(folder: Path) -> dict[str, bytes]:
    left = {"__pycache__", ".pytest_cache"}
    kept = (f for f in folder.rglob("*") if f.is_file() and not left & set(f.parts))
    return {
        str(f.relative_to(folder)): f.read_bytes() for f in kept if ".pytest_cache" not in f.parts
    }


def test_the_recipe_for_a_new_mail_touches_what_it_names(tmp_path: Path) -> None:
    copy = tmp_path / "onward"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "demo", "node_modules")
    shutil.copytree(ROOT, copy, ignore=ignored)
    before = files(copy)

    def run(*command: str, **more: str) -> str:
        environment = os.environ | QUIET | {"ONWARD_INSTANCE": str(tmp_path / "none")} | more
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for name, text in recipe().items():
        with (copy / name).open("a", encoding="utf-8") as file:
            file.write("\n\n" + text if name.endswith(".py") else text)
    tests = ("pytest", "-p", "no:cacheprovider", "-q", "tests/test_mail_room.py")
    run(*tests, "-k", "stored", ONWARD_SNAPSHOTS="1")
    run(*tests, "-k", "name_changed or function or template or stored")
    linted = run("flask", "--app", "app", "mail", "lint")

    assert " 0 findings." in linted
    after = files(copy)
    assert {name for name in after if after[name] != before.get(name)} == {
        "mail/messages.py",
        "templates/mail/name_changed.html",
        "templates/mail/name_changed.txt",
        "tests/mails/name_changed.txt",
    }
    assert "We call you by another name now." in (copy / "tests/mails/name_changed.txt").read_text(
        "utf-8"
    )
