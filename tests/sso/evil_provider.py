"""An OpenID provider of our own that can do one thing wrong at a time, on loopback."""

import hmac
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Flask, Response, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

import clock

SECRET = "a secret of the client, 32 characters"
KEY, OTHER_KEY = (
    RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"}) for name in "12"
)
Bend = Callable[[dict[str, Any]], None]


def _encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode("ascii")


def _segment(part: dict[str, Any]) -> str:
    return _encoded(json.dumps(part).encode())


class Evil:
    """What the provider says, to be bent by a test."""

    def __init__(self) -> None:
        self.url = ""
        self.keys, self.signs_with = [KEY], KEY
        self.person: dict[str, Any] = {
            "sub": "subject-1",
            "email": "alice@example.com",
            "email_verified": True,
            "name": "Alice",
        }
        self.bend: Bend = lambda claims: None
        self.bend_discovery: Bend = lambda found: None
        self.encode: Callable[[dict[str, Any]], str] = self.signed
        self.broken: dict[str, Callable[[], Any]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.spent: set[str] = set()

    def signed(self, claims: dict[str, Any]) -> str:
        header = {"alg": "RS256", "kid": self.signs_with.kid}
        return jwt.encode(header, claims, self.signs_with, algorithms=["RS256"])

    def hs256_with_the_public_key(self, claims: dict[str, Any]) -> str:
        text = _segment({"alg": "HS256", "kid": KEY.kid}) + "." + _segment(claims)
        mac = hmac.digest(KEY.as_pem(private=False), text.encode(), "sha256")
        return f"{text}.{_encoded(mac)}"

    def unsigned(self, claims: dict[str, Any]) -> str:
        return _segment({"alg": "none"}) + "." + _segment(claims) + "."

    def claims(self, nonce: str, client: str) -> dict[str, Any]:
        now = int(clock.now().timestamp())
        made = {"iss": self.url, "aud": client, "exp": now + 300, "iat": now, "nonce": nonce}
        made |= self.person
        self.bend(made)
        return made


def application(evil: Evil) -> Flask:
    """Return the provider as an application."""
    app = Flask("evil")
    waiting: dict[str, dict[str, str]] = {}

    @app.before_request
    def answer_badly() -> Any:
        evil.asked.append((request.path, request.form.to_dict()))
        bad = evil.broken.get(request.path)
        return bad() if bad is not None else None

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Response:
        found: dict[str, Any] = {
            "issuer": evil.url,
            "authorization_endpoint": f"{evil.url}/authorize",
            "token_endpoint": f"{evil.url}/token",
            "jwks_uri": f"{evil.url}/keys",
            "end_session_endpoint": f"{evil.url}/end",
        }
        evil.bend_discovery(found)
        return jsonify(found)

    @app.get("/keys")
    def keys() -> Response:
        return jsonify(keys=[key.as_dict(private=False) for key in evil.keys])

    @app.get("/authorize")
    def authorize() -> Any:
        asked = request.args.to_dict()
        code = f"code-{len(waiting)}"
        waiting[code] = asked
        back = {"code": code, "state": asked["state"]}
        return redirect(f"{asked['redirect_uri']}?{urlencode(back)}", 303)

    @app.post("/token")
    def token() -> Any:
        code = request.form["code"]
        if code not in waiting or code in evil.spent:
            return jsonify(error="invalid_grant"), 400
        evil.spent.add(code)
        asked = waiting[code]
        text = evil.encode(evil.claims(asked["nonce"], asked["client_id"]))
        return jsonify(access_token="access", token_type="Bearer", id_token=text)

    return app


@contextmanager
def serving() -> Iterator[Evil]:
    """Serve a provider until the block ends."""
    evil = Evil()
    server = make_server("127.0.0.1", 0, application(evil), threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]  # a threaded server
    evil.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield evil
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def toml(issuer: str, /, **changes: Any) -> str:
    """Return the table of onward.toml for a provider."""
    table: dict[str, Any] = {
        "id": "example",
        "name": "Example SSO",
        "issuer": issuer,
        "client_id": "onward",
        "client_secret": SECRET,
        "organisations": ["Hartley & Sons"],
        "create_people": True,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in (table | changes).items()]
    return "[[providers]]\n" + "\n".join(lines) + "\n"


def query_of(address: str) -> dict[str, str]:
    """Return the fields of an address."""
    return dict(parse_qsl(urlsplit(address).query))


def silent() -> str:
    """Say nothing for longer than anybody waits."""
    time.sleep(4)
    return ""


def trickle() -> Response:
    """Send a byte now and then, without end."""

    def bytes_() -> Iterator[bytes]:
        for _ in range(20):
            time.sleep(0.4)
            yield b" "

    return Response(bytes_(), mimetype="application/json")


def trickle_headers() -> str:
    """Send a header every half second, and never the end of them."""
    line = request.environ["werkzeug.socket"]
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    with suppress(OSError):
        for _ in range(20):
            time.sleep(0.5)
            line.sendall(b"X-More: to come\r\n")
    return ""


def flood() -> Response:
    """Send much more than anybody wants."""
    return Response((b" " * 65536 for _ in range(400)), mimetype="application/json")
