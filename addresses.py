"""The one canonical form of a mail address.

Every address passes here once, where it enters; what is stored, compared and
written to is the canonical form, never what was typed (S-072, S-073).
"""

import unicodedata

from email_validator import EmailNotValidError, validate_email

MAX_LENGTH = 254
"""Characters of an address (RFC 5321 section 4.5.3.1.3)."""


class AddressRefused(ValueError):
    """What was typed is no mail address that we can write to."""


def canonical(typed: str) -> str:
    """Return the canonical form: NFKC, lower case, ASCII local part, A-label domain.

    An international domain is kept as its A-label ("xn--…"), so that a
    look-alike never reads like the real one. Raises AddressRefused.
    """
    text = unicodedata.normalize("NFKC", typed).strip().removesuffix(".")
    if len(text) > MAX_LENGTH:
        raise AddressRefused("too long")
    try:
        found = validate_email(
            text,
            allow_smtputf8=False,
            check_deliverability=False,
            strict=True,
            test_environment=True,
        )
    except EmailNotValidError as error:
        raise AddressRefused(str(error)) from None
    address = (found.ascii_email or "").casefold()
    if len(address) > MAX_LENGTH:
        raise AddressRefused("too long")  # an A-label is longer than what was typed
    return address


def same_mailbox(one: str, other: str) -> bool:
    """Tell whether two canonical addresses reach one mailbox, "+tag" left out."""
    return _without_tag(one) == _without_tag(other)


def _without_tag(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def masked(address: str) -> str:
    """Return the address as it may be shown: first letter and domain."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
