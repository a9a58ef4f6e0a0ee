"""The key ring: seals secrets, peppers codes, and derives every other key.

Three purposes with a key of 256 bits each, or several by number: made is with the newest,
opened and verified with each (S-162). Never in the database (S-161): see key_files.py.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from time import monotonic, time_ns
from typing import NamedTuple, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import Flask, current_app

import key_files
from key_files import KEY_BYTES, NAMES, PURPOSES, KeysMissing, make, missing

__all__ = ["KEY_BYTES", "NAMES", "PURPOSES", "KeysMissing", "make", "missing"]
NONCE_BYTES = 12
PRINT_DIGITS = 16
"""Hexadecimal digits of a fingerprint."""
RING, LOOK = "onward-keys", "onward-keys-look"
AGAIN = 60
"""Seconds after which the folder is read again although it looks the same."""
SETTLED = 10**9
"""Nanoseconds: a folder that changed less than that ago may change again within one tick."""


class SealBroken(RuntimeError):
    """A sealed value does not open: altered, moved to another place, or of another key."""


class KeyRing:
    """The keys of one installation, held only in memory."""

    def __init__(self, keys: Mapping[str, bytes], retired: Mapping[str, bytes] | None = None):
        """`retired` keys open what they sealed once; nothing is made with them."""
        self._keys: dict[str, dict[int, bytes]] = {purpose: {} for purpose in PURPOSES}
        for name, key in keys.items():
            purpose, number = key_files.parts(name)
            self._keys[purpose][number] = key
        self._newest = {purpose: max(held) for purpose, held in self._keys.items()}
        self.prints = {name: _print(key) for name, key in keys.items()}
        """What a database remembers its keys by; tells nothing of them."""
        self.retired_prints = {name: _print(key) for name, key in (retired or {}).items()}
        for name, key in (retired or {}).items():
            purpose, number = key_files.parts(name)
            self._keys[purpose].setdefault(number, key)
        self._sealers = {str(n): AESGCM(key) for n, key in self._keys["seal"].items()}
        self._derived: dict[tuple[str, int], bytes] = {}

    def __repr__(self) -> str:
        return f"<KeyRing seal-{self.newest('seal')}>"

    def newest(self, purpose: str) -> int:
        """Return the number of the key that makes."""
        return self._newest[purpose]

    def numbers(self, purpose: str) -> list[int]:
        """Return the numbers of all keys of a purpose, the newest first."""
        return sorted(self._keys[purpose], reverse=True)

    def seal(self, plain: bytes, place: tuple[str, ...]) -> str:
        """Return `plain` encrypted and bound to its place and key (S-160).

        A place is the column, the row's random id and its owner: `SealedModel` composes it.
        """
        nonce, key_id = secrets.token_bytes(NONCE_BYTES), str(self.newest("seal"))
        sealed = self._sealers[key_id].encrypt(nonce, plain, _bound(place, key_id))
        return f"{key_id}:{urlsafe_b64encode(nonce + sealed).decode('ascii')}"

    def unseal(self, sealed: str, place: tuple[str, ...]) -> bytes:
        """Return what was sealed for this place. Raises SealBroken if it was not."""
        key_id, _, text = sealed.partition(":")
        try:
            raw = urlsafe_b64decode(text)
            sealer = self._sealers[key_id]
            return sealer.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound(place, key_id))
        except (KeyError, ValueError, InvalidTag):
            raise SealBroken(f"{place[0]} does not open") from None

    def pepper(self, *parts: bytes, number: int | None = None) -> bytes:
        """Return a digest that can't be guessed with the database alone (S-061).

        Under the newest key, or the one of that number. Raises SealBroken if there is none.
        """
        key = self._keys["pepper"].get(number or self.newest("pepper"))
        if key is None:
            raise SealBroken(f"the key {key_files.name_of('pepper', number or 1)} is unknown")
        return hmac.digest(key, _framed(parts), "sha256")

    def peppers(self, *parts: bytes) -> list[bytes]:
        """Return the digests under every key, the newest first."""
        return [self.pepper(*parts, number=number) for number in self.numbers("pepper")]

    def derive(self, purpose: str, number: int | None = None) -> bytes:
        """Return the 256-bit key that serves this purpose and no other (S-121).

        Of the newest signing key, or of the one with that number.
        """
        which = purpose, number or self.newest("signing")
        if which not in self._derived:
            signing = self._keys["signing"][which[1]]
            self._derived[which] = hmac.digest(signing, purpose.encode(), "sha256")
        return self._derived[which]

    def derived(self, purpose: str) -> list[bytes]:
        """Return the keys of a purpose as itsdangerous wants them: the last one signs."""
        return [self.derive(purpose, number) for number in reversed(self.numbers("signing"))]

    def mac(self, purpose: str, *parts: bytes, number: int | None = None) -> bytes:
        """Return a digest of `parts` under the key of `purpose`."""
        return hmac.digest(self.derive(purpose, number), _framed(parts), "sha256")

    def macs(self, purpose: str, *parts: bytes) -> list[bytes]:
        """Return the digests under every key, the newest first: one of them was made here."""
        return [self.mac(purpose, *parts, number=number) for number in self.numbers("signing")]


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


def load(folder: Path, environ: Mapping[str, str] | None = None, *, old: bool = False) -> KeyRing:
    """Return the key ring from the environment or `folder`; raise KeysMissing.

    With `old` it also opens what retired keys sealed.
    """
    aside = key_files.retired(folder) if old else {}
    return KeyRing(key_files.stored(folder, environ), aside)


def seal_keys(folder: Path, environ: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """Return the keys that seal, by their numbers, retired ones too; raise KeysMissing.

    Migrations that seal anew call this, and a landed migration is never edited.
    """
    every = key_files.retired(folder) | key_files.stored(folder, environ)
    named = {key_files.parts(name): key for name, key in every.items()}
    return {str(number): key for (purpose, number), key in named.items() if purpose == "seal"}


class Look(NamedTuple):
    """One look at the folder of keys."""

    changed: int
    """When the folder changed last, in nanoseconds; 0: it may still be changing."""
    at: float


def ring() -> KeyRing:
    """Return the key ring of the running application."""
    return ring_of(current_app)


def ring_of(app: Flask) -> KeyRing:
    """Return the key ring of `app`, read at its first use and whenever the folder changes.

    So a request that follows an answer made with a newer key knows that key, too.
    """
    if RING not in app.extensions:
        return _read(app)
    last: Look | None = app.extensions.get(LOOK)
    if last is not None and _is_over(last, app):
        return anew(app)
    return cast(KeyRing, app.extensions[RING])


def ring_with(purpose: str, number: str) -> KeyRing:
    """Return the ring that has a key; if none of them is known, after one more look."""
    held = ring()
    is_unknown = number.isdecimal() and int(number) not in held.numbers(purpose)
    return anew(current_app) if is_unknown and LOOK in current_app.extensions else held


def anew(app: Flask) -> KeyRing:
    """Read the folder; while it can't be used the ring that is held goes on."""
    try:
        return _read(app)
    except KeysMissing as error:
        app.logger.error("the keys can't be read anew: %s", error)
        return cast(KeyRing, app.extensions[RING])


def hold(app: Flask, held: KeyRing) -> None:
    """Let `app` use this ring and none from its folder."""
    app.extensions[RING] = held
    app.extensions.pop(LOOK, None)


def _read(app: Flask) -> KeyRing:
    changed = _changed(app)  # before it is read: what comes meanwhile is seen the next time
    look = Look(changed if time_ns() - changed > SETTLED else 0, monotonic())
    if RING in app.extensions:
        app.extensions[LOOK] = look
    found = load(_folder(app))
    app.extensions[RING], app.extensions[LOOK] = found, look
    return found


def _is_over(last: Look, app: Flask) -> bool:
    return last.changed != _changed(app) or monotonic() - last.at > AGAIN


def _changed(app: Flask) -> int:
    try:
        return _folder(app).stat().st_mtime_ns
    except OSError:
        return -1


def _folder(app: Flask) -> Path:
    return Path(app.instance_path) / "keys"
