"""A file of comma-separated values, sent as it is read and safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime

from flask import Response, stream_with_context

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that a spreadsheet would compute."""
LINES = 500
"""Lines that are sent at once."""


def download(name: str, header: Iterable[object], rows: Iterable[Iterable[object]]) -> Response:
    """Answer with a file whose lines are written while they are read."""
    disposition = f'attachment; filename="{name}.csv"'
    return Response(
        stream_with_context(_written(header, rows)),
        content_type="text/csv; charset=utf-8; header=present",
        headers={"Content-Disposition": disposition},
    )


def _written(header: Iterable[object], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    paper = io.StringIO()
    writer = csv.writer(paper)
    writer.writerow([cell(value) for value in header])
    for number, row in enumerate(rows, 1):
        writer.writerow([cell(value) for value in row])
        if number % LINES == 0:
            yield paper.getvalue()
            paper.seek(0)
            paper.truncate()
    yield paper.getvalue()


def cell(value: object) -> str:
    """Return a value as text that is never a formula."""
    if value is None:
        return ""
    text = value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) or text.startswith(FORMULA) else text
