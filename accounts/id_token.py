"""The ID token: signature, issuer, audience, times and nonce, then what it says (S-180).

Algorithms are fixed here, never taken from the token or the provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ClaimError, JoseError
from joserfc.jwk import Key, KeySet
from joserfc.jws import JWSRegistry, extract_compact

import addresses
import bounds
from providers import Provider

ALGORITHMS = ["RS256", "PS256", "ES256"]
LEEWAY = 60
"""Seconds by which the provider's clock may differ from ours."""


class Registry(JWSRegistry):
    """What is read at all."""

    max_header_length = 8 * 1024


REGISTRY = Registry(algorithms=ALGORITHMS, strict_check_header=False)


class SsoFault(Exception):
    """A provider's answer is not good enough; one word says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownKey(SsoFault):
    """The token is signed with a key that the provider's key set does not hold."""


@dataclass(frozen=True)
class Claims:
    """What a provider says of a person, checked."""

    subject: str
    is_enough: bool
    """Whether what the operator demands of a sign-in there was done, if anything is."""
    met_demand: bool
    """Whether something is demanded, and was done."""
    auth_time: int | None
    has_email: bool
    email: str | None
    """In canonical form, and only if the provider has verified it."""
    name: str

    def with_person(self, provider: Provider, told: Mapping[str, Any]) -> "Claims":
        """Return them with the email and name of another answer for the same person."""
        email = _email(provider, told)
        return replace(self, has_email="email" in told, email=email, name=_name(told, email))


def read(
    provider: Provider, token: Mapping[str, Any], keys: Mapping[str, Any], nonce: str, at: datetime
) -> Claims:
    """Return the claims of the token response's ID token, or raise SsoFault."""
    text = token.get("id_token")
    if not isinstance(text, str):
        raise SsoFault("answer")
    opened = _opened(text, keys)
    said = dict(opened.claims)
    found = CodeIDToken(
        said,
        opened.header,
        {
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": provider.client_id},
            "nonce": {"essential": True, "value": nonce},
        },
        {"nonce": nonce, "client_id": provider.client_id, "access_token": token["access_token"]}
        if isinstance(token.get("access_token"), str)
        else {"nonce": nonce, "client_id": provider.client_id},
    )
    try:
        found.validate(now=int(at.timestamp()), leeway=LEEWAY)
    except ClaimError as error:
        raise SsoFault(str(error.claim)) from error
    if said["aud"] not in (provider.client_id, [provider.client_id]):
        raise SsoFault("aud")  # a token for others too could be theirs to replay
    subject, auth_time = said["sub"], said.get("auth_time")
    if not isinstance(subject, str) or not bounds.is_line(subject, bounds.SUBJECT):
        raise SsoFault("sub")
    is_enough = _is_enough(provider, said)
    return Claims(
        subject=subject,
        is_enough=is_enough,
        met_demand=is_enough and provider.demands,
        auth_time=auth_time if type(auth_time) is int else None,
        has_email=False,
        email=None,
        name="",
    ).with_person(provider, said)


def _opened(text: str, keys: Mapping[str, Any]) -> jwt.Token:
    """Return the token if one of the keys has signed it."""
    try:
        header = extract_compact(text.encode(), registry=REGISTRY).headers()
    except (JoseError, ValueError) as error:
        raise SsoFault("answer") from error
    if header.get("alg") not in ALGORITHMS:
        raise SsoFault("alg")
    wanted = header.get("kid")
    fitting = [key for key in _signing(keys) if wanted is None or key.kid == wanted]
    if not fitting:
        raise UnknownKey("key")
    for key in fitting:
        try:
            return jwt.decode(text, key, registry=REGISTRY)
        except (JoseError, ValueError):
            continue
    raise SsoFault("signature")


def _signing(keys: Mapping[str, Any]) -> list[Key]:
    """Return the public keys that may sign; what is no such key is passed over."""
    listed = keys.get("keys")
    fit = [
        one
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
        and one.get("kty") in {"RSA", "EC"}
        and one.get("use", "sig") == "sig"
    ]
    found: list[Key] = []
    for one in fit:
        try:
            found += KeySet.import_key_set({"keys": [one]}).keys
        except (JoseError, ValueError, KeyError, TypeError):
            continue
    return found


def _is_enough(provider: Provider, said: Mapping[str, Any]) -> bool:
    """Tell whether the demanded `amr` and `acr` are there; absent means no (S-182)."""
    methods = said.get("amr")
    given = {one for one in methods if isinstance(one, str)} if isinstance(methods, list) else set()
    if not given.issuperset(provider.require_amr):
        return False
    return not provider.require_acr or said.get("acr") in provider.require_acr


def _email(provider: Provider, said: Mapping[str, Any]) -> str | None:
    """Return the email if it is one and verified: absent, false or "yes" is not."""
    verified, claim = said.get(provider.email_verified_claim), provider.email_verified_claim
    # Claims that are not of the standard are numbers or texts with some providers.
    also = () if claim == "email_verified" else (1, "1", "true")
    if verified is not True and verified not in also:
        return None
    try:
        return addresses.canonical(str(said["email"]))
    except (addresses.AddressRefused, KeyError):
        return None


def _name(said: Mapping[str, Any], email: str | None) -> str:
    name = said.get("name")
    if isinstance(name, str) and bounds.is_line(name.strip(), bounds.NAME):
        return name.strip()
    return (email or "").partition("@")[0]
