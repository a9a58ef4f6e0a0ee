"""What a rendered mail still needs: styles where mail programs read them, no stray blanks."""

import re
from functools import cache

from css_inline import CSSInliner


@cache
def _inliner() -> CSSInliner:
    # The dark scheme is a media query: it has to stay where it is.
    return CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def styled(html: str) -> str:
    """Return the mail with its style sheet written into its elements.

    Gmail and others drop style sheets in some places, never a style attribute.
    """
    return re.sub(r"\n\s*\n+", "\n", _inliner().inline(html))


def tidy(text: str) -> str:
    """Return a text part without blanks at line ends and without runs of empty lines."""
    lines = "\n".join(line.strip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip() + "\n"
