"""What people type into a code field, cleaned once before anything compares it."""

import re

_SPACES = re.compile(r"[\s\u2010-\u2015\u2212-]+")
MAX_TYPED = 100
"""Characters beyond which nothing that was typed can be a code."""


def digits(typed: str | None) -> str:
    """Return what was typed without spaces and dashes (S-027)."""
    return _SPACES.sub("", (typed or "")[:MAX_TYPED])


def is_code(cleaned: str, length: int) -> bool:
    """Tell whether it is `length` ASCII digits; other scripts' digits are not."""
    return len(cleaned) == length and cleaned.isascii() and cleaned.isdigit()
