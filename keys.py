"""The key ring: seals secrets, peppers codes, and derives every other key.

Three keys of 256 bits, never in the database (S-161), from files in
`instance/keys/` or from the environment (ONWARD_KEY_SEAL, ONWARD_KEY_PEPPER,
ONWARD_KEY_SIGNING, each 64 hexadecimal digits).
"""

import hmac
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import Flask, current_app

NAMES = ("seal-1", "pepper", "signing")
KEY_BYTES = 32
NONCE_BYTES = 12
PRINT_DIGITS = 16
"""Hexadecimal digits of a fingerprint."""


class KeysMissing(RuntimeError):
    """A key is missing or short; the text says which and what to do."""


class SealBroken(RuntimeError):
    """A sealed value does not open: altered, moved to another place, or of another key."""


class KeyRing:
    """The keys of one installation, held only in memory."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._sealers = {n[5:]: AESGCM(k) for n, k in keys.items() if n.startswith("seal-")}
        self._newest = max(self._sealers, key=int)
        self._pepper = keys["pepper"]
        self._signing = keys["signing"]
        self.prints = {name: _print(key) for name, key in keys.items()}
        """What a database remembers its keys by; tells nothing of them."""
        self._derived: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"<KeyRing seal-{self._newest}>"

    def seal(self, plain: bytes, place: tuple[str, ...]) -> str:
        """Return `plain` encrypted and bound to its place and key (S-160).

        A place is the column, the row's random id and its owner: `SealedModel` composes it.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._sealers[self._newest].encrypt(nonce, plain, _bound(place, self._newest))
        return f"{self._newest}:{urlsafe_b64encode(nonce + sealed).decode('ascii')}"

    def unseal(self, sealed: str, place: tuple[str, ...]) -> bytes:
        """Return what was sealed for this place. Raises SealBroken if it was not."""
        key_id, _, text = sealed.partition(":")
        try:
            raw = urlsafe_b64decode(text)
            sealer = self._sealers[key_id]
            return sealer.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound(place, key_id))
        except (KeyError, ValueError, InvalidTag):
            raise SealBroken(f"{place[0]} does not open") from None

    def pepper(self, *parts: bytes) -> bytes:
        """Return a digest that can't be guessed with the database alone (S-061)."""
        return hmac.digest(self._pepper, _framed(parts), "sha256")

    def derive(self, purpose: str) -> bytes:
        """Return the 256-bit key that serves this purpose and no other (S-121)."""
        if purpose not in self._derived:
            self._derived[purpose] = hmac.digest(self._signing, purpose.encode(), "sha256")
        return self._derived[purpose]

    def mac(self, purpose: str, *parts: bytes) -> bytes:
        """Return a digest of `parts` under the key of `purpose`."""
        return hmac.digest(self.derive(purpose), _framed(parts), "sha256")


def _print(key: bytes) -> str:
    """Return the fingerprint of a key: 64 bits, of a random key of 256."""
    return hmac.digest(key, b"fingerprint", "sha256").hex()[:PRINT_DIGITS]


def _bound(place: tuple[str, ...], key_id: str) -> bytes:
    return _framed([part.encode() for part in (*place, key_id)])


def _framed(parts: tuple[bytes, ...] | list[bytes]) -> bytes:
    """Join parts so that no two lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def token() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def token_hash(text: str) -> str:
    """Return what is stored of a token: enough to recognise it, useless to a reader."""
    return sha256(text.encode()).hexdigest()


def load(folder: Path, environ: Mapping[str, str] | None = None) -> KeyRing:
    """Return the key ring from the environment or `folder`; raise KeysMissing."""
    return KeyRing({name: _stored(name, folder, environ) for name in NAMES})


def missing(folder: Path, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the names of the keys that are missing or can't be used."""
    return [name for name in NAMES if not _is_usable(name, folder, environ)]


def _is_usable(name: str, folder: Path, environ: Mapping[str, str] | None) -> bool:
    try:
        _stored(name, folder, environ)
    except KeysMissing:
        return False
    return True


def seal_keys(folder: Path, environ: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """Return the keys that seal, by their numbers; raise KeysMissing.

    Migrations that seal anew call this, and a landed migration is never edited.
    """
    sealing = [name for name in NAMES if name.startswith("seal-")]
    return {name[5:]: _stored(name, folder, environ) for name in sealing}


def _stored(name: str, folder: Path, environ: Mapping[str, str] | None) -> bytes:
    environ = os.environ if environ is None else environ
    variable = f"ONWARD_KEY_{name.partition('-')[0].upper()}"
    file = folder / f"{name}.key"
    stored = file.read_text("ascii", "replace") if file.is_file() else ""
    return _parse(name, environ.get(variable) or stored)


def _parse(name: str, text: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) < KEY_BYTES:
        raise KeysMissing(
            f"The key {name!r} is missing, short or not hexadecimal. "
            "Restore the folder of keys from your backup. "
            "Only for a new installation: flask --app app init makes new ones."
        )
    return key


def make(folder: Path, names: Iterable[str] = NAMES) -> list[str]:
    """Make those keys that `folder` lacks, readable by their owner only; return their names."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = []
    for name in names:
        try:
            handle = os.open(folder / f"{name}.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
        made.append(name)
    return made


def ring() -> KeyRing:
    """Return the key ring of the running application."""
    return ring_of(current_app)


def ring_of(app: Flask) -> KeyRing:
    """Return the key ring of `app`, loaded at its first use."""
    if "onward-keys" not in app.extensions:
        app.extensions["onward-keys"] = load(Path(app.instance_path) / "keys")
    return cast(KeyRing, app.extensions["onward-keys"])
