"""Passwords: argon2id, and which ones are refused (S-190)."""

from functools import cache

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION
from flask import current_app

SHORTEST = 8
LONGEST = 1000
"""Characters; longer input is refused unread, so that nobody buys CPU with it."""
NOBODYS = f"${'A' * 22}${'A' * 43}"
"""A salt of 16 bytes and a digest of 32 that no password is known to have."""
TAIL = len(NOBODYS)
"""Characters of salt and digest, the same in every hash that is made here."""


class PasswordRefused(ValueError):
    """The password can't be used; the text says why."""


@cache
def _hasher(time_cost: int, memory_kib: int) -> PasswordHasher:
    return PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)


def hasher() -> PasswordHasher:
    """Return the argon2id hasher with the costs of the settings."""
    return _hasher(
        current_app.config["PASSWORD_TIME_COST"],
        current_app.config["PASSWORD_MEMORY_KIB"],
    )


def check_strength(password: str) -> None:
    """Raise PasswordRefused for a password that is short, endless or on the common list."""
    from zxcvbn.frequency_lists import (
        FREQUENCY_LISTS,
    )  # 1 MB of words, needed only here

    if len(password) < SHORTEST:
        raise PasswordRefused(f"A password needs at least {SHORTEST} characters.")
    if len(password) > LONGEST:
        raise PasswordRefused(f"A password has at most {LONGEST} characters.")
    if password.casefold() in set(FREQUENCY_LISTS["passwords"]):
        raise PasswordRefused("Too many people use that password. Choose another one.")


def hashed(password: str) -> str:
    """Return the argon2id hash of a password."""
    return hasher().hash(password)


def kind_of(stored: str) -> str:
    """Return the kind of a hash: everything before salt and digest, with the costs."""
    return stored[:-TAIL]


def kind_of_settings() -> str:
    """Return the kind of the hashes that are made now."""
    costs = hasher()
    return f"$argon2id$v={ARGON2_VERSION}$m={costs.memory_cost},t={costs.time_cost},p=1"


def work_of(kind: str) -> int:
    """Return the blocks of 1 KiB that a hash of this kind computes; 0 if it is no argon2."""
    try:
        costs = extract_parameters(kind + NOBODYS)
    except InvalidHashError:
        return 0
    return costs.memory_cost * costs.time_cost


def is_outdated(stored: str) -> bool:
    """Tell whether the settings ask for other costs than this hash has."""
    return hasher().check_needs_rehash(stored)


def matches(stored: str | None, password: str, kinds: frozenset[str] = frozenset()) -> bool:
    """Tell whether the password fits; None fits nobody.

    A refusal has computed one hash of each of `kinds` and of the stored one's, the
    slowest first, whoever it was for (S-152). They take as long as all kinds together.
    """
    own = kind_of_settings() if stored is None else kind_of(stored)
    for kind in sorted(kinds | {own}, key=lambda kind: (work_of(kind), kind), reverse=True):
        known = kind + NOBODYS if stored is None or kind != own else stored
        if _fits(known, password) and known == stored:
            return len(password) <= LONGEST
    return False


def _fits(stored: str, password: str) -> bool:
    try:
        return hasher().verify(stored, password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
