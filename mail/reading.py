"""What a mail says, read as a mail program and as a person read it."""

import json
import re
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "br", "hr", "img", "link", "input"}
BLOCKS = {"p", "h1", "h2", "div", "td", "li", "a"}
SILENT = {"style", "title", "head", "script"}


@dataclass
class Text:
    """Some text with the colours it has in the light and in the dark scheme."""

    words: str
    light: tuple[str, str]
    dark: tuple[str, str]


@dataclass
class _Element:
    name: str
    light: tuple[str, str]
    dark: tuple[str, str]
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

    def __post_init__(self) -> None:
        super().__init__()
        self._dark = _dark_rules(self.html)
        white = ("#000000", "#ffffff")
        self._open = [_Element("", white, white, hidden=False)]
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
            self._open.append(self._element(tag, given.get("class", "").split(), style))

    def _element(self, tag: str, classes: list[str], style: dict[str, str]) -> _Element:
        outer = self._open[-1]
        light = _painted(outer.light, style)
        dark = _painted(outer.dark, style)
        for name in classes:
            dark = _painted(dark, self._dark.get(name, {}))
        hidden = outer.hidden or tag in SILENT or style.get("display") == "none"
        return _Element(tag, light, dark, hidden)

    def handle_endtag(self, tag: str) -> None:
        while len(self._open) > 1 and self._open.pop().name != tag:
            pass

    def handle_data(self, data: str) -> None:
        words, here = " ".join(data.split()), self._open[-1]
        if words and not here.hidden:
            self.texts.append(Text(words, here.light, here.dark))


def _painted(colours: tuple[str, str], style: dict[str, str]) -> tuple[str, str]:
    ink = style.get("color", colours[0]).removesuffix("!important").strip()
    paper = style.get("background-color", colours[1]).removesuffix("!important").strip()
    return ink, paper


def declarations(style: str) -> dict[str, str]:
    """Return the properties of a style attribute or of one rule."""
    pairs = (part.partition(":") for part in style.split(";") if ":" in part)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _dark_rules(html: str) -> dict[str, dict[str, str]]:
    found = re.search(r"@media \(prefers-color-scheme: dark\) \{(.*?\})\s*\}", html, re.S)
    rules = re.findall(r"\.([\w-]+) \{([^}]*)\}", found.group(1)) if found else []
    return {name: declarations(body) for name, body in rules}


def contrast(ink: str, paper: str) -> float:
    """Return the contrast of two #rrggbb colours (WCAG 2.2, relative luminance)."""
    one, other = sorted((_luminance(ink), _luminance(paper)), reverse=True)
    return (one + 0.05) / (other + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


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
