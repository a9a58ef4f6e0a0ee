"""Which ink and which paper an element of a mail has, by its styles."""

import re
from dataclasses import dataclass

from mail.colour import TRANSPARENT, Colour, NoColour, contrast, read

DARK = re.compile(
    r"@media[^{}]*prefers-color-scheme:\s*dark[^{}]*\{((?:[^{}]*\{[^{}]*\})*)\s*\}", re.I
)
SIMPLE = re.compile(r"\.?[\w-]+")
"""A class or an element by its name: what the dark scheme's rules are written for."""
INK, PAPER, SHORT = "color", "background-color", "background"
OUTER = {INK: {"inherit", "currentcolor"}, PAPER: {"inherit"}, SHORT: {"none", "inherit"}}
"""Words for what the element around it has; a paper that is none lets it through."""


def declarations(style: str) -> dict[str, str]:
    """Return the properties of a style attribute or of one rule."""
    style = re.sub(r"/\*.*?\*/", " ", style, flags=re.S)
    pairs = (part.partition(":") for part in style.split(";") if ":" in part)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


@dataclass(frozen=True)
class Paint:
    """The ink and the paper that text has in one scheme; only the ink can be seen through."""

    ink: Colour
    paper: Colour

    @property
    def contrast(self) -> float:
        """Return what of the ink can be told from the paper, 1 to 21."""
        return contrast(self.ink, self.paper)

    def within(self, style: dict[str, str], unread: list[str]) -> "Paint":
        """Return the paint of an element inside; add to `unread` what is not a colour."""
        ink, paper = self.ink, TRANSPARENT
        for name in (INK, PAPER, SHORT):
            if name in style and style[name].lower() not in OUTER[name]:
                try:
                    colour = _read(name, style[name], ink)
                except NoColour:
                    unread.append(f"{name}: {style[name]} is not a colour that the lint can read")
                    continue
                ink, paper = (colour, paper) if name == INK else (ink, colour)
        return Paint(ink, paper.over(self.paper))


def _read(name: str, value: str, ink: Colour) -> Colour:
    if value.lower() == "currentcolor":
        return ink
    if name != SHORT:
        return read(value)
    # The short form may hold more than the colour: an image, where it begins, how it repeats.
    for part in re.findall(r"[^\s()]+(?:\([^()]*\))?", value):
        try:
            return read(part)
        except NoColour:
            continue
    raise NoColour(value)


@dataclass(frozen=True)
class Rule:
    """One rule of the dark scheme: a class or an element, and its styles."""

    selector: str
    style: dict[str, str]

    def over(self, style: dict[str, str]) -> dict[str, str]:
        """Return an element's own styles, with those of this rule that win over them."""
        won = {name: value for name, value in self.style.items() if _is_important(value)}
        free = {name: value for name, value in self.style.items() if name not in style}
        changed = {name: plain(value) for name, value in {**free, **won}.items()}
        if changed.keys() & {PAPER, SHORT}:
            style = {name: value for name, value in style.items() if name not in {PAPER, SHORT}}
        return {**style, **changed}


def dark_rules(html: str, unread: list[str]) -> list[Rule]:
    """Return the rules of the dark scheme; add to `unread` those for other selectors."""
    found = []
    for block in DARK.findall(html):
        for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", block):
            style = declarations(body)
            for selector in (one.strip() for one in selectors.split(",")):
                if SIMPLE.fullmatch(selector):
                    found.append(Rule(selector, style))
                elif style.keys() & {INK, PAPER, SHORT}:
                    unread.append(f"{selector} is not a selector that the lint can read")
    return found


def plain(value: str) -> str:
    """Return a value without its weight."""
    return re.sub(r"\s*!\s*important$", "", value, flags=re.I)


def _is_important(value: str) -> bool:
    return plain(value) != value
