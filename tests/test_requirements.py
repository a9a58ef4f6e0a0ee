"""Every requirement that is cited stands in docs/requirements.md, with tests that exist."""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.test_house import ROOMS, ROOT

LIST = ROOT / "docs" / "requirements.md"
LEFT_OUT = "## Not held, or held otherwise"
NUMBER = re.compile(r"\bS-\d{3}\b")
SHOWN = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
ROW = re.compile(r"\| (S-\d{3}) \| (.+) \| ([^|]+) \|")
NOTHING = "nothing to show"
FOLDERS = (*ROOMS, "docs", "migrations", "static", "templates", "tests")
KINDS = {".css", ".html", ".js", ".md", ".mjs", ".py", ".sh", ".toml", ".txt"}


def rows(text: str) -> list[tuple[str, str, str]]:
    """Return number, sentence and tests of each line of the tables; refuse any other line."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    lines = [line for line in lines if not line.startswith(("| number |", "|---"))]
    found = [ROW.fullmatch(line) for line in lines]
    assert None not in found, [line for line in lines if not ROW.fullmatch(line)]
    return [(row[1], row[2], row[3]) for row in found if row]


def missing(cited: Iterable[str], text: str) -> set[str]:
    """Return the numbers that are cited and stand in no line of the list."""
    return set(cited) - {number for number, _, _ in rows(text)}


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return the names of a file's tests, parametrised or not."""
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def lost(text: str) -> list[str]:
    """Return the tests that are named and do not exist."""
    return [
        f"{path}::{name}"
        for path, name in SHOWN.findall(text)
        if not (ROOT / path).is_file() or name not in names_in(ROOT / path)
    ]


def texts() -> Iterator[Path]:
    """Yield every text of ours: code, templates, documents and tests."""
    yield from (file for file in ROOT.iterdir() if file.suffix in KINDS)
    for folder in FOLDERS:
        files = (ROOT / folder).rglob("*")
        yield from (f for f in files if f.suffix in KINDS and "node_modules" not in f.parts)


def cited() -> dict[str, str]:
    """Return every number that anything of ours cites, and where."""
    return {
        number: str(file.relative_to(ROOT))
        for file in texts()
        if file not in {LIST, Path(__file__)}
        for number in NUMBER.findall(file.read_text("utf-8"))
    }


def test_every_number_that_is_cited_stands_in_the_list() -> None:
    found = cited()
    assert len(found) > 80
    numbers = missing(found, LIST.read_text("utf-8"))
    assert {number: found[number] for number in numbers} == {}


def test_every_number_stands_once_and_in_order() -> None:
    held, _, others = LIST.read_text("utf-8").partition(LEFT_OUT)
    for part in (held, others):
        numbers = [number for number, _, _ in rows(part)]
        assert numbers == sorted(numbers)
    counted = Counter(number for number, _, _ in rows(held + others))
    assert {number for number, count in counted.items() if count > 1} == set()


def test_every_test_that_is_named_exists() -> None:
    assert lost(LIST.read_text("utf-8")) == []


def test_whatever_holds_is_shown_by_a_test_and_told_in_a_sentence() -> None:
    held, _, others = LIST.read_text("utf-8").partition(LEFT_OUT)
    for number, sentence, shown in rows(held):
        assert (number, bool(SHOWN.search(shown))) == (number, True)
        assert (number, sentence.rstrip(")").endswith(".")) == (number, True)
    for number, _, shown in rows(others):
        assert (number, bool(SHOWN.search(shown)) or shown == NOTHING) == (number, True)
    for _, _, shown in rows(held + others):
        assert SHOWN.sub("", shown).strip(", ") in {"", NOTHING}, shown


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("| S-001 | Holds. | `tests/test_gate.py::test_no_such_test` |", "lost"),
        ("| S-001 | Holds. | `tests/test_no_such_file.py::test_every_cell` |", "lost"),
        ("| S-001 | Holds. | `tests/test_gate_table.py::test_every_cell` |", "missing"),
    ],
)
def test_the_checks_can_fail(line: str, fault: str) -> None:
    assert missing(["S-001"], line) == set()
    assert bool(lost(line)) is (fault == "lost")
    assert missing(["S-001", "S-002"], line) == {"S-002"}
    with pytest.raises(AssertionError):
        rows("| S-01 | A number of two digits. | x |")
