"""What a mail must satisfy before anybody receives it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from html import escape

from flask import current_app

from mail.message import Message, our_address
from mail.paint import declarations
from mail.reading import Reading, css_support, grade
from mail.samples import RECIPIENT

BYTES = 15_000
CONTRAST = 4.5
"""WCAG 2.2 AA for text (1.4.3)."""
GRADE = 8.0
CODE = re.compile(r"(?<![\w.-])(?:\d{6}|\d{4} ?\d{4})(?![\w-])")
ADDRESS = re.compile(r"https?://[^\s<>\"]+", re.I)
PLACE = re.compile(rf"{ADDRESS.pattern}|\S*@\S+", re.I)
"""An address of a page or of somebody, or the host of a code mail's last line."""
UNFILLED = re.compile(r"\{\{|\}\}|\{%|%\(\w+\)|\[\[|\]\]|\bNone\b|\bundefined\b")
GRACEFUL = {
    # Missing somewhere, and the mail is as good without it.
    "border": "a card without its edge; Outlook draws none around a div",
    "text-align": "left is where text begins anyway",
    "border-radius": "square corners",
    "letter-spacing": "digits closer together",
    "max-width": "as wide as the window",
    "max-height": "the hidden line has no height anyway",
    "overflow": "the hidden line is hidden by display as well",
    "line-height": "the program's own",
    "border-spacing": "there is one cell only",
    "border-collapse": "there is one cell only",
    "font-weight": "bold or not",
    "text-decoration": "an underlined button",
    "display": "a link instead of a button",
    "padding": "a smaller button; cells keep theirs everywhere",
    "margin": "paragraphs keep the program's own",
    "width": "tables keep theirs everywhere",
    "background-color": "the program's own paper, with its own ink",
    "font-size": "the program's own",
    "at-media-prefers-color-scheme": "the program inverts by itself or stays light",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a mail."""

    rule: str
    what: str


def lint(message: Message, base: str = "") -> list[Finding]:
    """Return what is wrong with a mail; an empty list is what is wanted.

    `base` is the address that the mail was written for, where it isn't that of the settings.
    """
    mail, base = message.to(RECIPIENT), base or our_address()
    reading = Reading(mail.html)
    rules: list[Callable[[], Iterator[str]]] = [
        partial(too_big, mail),
        partial(remote, mail, reading),
        partial(facts, mail, reading),
        partial(codes, mail),
        partial(structure, reading),
        partial(contrasts, reading),
        partial(colours, reading),
        partial(unfilled, mail),
        partial(links, mail, reading, base),
        partial(plain_words, mail),
        partial(support, mail, reading),
    ]
    return [Finding(rule.func.__name__, what) for rule in rules for what in rule()]  # type: ignore[attr-defined]  # partial's own


def too_big(mail: Message) -> Iterator[str]:
    size = len(mail.html.encode()) + len(mail.text.encode())
    if size >= BYTES:
        yield f"{size} bytes; less than {BYTES} is wanted"


def remote(mail: Message, reading: Reading) -> Iterator[str]:
    """Nothing is loaded from anywhere: it would tell who reads, and when."""
    yield from (f"loads {source}" for source in reading.sources)
    if re.search(r"url\(|@import|<link|<script|<img|<iframe|<form", mail.html, re.I):
        yield "an element or style that loads or runs something"


def facts(mail: Message, reading: Reading) -> Iterator[str]:
    """The text part says all that the HTML part says."""
    said = " ".join(mail.text.split())
    for text in reading.texts:
        if text.words not in said:
            yield f"only in the HTML part: {text.words!r}"
    yield from (f"only in the HTML part: {link}" for link in reading.links if link not in said)


def codes(mail: Message) -> Iterator[str]:
    """A code mail holds one code-like number, any other mail none; a subject never."""
    # Neither a colour nor an address is typed in anywhere.
    html = re.sub(r"<style.*?</style>|<[^>]*>", " ", mail.html, flags=re.S)
    said = PLACE.sub(" ", f"{mail.text} {html}")
    found = {code.replace(" ", "") for code in CODE.findall(said)}
    wanted = 1 if mail.kind == "verification_code" else 0
    if len(found) != wanted:
        yield f"{len(found)} numbers that look like a code: {sorted(found)}"
    if CODE.search(mail.subject):
        yield "the subject holds a number that looks like a code"


def structure(reading: Reading) -> Iterator[str]:
    if not reading.language:
        yield "no lang"
    if reading.tables_without_role:
        yield f"{reading.tables_without_role} tables without role=presentation"


def contrasts(reading: Reading) -> Iterator[str]:
    for text in reading.texts:
        for scheme, paint in (("light", text.light), ("dark", text.dark)):
            if paint.contrast < CONTRAST:
                yield f"{scheme}: {paint.contrast:.1f} for {text.words[:40]!r}"


def colours(reading: Reading) -> Iterator[str]:
    """Every colour can be read, since no contrast can be told of any other."""
    yield from dict.fromkeys(reading.unread)


def unfilled(mail: Message) -> Iterator[str]:
    for part in (mail.subject, mail.text, mail.html):
        yield from (f"unfilled: {found}" for found in UNFILLED.findall(_without_issuer(part)))


def links(mail: Message, reading: Reading, base: str) -> Iterator[str]:
    """Links lead to us only (S-081)."""
    for link in sorted({*reading.links, *ADDRESS.findall(mail.text)}):
        if link != base and not link.startswith(f"{base}/"):
            yield f"leads off our domain: {link}"


def plain_words(mail: Message) -> Iterator[str]:
    # Names, links and the one term that everything is about make no text hard.
    text = PLACE.sub("", _without_issuer(mail.text)).replace("two-factor authentication", "it")
    needed = grade(re.sub(r"\b[A-Z][\w’'-]*", "", text))
    if needed > GRADE:
        yield f"reading grade {needed:.1f}; at most {GRADE} is wanted"


def _without_issuer(text: str) -> str:
    """Return a text without the product's name, which is its owner's and as odd as they like."""
    issuer = current_app.config["ISSUER"]
    return text.replace(issuer, "Onward").replace(escape(issuer), "Onward")


def support(mail: Message, reading: Reading) -> Iterator[str]:
    """Every style used works in Gmail, Outlook and Apple Mail, or is no loss."""
    known, used = css_support(), {name for name, _ in reading.declarations}
    for rule in re.findall(r"\{([^{}]*)\}", mail.html):
        used |= set(declarations(rule))
    for name in sorted(used):
        lacking = known.get(name, known.get(name.partition("-")[0], {}))
        if lacking and name not in GRACEFUL and name.partition("-")[0] not in GRACEFUL:
            yield f"{name} is not supported by {', '.join(sorted(lacking))}"
