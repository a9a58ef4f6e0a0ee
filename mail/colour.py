"""Colours as the styles of a mail write them, and how well one is read on another.

Names, hex, `rgb()` and `hsl()` in both their syntaxes: CSS Color Module Level 4, sections 4
to 7. Mail programs know no other form well enough.
"""

import json
import re
from colorsys import hls_to_rgb
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HEX = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]*)\)")
AMOUNT = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:e[+-]?[0-9]{1,2})?)(%|[a-z]*)")
TURNS = {"": 360.0, "deg": 360.0, "grad": 400.0, "rad": 6.283185307179586, "turn": 1.0}
"""How many of a unit make a whole turn."""


class NoColour(ValueError):
    """A text is no colour, or one of a form that mails should not use."""


@dataclass(frozen=True)
class Colour:
    """A colour of sRGB, each part from 0 to 1."""

    red: float
    green: float
    blue: float
    alpha: float = 1.0

    def over(self, paper: "Colour") -> "Colour":
        """Return what is seen of it on an opaque paper."""
        seen = (
            self.alpha * mine + (1 - self.alpha) * below
            for mine, below in zip(
                (self.red, self.green, self.blue), (paper.red, paper.green, paper.blue), strict=True
            )
        )
        return Colour(*seen)

    @property
    def luminance(self) -> float:
        """Relative luminance (WCAG 2.2)."""
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
            for part in (self.red, self.green, self.blue)
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue


BLACK = Colour(0, 0, 0)
WHITE = Colour(1, 1, 1)
TRANSPARENT = Colour(0, 0, 0, 0)


def contrast(ink: Colour, paper: Colour) -> float:
    """Return the contrast of an ink on an opaque paper (WCAG 2.2), 1 to 21."""
    one, other = sorted((ink.over(paper).luminance, paper.luminance), reverse=True)
    return (one + 0.05) / (other + 0.05)


def read(text: str) -> Colour:
    """Return the colour that a style names. Raises NoColour."""
    if not text.isascii():
        raise NoColour(text)
    text = text.strip().lower()
    if text == "transparent":
        return TRANSPARENT
    text = _names().get(text, text)
    if HEX.fullmatch(text):
        digits = text[1:] if len(text) > 5 else "".join(digit * 2 for digit in text[1:])
        return Colour(*(int(digits[i : i + 2], 16) / 255 for i in range(0, len(digits), 2)))
    function = FUNCTION.fullmatch(text)
    if function is None:
        raise NoColour(text)
    is_old, parts, alpha = _arguments(function.group(2))
    red, green, blue = _rgb(parts, is_old) if function.group(1) == "rgb" else _hsl(parts, is_old)
    return Colour(red, green, blue, _share(alpha, 1))


def _arguments(inside: str) -> tuple[bool, list[str], str]:
    """Return whether commas part them (the older syntax), the three parts, and the alpha."""
    is_old = "," in inside
    if is_old:
        parts = [part.strip() for part in inside.split(",")]
        alpha = parts.pop() if len(parts) == 4 else "1"
    else:
        before, slash, after = inside.partition("/")
        parts, alpha = before.split(), after.strip() if slash else "1"
    if len(parts) != 3:
        raise NoColour(inside)
    # Only the newer syntax knows `none`; it counts as nothing of that part.
    return is_old, parts if is_old else ["0" if part == "none" else part for part in parts], alpha


def _rgb(parts: list[str], is_old: bool) -> tuple[float, float, float]:
    if is_old and len({part.endswith("%") for part in parts}) > 1:
        raise NoColour(", ".join(parts))
    red, green, blue = (_share(part, 255) for part in parts)
    return red, green, blue


def _hsl(parts: list[str], is_old: bool) -> tuple[float, float, float]:
    if is_old and not (parts[1].endswith("%") and parts[2].endswith("%")):
        raise NoColour(", ".join(parts))
    number, unit = _amount(parts[0])
    if unit not in TURNS:
        raise NoColour(parts[0])
    saturation, lightness = (_share(part, 100) for part in parts[1:])
    red, green, blue = hls_to_rgb(number / TURNS[unit] % 1, lightness, saturation)
    return _within(red), _within(green), _within(blue)


def _share(text: str, whole: float) -> float:
    """Return a percentage, or a number of a whole, as a share from 0 to 1."""
    number, unit = _amount(text)
    if unit not in {"", "%"}:
        raise NoColour(text)
    return _within(number / (100 if unit else whole))


def _amount(text: str) -> tuple[float, str]:
    found = AMOUNT.fullmatch(text)
    if found is None or len(text) > 40:  # nobody writes that; a float would be infinite
        raise NoColour(text)
    return float(found.group(1)), found.group(2)


def _within(share: float) -> float:
    return min(1.0, max(0.0, share))


@cache
def _names() -> dict[str, str]:
    file = Path(__file__).with_name("css_colours.json")
    names: dict[str, str] = json.loads(file.read_text("utf-8"))["names"]
    return names
