"""The cookies of Onward: their names, attributes and the session in one of them.

The session cookie holds the sign-in's token, the CSRF value and `next`,
nothing else. `__Host-` and Secure exactly if the base URL is https.
"""

from typing import Any

from flask import Flask, Response, current_app, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import URLSafeTimedSerializer
from werkzeug.wrappers import Request

import keys

SESSION_COOKIE = "onward"
DEVICE_COOKIE = "device"
DEVICE_DAYS = 30


HEALTH = ("/health", "/health/ready")
STATIC = "/static/"


class OneCookieSession(SecureCookieSessionInterface):
    """Flask's signed session, which two cookies of one name leave empty (S-113).

    Static files and `/health` have none: they are the same for everybody.
    """

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer:
        """Return what reads cookies by every signing key and writes by the newest (S-162)."""
        how = {"key_derivation": self.key_derivation, "digest_method": self.digest_method}
        return URLSafeTimedSerializer(
            app.secret_key or "", salt=self.salt, serializer=self.serializer, signer_kwargs=how
        )

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if _has_no_session(request.path):
            return self.session_class()
        if len(request.cookies.getlist(self.get_cookie_name(app))) > 1:
            return self.session_class()
        return super().open_session(app, request)  # type: ignore[arg-type]  # Flask's own request

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        # Not even "Vary: Cookie": a cache would keep a copy for each visitor.
        if not _has_no_session(request.path):
            super().save_session(app, session, response)


def _has_no_session(path: str) -> bool:
    return path.startswith(STATIC) or path in HEALTH


class Application(Flask):
    """Flask whose secret keys come from the key ring when they are needed."""

    session_interface = OneCookieSession()

    @property
    def secret_key(self) -> list[bytes]:  # type: ignore[override]  # Flask reads it from the config
        """Every key of the session, the newest last: Flask-WTF signs and verifies by them, too."""
        return keys.ring_of(self).derived("session")


def configuration(secure: bool) -> dict[str, Any]:
    """Return Flask's cookie settings."""
    return {
        "SESSION_COOKIE_NAME": f"__Host-{SESSION_COOKIE}" if secure else SESSION_COOKIE,
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_PATH": "/",
        "SESSION_REFRESH_EACH_REQUEST": False,
    }


def device_cookie() -> str:
    """Return the name of the cookie that tells one browser of a person from another."""
    return (
        f"__Host-{DEVICE_COOKIE}" if current_app.config["SESSION_COOKIE_SECURE"] else DEVICE_COOKIE
    )


def set_device(response: Response, token: str) -> None:
    """Let the browser keep `token` for 30 days, out of reach of scripts."""
    response.set_cookie(
        device_cookie(),
        token,
        max_age=DEVICE_DAYS * 24 * 3600,
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
        path="/",
    )


def device_token(request: Request) -> str | None:
    """Return the device token that the browser sent, if it sent exactly one."""
    sent = request.cookies.getlist(device_cookie())
    return sent[0] if len(sent) == 1 else None
