"""Makes a screenshot small: its few colours become a palette. Knows Chromium's PNG only."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256


def slim(png: bytes) -> bytes:
    """Return the picture with at most 256 colours, the rarer ones as their nearest."""
    chunks = list(_chunks(png))
    width, height = struct.unpack(">II", dict(chunks)[b"IHDR"][:8])
    raw = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    rows = [[row[x : x + 3] for x in range(0, 3 * width, 3)] for row in _rows(raw, 3 * width)]
    counted = Counter(pixel for row in rows for pixel in row)
    palette = [colour for colour, _ in counted.most_common(COLOURS)]
    place = {colour: palette.index(_nearest(colour, palette)) for colour in counted}
    packed = b"".join(b"\0" + bytes(place[pixel] for pixel in row) for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = [(b"IHDR", header), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(packed, 9))]
    return SIGNATURE + b"".join(_chunk(*part) for part in [*parts, (b"IEND", b"")])


def _nearest(colour: bytes, palette: list[bytes]) -> bytes:
    def distance(other: bytes) -> int:
        return sum((a - b) ** 2 for a, b in zip(colour, other, strict=True))

    return min(palette, key=distance)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += size + 12


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(raw: bytes, stride: int) -> Iterator[bytes]:
    """Undo the filters of 8-bit RGB rows (PNG specification, 9.2)."""
    above = bytes(stride)
    for start in range(0, len(raw), stride + 1):
        row = bytearray(raw[start + 1 : start + 1 + stride])
        for x in range(stride):
            left, corner = (row[x - 3], above[x - 3]) if x >= 3 else (0, 0)
            row[x] = (row[x] + _guess(raw[start], left, above[x], corner)) & 255
        above = bytes(row)
        yield above


def _guess(kind: int, left: int, above: int, corner: int) -> int:
    if kind < 4:
        return (0, left, above, (left + above) // 2)[kind]
    near = left + above - corner
    return min((left, above, corner), key=lambda value: abs(near - value))
