"""Passwords: argon2id, and which ones are refused (S-190)."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import current_app

SHORTEST = 8
LONGEST = 1000
"""Characters; longer input is refused unread, so that nobody buys CPU with it."""


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


@cache
def _dummy(time_cost: int, memory_kib: int) -> str:
    return _hasher(time_cost, memory_kib).hash("nobody has this password")


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


def matches(stored: str | None, password: str) -> bool:
    """Tell whether the password fits; takes like time when there is nothing stored (S-152)."""
    costs = (
        current_app.config["PASSWORD_TIME_COST"],
        current_app.config["PASSWORD_MEMORY_KIB"],
    )
    known = stored if stored is not None else _dummy(*costs)
    try:
        hasher().verify(known, password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None and len(password) <= LONGEST
