"""The provider's side of SSO: discovery, code exchange, and every check of its answer (S-180).

Whatever a provider does, it costs a bounded time and size, and ends in Claims
or in an SsoFault with one word. No redirect is followed.
"""

import time
from datetime import datetime
from functools import partial
from typing import Any

import requests
from authlib.integrations.requests_client import OAuth2Session
from flask import current_app, g, url_for

from accounts import id_token
from accounts.id_token import Claims, SsoFault
from accounts.sso_kept import faults, memory
from accounts.sso_limits import Bounded
from accounts.sso_trip import Secrets
from providers import Provider
from web_address import is_secure

SECONDS = 8
"""How long all requests of one visit to us may take together."""
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
DISCOVERY = "/.well-known/openid-configuration"


def _session(provider: Provider, method: str | None = None) -> OAuth2Session:
    """Return a client for the requests of one visit."""
    session = OAuth2Session(
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        token_endpoint_auth_method=method,
        redirect_uri=callback_address(provider),
        scope=" ".join(provider.scopes),
        code_challenge_method="S256",
    )
    session.max_redirects = 0
    limits = Bounded(g.setdefault("sso_ends", time.monotonic() + SECONDS))
    session.mount("https://", limits)
    session.mount("http://", limits)
    return session


def callback_address(provider: Provider) -> str:
    """Return where the provider sends people back to."""
    base = str(current_app.config["BASE_URL"]).rstrip("/")
    return base + url_for("sso.callback", provider_id=provider.id)


def authorization_address(provider: Provider, secrets: Secrets, at: datetime, *, anew: bool) -> str:
    """Return where to send the browser; `anew` asks for a sign-in there and then (S-183)."""
    session = _session(provider)
    with faults():
        endpoint = _metadata(provider, session, at)["authorization_endpoint"]
        extra = {"prompt": "login", "max_age": "0"} if anew else {}
        if provider.require_acr:
            extra["acr_values"] = " ".join(provider.require_acr)
        address, _ = session.create_authorization_url(
            endpoint,
            state=secrets.state,
            code_verifier=secrets.verifier,
            nonce=secrets.nonce,
            **extra,
        )
        return str(address)


def sign_out_address(provider: Provider, at: datetime) -> str | None:
    """Return where the provider signs people out, if it does and can be reached."""
    try:
        with faults():
            endpoint = _metadata(provider, _session(provider), at).get("end_session_endpoint")
    except SsoFault:
        return None
    if not is_secure(endpoint):
        return None
    base = str(current_app.config["BASE_URL"]).rstrip("/")
    query = {
        "client_id": provider.client_id,
        "post_logout_redirect_uri": base + url_for("signin.show"),
    }
    return requests.Request("GET", endpoint, params=query).prepare().url


def answer(
    provider: Provider, code: str, sent_issuer: str | None, secrets: Secrets, at: datetime
) -> tuple[Claims, str | None]:
    """Exchange the code; return the checked claims, and the access token for more of them."""
    with memory().exchanging(), faults():
        session = _session(provider)
        metadata = _metadata(provider, session, at, waits=True)
        must_say = metadata.get("authorization_response_iss_parameter_supported") is True
        if sent_issuer != provider.issuer and (sent_issuer is not None or must_say):
            raise SsoFault("issuer")  # RFC 9207: the answer of another provider
        methods = metadata.get("token_endpoint_auth_methods_supported") or []
        session.token_endpoint_auth_method = (
            "client_secret_post" if "client_secret_post" in methods else "client_secret_basic"
        )
        token = session.fetch_token(
            metadata["token_endpoint"],
            grant_type="authorization_code",
            code=code,
            code_verifier=secrets.verifier,
        )
        keys = memory().of(provider.id, "keys")
        fetch = partial(_get, session, metadata["jwks_uri"])
        try:
            kept = keys.get(at, fetch, waits=True)
            claims = id_token.read(provider, token, kept, secrets.nonce, at)
        except id_token.UnknownKey:
            # The provider may have changed its keys since: look once, then give up.
            kept = keys.get(at, fetch, anew=True, waits=True)
            claims = id_token.read(provider, token, kept, secrets.nonce, at)
        access = token.get("access_token")
        return claims, access if isinstance(access, str) else None


def more_claims(provider: Provider, claims: Claims, access: str | None, at: datetime) -> Claims:
    """Return the claims with those of the userinfo endpoint, for ID tokens without an email."""
    with memory().exchanging(), faults():
        session = _session(provider)
        endpoint = str(_metadata(provider, session, at, waits=True).get("userinfo_endpoint"))
        if access is None or not is_secure(endpoint):
            return claims
        told = _get(session, endpoint, {"Authorization": f"Bearer {access}"})
        if told.get("sub") != claims.subject:
            raise SsoFault("subject")
        return claims.with_person(provider, told)


def _metadata(
    provider: Provider, session: OAuth2Session, at: datetime, *, waits: bool = False
) -> dict[str, Any]:
    """Return the discovery document, checked: exactly this issuer, addresses that may be asked."""

    def fetch() -> dict[str, Any]:
        found = _get(session, provider.issuer.rstrip("/") + DISCOVERY)
        if found.get("issuer") != provider.issuer:
            raise SsoFault("issuer")
        if not all(is_secure(found.get(name)) for name in ENDPOINTS):
            raise SsoFault("unavailable")
        return found

    return memory().of(provider.id, "discovery").get(at, fetch, waits=waits)


def _get(
    session: OAuth2Session, address: str, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return the JSON object at an address."""
    if not is_secure(address):
        raise SsoFault("unavailable")
    answer = session.get(address, withhold_token=True, headers=headers)
    found = answer.json()
    if answer.status_code != 200 or not isinstance(found, dict):
        raise SsoFault("unavailable")
    return found
