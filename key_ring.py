"""KeyRing: seals secrets, peppers codes, and derives every other key.

The newest key of a purpose makes; each one opens and verifies (S-162).
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import key_files
from key_files import PURPOSES

NONCE_BYTES = 12
PRINT_DIGITS = 16
"""Hexadecimal digits of a fingerprint."""


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
