"""Every sentence can be translated, and none of them says what COPY.md forbids."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import LazyString
from jinja2 import nodes

from factors.refusal import TEXTS
from tests.conftest import uninstalled
from wizard.pages import WHAT_HAPPENED
from wizard.progress import STAGES

ROOT = Path(__file__).parent.parent
TEMPLATES = sorted(f for f in (ROOT / "templates").rglob("*.*") if f.is_file())
SPOKEN = {"aria-label", "alt", "title", "placeholder", "aria-description", "aria-roledescription"}
MARKERS = {"_", "gettext", "lazy_gettext", "ngettext", "pgettext"}
NEVER = [
    r"OTP",
    r"TOTP",
    r"tokens?",
    r"seeds?",
    r"provisioning",
    r"enrol\w*",
    r"invalid",
    r"oops",
    r"forbidden",
    r"something went wrong",
    r"for security reasons",
    r"click here",
    r"dear user",
]
"""The words of COPY.md; "for your safety" with its reason is none of them."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """One application for all: its templates are only read here."""
    return uninstalled(tmp_path_factory.mktemp("words"))


def names(file: Path) -> str:
    return str(file.relative_to(ROOT))


def bare(app: Flask, file: Path) -> str:
    """Return what a template says by itself: expressions become "0", translated text goes."""
    kept, in_trans, previous = [], False, ""
    for _, kind, value in app.jinja_env.lex(file.read_text("utf-8")):
        if kind == "name" and previous == "block_begin" and value in {"trans", "endtrans"}:
            in_trans = value == "trans"
        if kind != "whitespace":
            previous = kind
        if kind == "data" and not in_trans:
            kept.append(value)
        elif kind == "variable_begin" and not in_trans:
            kept.append("0")
    return "".join(kept)


class Speech(HTMLParser):
    """Collects what a page says to people: text, and attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        for name, value in attrs:
            is_spoken = name in SPOKEN or (name.startswith("data-") and " " in (value or ""))
            if is_spoken and not (value or "").startswith("#"):
                self.said.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside not in {"style", "script"}:
            self.said.append(data)


def untranslated(app: Flask, file: Path) -> list[str]:
    """Return what a template says, and no catalogue of texts would hold."""
    said = [bare(app, file)]
    if file.suffix == ".html":
        speech = Speech()
        speech.feed(said[0])
        speech.close()
        said = speech.said
    return [text.strip() for text in said if re.search(r"[^\W\d_]", text)]


@pytest.mark.parametrize("file", TEMPLATES, ids=names)
def test_a_template_says_nothing_that_cannot_be_translated(app: Flask, file: Path) -> None:
    assert untranslated(app, file) == []


def test_the_search_for_untranslated_texts_finds_them(app: Flask, tmp_path: Path) -> None:
    sample = tmp_path / "sample.html"
    sample.write_text(
        '<p title="One">{{ _("not this") }} two<b data-say="three four">{{ x }}</b></p>'
        "{% trans %}nor this{% endtrans %}{% if x %}five{% endif %}"
    )
    assert untranslated(app, sample) == ["One", "0 two", "three four", "five"]


@pytest.mark.parametrize("file", TEMPLATES, ids=names)
def test_a_template_computes_no_sentence_out_of_bare_text(app: Flask, file: Path) -> None:
    tree = app.jinja_env.parse(file.read_text("utf-8"))
    marked = {
        id(argument)
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in MARKERS
        for argument in call.args
    }
    bare_texts = [c.value for c in tree.find_all(nodes.Const) if id(c) not in marked]
    sentence = re.compile(r"[A-Za-z]{2,} [a-z]+ [a-z]+")
    assert [t for t in bare_texts if isinstance(t, str) and sentence.search(t)] == []


def test_every_reason_is_told_in_the_language_of_the_reader() -> None:
    assert len(TEXTS) > 20
    assert {type(text) for text in TEXTS.values()} == {LazyString}
    assert {type(text) for text in WHAT_HAPPENED.values()} == {LazyString}
    stages = [text for stage in STAGES.values() for _, text in stage]
    assert {type(text) for text in stages} == {LazyString}


def template_messages(app: Flask) -> Iterator[tuple[str, str]]:
    for file in TEMPLATES:
        tree = app.jinja_env.parse(file.read_text("utf-8"))
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in MARKERS:
                for argument in call.args:
                    if isinstance(argument, nodes.Const) and isinstance(argument.value, str):
                        yield names(file), argument.value


def code_messages() -> Iterator[tuple[str, str]]:
    rooms = ("accounts", "admin", "factors", "mail", "wizard")
    for file in [*ROOT.glob("*.py"), *(f for room in rooms for f in (ROOT / room).glob("*.py"))]:
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            if call.func.id in MARKERS:
                count = call.func.id == "ngettext"  # its third argument is a number
                for argument in call.args[: -1 if count else None]:
                    assert isinstance(argument, ast.Constant), names(file)
                    yield names(file), str(argument.value)


@pytest.fixture
def messages(app: Flask) -> list[tuple[str, str]]:
    found = [*template_messages(app), *code_messages()]
    assert len(found) > 150
    return found


@pytest.mark.parametrize("word", NEVER)
def test_no_sentence_holds(messages: list[tuple[str, str]], word: str) -> None:
    pattern = re.compile(rf"\b{word}\b", re.I)
    assert [said for said in messages if pattern.search(said[1])] == []


def test_nothing_near_a_code_field_makes_a_browser_offer_a_credit_card(
    messages: list[tuple[str, str]],
) -> None:
    """Browsers take "security code" beside a short number for the back of a card."""
    pattern = re.compile(r"\b(security code|card|cvc|cvv|csc)\b", re.I)
    assert [said for said in messages if pattern.search(said[1])] == []
    for file in TEMPLATES:
        fields = re.findall(r"<(?:input|label)[^>]*>", file.read_text("utf-8"))
        assert [field for field in fields if pattern.search(field)] == []


def test_a_message_has_no_value_pasted_into_it(messages: list[tuple[str, str]]) -> None:
    """A translator can move "%(name)s", but not "%s" or "{}"."""
    assert [said for said in messages if re.search(r"%[sd]|\{\w*\}", said[1])] == []


def test_texts_use_the_typographic_signs_of_print(messages: list[tuple[str, str]]) -> None:
    plain = [(name, re.sub(r"<[^>]*>", "", said)) for name, said in messages]
    assert [said for said in plain if re.search(r"\w'\w|\"|\.\.\.", said[1])] == []
