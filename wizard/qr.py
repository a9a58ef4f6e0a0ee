"""The QR code as inline SVG: no route, no data address, no image service (S-051)."""

from typing import Any

from markupsafe import Markup
from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode

QUIET_ZONE = 4
"""Modules of white around it; without them no phone reads it on a dark page."""
MASK = 4
"""Any mask reads; the search for the prettiest of eight is most of what a QR code costs."""


def svg(text: str) -> Markup:
    """Return `text` as a QR code, dark on white, runs of modules merged into one path."""
    code: QRCode[Any] = QRCode(
        error_correction=ERROR_CORRECT_M, border=QUIET_ZONE, mask_pattern=MASK
    )
    code.add_data(text, optimize=0)
    matrix = code.get_matrix()
    path = "".join(_row(y, row) for y, row in enumerate(matrix))
    size = len(matrix)
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {0}" shape-rendering="crispEdges"'
        ' aria-hidden="true" focusable="false"><path fill="#fff" d="M0 0h{0}v{0}H0z"/>'
        '<path fill="#000" d="{1}"/></svg>'
    ).format(size, path)


def _row(y: int, row: list[bool]) -> str:
    """Return the dark runs of one row as rectangles of a path."""
    runs, x = [], 0
    while x < len(row):
        start = x
        while x < len(row) and row[x] == row[start]:
            x += 1
        if row[start]:
            runs.append(f"M{start} {y}h{x - start}v1h-{x - start}z")
    return "".join(runs)
