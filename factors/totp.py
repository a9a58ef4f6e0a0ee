"""Time-based one-time passwords (RFC 6238): arguments in, values out.

SHA-1, 6 digits, 30 seconds and no other: several authenticator apps ignore
anything else silently (S-021).
"""

import base64
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha1
from struct import Struct
from urllib.parse import quote

import pyotp

STEP_SECONDS = 30
DIGITS = 6
SECRET_BYTES = 20
"""160 bits, as RFC 4226 section 4 (R6) recommends (S-020)."""
TOLERANCE = 1
"""Steps before and after the present one that pass (RFC 6238 section 5.2; S-023)."""


def new_secret() -> str:
    """Return a fresh secret in base32 without padding."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def step_at(at: datetime) -> int:
    """Return the number of the time step that holds the moment `at` (RFC 6238 section 4.2)."""
    return int(at.timestamp()) // STEP_SECONDS


def matching_step(secret: str, code: str, at: datetime) -> int | None:
    """Return the accepted time step whose code this is, or None.

    `code` is six ASCII digits, already cleaned. All steps are computed and
    compared in constant time, whichever matches.
    """
    hotp, now, found = pyotp.HOTP(secret), step_at(at), None
    for step in range(now - TOLERANCE, now + TOLERANCE + 1):
        if hmac.compare_digest(hotp.at(step), code):
            found = step
    return found


def search(secret: str, code: str, steps: Iterable[int]) -> int | None:
    """Return the first of many time steps whose code this is, or None.

    For diagnosis only: what it finds is never accepted. HMAC-SHA1 (RFC 2104)
    with both padded keys hashed once, since thousands of steps are looked at.
    """
    key = base64.b32decode(secret).ljust(64, b"\0")
    inner, outer = (
        sha1(bytes(byte ^ pad for byte in key), usedforsecurity=False).copy for pad in (0x36, 0x5C)
    )
    wanted, pack, unpack = int(code), Struct(">Q").pack, Struct(">I").unpack_from
    for step in steps:
        first, last = inner(), outer()
        first.update(pack(step))
        last.update(first.digest())
        digest = last.digest()
        # Truncation of RFC 4226 section 5.3.
        if (unpack(digest, digest[19] & 15)[0] & 0x7FFFFFFF) % 1_000_000 == wanted:
            return step
    return None


def provisioning_uri(secret: str, issuer: str, label: str) -> str:
    """Return the otpauth address that a QR code carries (Key URI Format; S-022).

    Issuer and label are percent-encoded with nothing left out: pyotp leaves
    "/" raw. Defaults are left out, which keeps the QR code coarse.
    """
    name = f"{quote(issuer, safe='')}:{quote(label, safe='')}"
    return f"otpauth://totp/{name}?secret={secret}&issuer={quote(issuer, safe='')}"


def grouped(secret: str) -> str:
    """Return the secret in groups of four, as people type it."""
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
