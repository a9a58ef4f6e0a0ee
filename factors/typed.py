"""What people type into a code field, cleaned and looked at once before anything compares it."""

import re
from dataclasses import dataclass, field

from factors.refusal import Refusal

_SPACES = re.compile(r"[\s\u2010-\u2015\u2212-]+")
MAX_TYPED = 100
"""Characters beyond which nothing that was typed can be a code."""


@dataclass(frozen=True)
class Shape:
    """How a kind of code looks, and what is said of anything else."""

    digits: int
    empty: str
    length: str
    letters: str
    others: dict[int, str] = field(default_factory=dict)
    """Lengths by which a code of another kind shows."""

    def refusal(self, typed: str | None) -> Refusal | None:
        """Return why this can't be such a code at all, or None if it can."""
        code = digits(typed)
        if not code:
            return Refusal(self.empty)
        if not (code.isascii() and code.isdigit()):
            return Refusal(self.letters)
        if len(code) == self.digits:
            return None
        reason = self.others.get(len(code))
        return Refusal(reason) if reason else Refusal(self.length, {"n": len(code)})


APP = Shape(6, "empty", "length", "letters", {8: "looks_like_backup"})
BACKUP = Shape(8, "backup_empty", "backup_length", "backup_letters", {6: "looks_like_app"})
EMAIL = Shape(6, "email_empty", "length", "letters", {8: "looks_like_backup_not_mail"})


def digits(typed: str | None) -> str:
    """Return what was typed without spaces and dashes (S-027)."""
    return _SPACES.sub("", (typed or "")[:MAX_TYPED])
