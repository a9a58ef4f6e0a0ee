"""What a mail says, read as a mail program and as a person read it."""

import json
import re
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from mail.colour import BLACK, WHITE
from mail.paint import INK, PAPER, Paint, dark_rules, declarations, plain

VOID = {"meta", "br", "hr", "img", "link", "input"}
BLOCKS = {"p", "h1", "h2", "div", "td", "li", "a"}
SILENT = {"style", "title", "head", "script"}


@dataclass
class Text:
    """Some text with its paint in the light and in the dark scheme."""

    words: str
    light: Paint
    dark: Paint


@dataclass
class _Element:
    name: str
    light: Paint
    dark: Paint
    hidden: bool


@dataclass
class Reading(HTMLParser):
    """A mail's HTML: its texts with their colours, links, tables and style declarations."""

    html: str
    texts: list[Text] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    tables_without_role: int = 0
    language: str = ""
    declarations: set[tuple[str, str]] = field(default_factory=set)
    unread: list[str] = field(default_factory=list)
    """Colours and rules that the lint can't read, so that it can't tell what is seen."""

    def __post_init__(self) -> None:
        super().__init__()
        self._dark = dark_rules(self.html, self.unread)
        usual = Paint(BLACK, WHITE)
        self._open = [_Element("", usual, usual, hidden=False)]
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        style = declarations(given.get("style", ""))
        self.declarations |= set(style.items())
        if tag == "html":
            self.language = given.get("lang", "")
        if tag == "table" and given.get("role") != "presentation":
            self.tables_without_role += 1
        if tag == "a":
            self.links.append(given.get("href", ""))
        self.sources += [given[name] for name in ("src", "srcset", "background") if name in given]
        if tag not in VOID:
            self._open.append(self._element(tag, given, style))

    def _element(self, tag: str, given: dict[str, str], style: dict[str, str]) -> _Element:
        outer = self._open[-1]
        # Old attributes paint as well, where no style does.
        old = {PAPER: given.get("bgcolor"), INK: given.get("color") if tag == "font" else None}
        style = {
            **{name: value for name, value in old.items() if value},
            **{name: plain(value) for name, value in style.items()},
        }
        dark, names = style, {tag, *(f".{name}" for name in given.get("class", "").split())}
        for rule in self._dark:
            dark = rule.over(dark) if rule.selector in names else dark
        hidden = outer.hidden or tag in SILENT or style.get("display") == "none"
        light_paint = outer.light.within(style, self.unread)
        return _Element(tag, light_paint, outer.dark.within(dark, self.unread), hidden)

    def handle_endtag(self, tag: str) -> None:
        while len(self._open) > 1 and self._open.pop().name != tag:
            pass

    def handle_data(self, data: str) -> None:
        words, here = " ".join(data.split()), self._open[-1]
        if words and not here.hidden:
            self.texts.append(Text(words, here.light, here.dark))


def grade(text: str) -> float:
    """Return the school grade that a text needs (Flesch and Kincaid), syllables estimated."""
    sentences = [s for s in re.split(r"[.!?:]+(?:\s|$)", text) if re.search(r"[a-z]", s, re.I)]
    words = re.findall(r"[A-Za-z’'-]+", text)
    if not words or not sentences:
        return 0.0
    syllables = sum(max(1, len(re.findall(r"[aeiouy]+", word.lower()))) for word in words)
    return 0.39 * len(words) / len(sentences) + 11.8 * syllables / len(words) - 15.59


@cache
def css_support() -> dict[str, dict[str, dict[str, str]]]:
    """Return where each style property is missing (n) or partial (a), by mail program.

    Data of caniemail.com, kept as a file so that the lint needs no network.
    """
    file = Path(__file__).with_name("css_support.json")
    found: dict[str, dict[str, dict[str, str]]] = json.loads(file.read_text("utf-8"))["unsupported"]
    return found
