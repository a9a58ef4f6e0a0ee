"""Headers and cookies: the same on every kind of answer, and our own page for every error."""

import json
import re
from collections.abc import Callable, Iterator
from http.cookies import Morsel, SimpleCookie
from pathlib import Path

import pytest
from flask import Flask, Response, abort, request_finished, url_for
from werkzeug.test import TestResponse

from db import db
from tests.conftest import install
from tests.person import HttpsClient, Person, app_code

HTMX = {"HX-Request": "true"}
ALWAYS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none';"
        " object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = "max-age=31536000; includeSubDomains"

Ask = Callable[["Site"], TestResponse]


class Site:
    """An application under one base address, with Bob signed in."""

    def __init__(self, app: Flask, is_https: bool) -> None:
        self.app, self.is_https = app, is_https
        self.bob = Person(app, "bob@example.com")
        self.bob.sign_in()

    def get(self, path: str, **headers: str) -> TestResponse:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.bob.client.get(path, headers=names, buffered=True)

    def stranger(self, path: str, **headers: str) -> TestResponse:
        return self.app.test_client().get(path, headers=headers, buffered=True)

    def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> TestResponse:
        hidden = self.bob.page.hidden()
        return self.bob.client.post(path, data=hidden | fields, headers=headers or {})


@pytest.fixture(scope="module", params=[False, True], ids=["http", "https"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    is_https = bool(request.param)
    config = {"BASE_URL": HttpsClient.address} if is_https else {}
    app = install(tmp_path_factory.mktemp("headers") / "instance", **config)
    if is_https:
        app.test_client_class = HttpsClient

    @app.get("/signin/broken")
    def broken() -> str:
        raise RuntimeError("the key is JBSWY3DPEHPK3PXP")

    @app.get("/signin/too-many")
    def too_many() -> str:
        abort(429)

    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield Site(app, is_https)
    with app.app_context():
        db.engine.dispose()


def scan(site: Site, headers: dict[str, str]) -> TestResponse:
    site.bob.visit("/setup")
    if "Start again" in site.bob.page.text:
        site.bob.next()
        site.bob.visit("/setup")
    return site.post("/setup", headers)


def wrong_code(site: Site) -> TestResponse:
    site.bob.page.response = scan(site, HTMX)
    site.bob.page.response = site.post("/setup", HTMX)
    return site.post("/setup", HTMX, code="000")


def wrong_password(site: Site) -> TestResponse:
    person = Person(site.app, "alice@example.com")
    fields = person.visit("/signin").hidden()
    data = fields | {"email": person.email, "password": "wrong"}
    return person.client.post("/signin", data=data)


def address_of(name: str, app: Flask) -> str:
    """Return the address by which our pages name a static file."""
    with app.test_request_context(base_url=app.config["BASE_URL"]):
        return url_for("static", filename=name)


ANSWERS: dict[str, tuple[int, Ask]] = {
    "page": (200, lambda site: site.get("/security")),
    "sign-in page": (200, lambda site: site.stranger("/signin")),
    "health": (200, lambda site: site.stranger("/health")),
    "readiness": (200, lambda site: site.stranger("/health/ready")),
    "favicon": (200, lambda site: site.stranger("/favicon.ico")),
    "head": (200, lambda site: site.bob.client.head("/security")),
    "fragment": (200, lambda site: site.get("/security", HX_Request="true")),
    "wizard's document": (202, lambda site: site.get("/setup")),
    "wizard's fragment": (200, lambda site: scan(site, HTMX)),
    "view of a step": (303, lambda site: scan(site, {})),
    "one-time stylesheet": (200, lambda site: site.get("/setup/seen/none.css")),
    "beacon": (204, lambda site: site.post("/setup/leave")),
    "beacon of a hidden page": (204, lambda site: site.post("/setup/visibility")),
    "sent on": (303, lambda site: site.get("/")),
    "sent to sign in": (303, lambda site: site.stranger("/security")),
    "sent to sign in by htmx": (
        401,
        lambda site: site.app.test_client().get("/security", headers=HTMX),
    ),
    "no token": (400, lambda site: site.bob.client.post("/setup")),
    "from elsewhere": (403, lambda site: site.post("/signout", {"Sec-Fetch-Site": "cross-site"})),
    "no page": (404, lambda site: site.get("/nowhere")),
    "no page, by htmx": (404, lambda site: site.get("/nowhere", HX_Request="true")),
    "no page for a stranger": (404, lambda site: site.stranger("/security/x.css")),
    "no such method": (405, lambda site: site.bob.client.put("/security")),
    "old ticket": (409, lambda site: site.post("/setup", ticket="old", entry="")),
    "codes are gone": (410, lambda site: site.post("/setup/backup-codes")),
    "too large": (413, lambda site: site.post("/signin/confirm", password="x" * 70_000)),
    "wrong code": (422, wrong_code),
    "wrong password": (422, wrong_password),
    "too many": (429, lambda site: site.get("/signin/too-many")),
    "fault": (500, lambda site: site.get("/signin/broken")),
    "fault, by htmx": (500, lambda site: site.get("/signin/broken", HX_Request="true")),
    "prefetch": (503, lambda site: site.get("/setup", Sec_Purpose="prefetch")),
    "static": (200, lambda site: site.stranger("/static/onward.css")),
    "versioned static": (200, lambda site: site.stranger(address_of("onward.css", site.app))),
    "no static file": (404, lambda site: site.stranger("/static/nothing.css")),
}

SHOWN = {400, 403, 404, 405, 409, 410, 413, 422, 429, 500}
"""Statuses that a person gets to see: 401 leads on, 503 answers a prefetch."""


@pytest.mark.parametrize(("status", "ask"), ANSWERS.values(), ids=list(ANSWERS))
def test_every_answer_has_the_headers_that_protect_it(site: Site, status: int, ask: Ask) -> None:
    """S-133, S-134."""
    answer = ask(site)

    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert answer.headers.get("Strict-Transport-Security") == (HSTS if site.is_https else None)
    assert "Server" not in answer.headers
    assert "X-Powered-By" not in answer.headers


@pytest.mark.parametrize(("status", "ask"), ANSWERS.values(), ids=list(ANSWERS))
def test_every_answer_but_a_static_file_is_kept_by_nobody(
    site: Site, status: int, ask: Ask
) -> None:
    """S-135."""
    answer = ask(site)

    if "/static/" in answer.request.path and status == 200:
        assert "public" in answer.headers["Cache-Control"]
        return
    assert answer.headers["Cache-Control"] == "no-store"
    assert {"cookie", "hx-request"} <= {name.lower() for name in answer.vary}


@pytest.mark.parametrize(
    "ask",
    [ask for status, ask in ANSWERS.values() if status >= 400 and status not in {401, 503}],
    ids=[
        name for name, (status, _) in ANSWERS.items() if status >= 400 and status not in {401, 503}
    ],
)
def test_every_error_is_a_page_of_ours_with_a_heading(site: Site, ask: Ask) -> None:
    answer = ask(site)

    assert answer.mimetype == "text/html"
    assert len(re.findall(r"<h1[ >]", answer.text)) == 1
    assert len(re.findall(r"<title>[^<]+ – Onward</title>", answer.text)) == 1
    is_fragment = "HX-Request" in answer.request.headers
    assert ('<html lang="en-GB">' in answer.text) is not is_fragment
    assert "Traceback" not in answer.text
    assert "werkzeug" not in answer.text.lower()


def test_a_fault_tells_nothing_of_its_cause(site: Site) -> None:
    answer = site.get("/signin/broken")

    assert "JBSWY3DPEHPK3PXP" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "A fault on our side" in answer.text


def test_a_wrong_method_names_the_right_ones(site: Site) -> None:
    assert "GET" in site.bob.client.put("/security").headers["Allow"]


def test_an_untrusted_host_is_refused_with_the_same_headers(site: Site) -> None:
    """S-081."""
    scheme = "https" if site.is_https else "http"
    answer = site.app.test_client().get("/signin", base_url=f"{scheme}://evil.example")

    assert answer.status_code == 400
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    assert "evil.example" not in answer.text


def sent_cookies(site: Site) -> list[Morsel[str]]:
    """Every cookie of a sign-in, a set-up, a challenge with trust, and a sign-out."""
    found: list[Morsel[str]] = []

    def note(sender: Flask, response: Response) -> None:
        lines = response.headers.getlist("Set-Cookie")
        found.extend(cookie for line in lines for cookie in SimpleCookie(line).values())

    with request_finished.connected_to(note, site.app):
        person = Person(site.app, "carol@example.com")
        person.sign_in()
        person.set_up()
        person.sign_out()
        person.sign_in()
        person.press("/signin/code", code=app_code(person.key, steps=1), trust="1")
        person.sign_out()
    return found


def test_every_cookie_is_out_of_reach_of_scripts_and_of_other_sites(site: Site) -> None:
    """S-112, S-115: the name prefix and Secure exactly under https."""
    found = sent_cookies(site)

    prefix = "__Host-" if site.is_https else ""
    assert {cookie.key for cookie in found} == {f"{prefix}onward", f"{prefix}device"}
    for cookie in found:
        assert bool(cookie["secure"]) is site.is_https
        assert cookie["httponly"] is True
        assert (cookie["path"], cookie["samesite"], cookie["domain"]) == ("/", "Lax", "")
    ages = {c["max-age"] for c in found if c.key.endswith("device") and c.value}
    assert ages == {str(30 * 24 * 3600)}
    kept = [c for c in found if c.key.endswith("onward") and c.value]
    assert {(c["max-age"], c["expires"]) for c in kept} == {("", "")}


def test_every_page_tells_htmx_what_to_keep_and_what_to_show(site: Site) -> None:
    """S-136, S-143: no history and no script of an answer; a refusal is shown, a 401 leads on."""
    for path in ("/help", "/security", "/setup", "/nowhere"):
        [settings] = re.findall(
            r"<meta name=\"htmx-config\" content='([^']+)'>", site.get(path).text
        )
        wanted = json.loads(settings)
        rules = wanted.pop("responseHandling")
        is_shown = {
            code: next(rule["swap"] for rule in rules if re.fullmatch(rule["code"], str(code)))
            for code in (200, 202, 204, 400, 401, 403, 409, 422, 429, 500)
        }
        assert {code for code in is_shown if not is_shown[code]} == {204, 401, 500}
        assert wanted == {
            "historyEnabled": False,
            "historyCacheSize": 0,
            "allowEval": False,
            "allowScriptTags": False,
            "includeIndicatorStyles": False,
            "selfRequestsOnly": True,
            "timeout": 20_000,
        }


def test_signing_out_clears_what_the_browser_keeps(site: Site) -> None:
    """S-139."""
    person = Person(site.app, "bob@example.com")
    person.sign_in()

    answer = person.post("/signout", person.page.hidden())

    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert re.search(r"onward=; Expires=Thu, 01 Jan 1970", str(answer.headers))


def test_no_page_names_a_foreign_address_to_load_from(site: Site) -> None:
    """S-138: links to app stores are links; nothing is loaded from elsewhere."""
    for path in ("/setup", "/security", "/help", "/signin/confirm"):
        text = site.get(path).text
        assert not re.findall(r'(?:src|srcset|action|hx-\w+)="(?:https?:)?//', text)
        assert not re.findall(r'<link[^>]+href="(?:https?:)?//', text)


def test_static_files_change_their_address_with_their_content(site: Site) -> None:
    text = site.get("/help").text
    assert not re.findall(r'"/static/[^"?]+"', text)
    assert len(re.findall(r'"/static/[^"]+\?v=[0-9a-f]{12}"', text)) >= 4


YEAR, MINUTE = "public, max-age=31536000, immutable", "public, max-age=60, must-revalidate"


def test_only_the_address_of_the_present_version_is_kept_for_a_year(site: Site) -> None:
    """Otherwise a file from before an upgrade would stay for a year under the new address."""
    right, plain = address_of("onward.css", site.app), "/static/onward.css"
    kept = {
        address: site.stranger(address).headers["Cache-Control"]
        for address in (right, plain, f"{plain}?v=", f"{plain}?v=000000000000", f"{right}0")
    }

    assert kept.pop(right) == YEAR
    assert set(kept.values()) == {MINUTE}
    unchanged = site.stranger(plain, **{"If-None-Match": site.stranger(plain).headers["ETag"]})
    assert (unchanged.status_code, unchanged.headers["Cache-Control"]) == (304, MINUTE)


def test_a_file_that_was_replaced_has_another_version_at_once(app: Flask, tmp_path: Path) -> None:
    """An upgrade replaces files while the old server still runs."""
    app.static_folder = str(tmp_path)
    file = tmp_path / "page.css"
    file.write_text("a{}")
    before = address_of("page.css", app)

    file.write_text("a{color:red}")

    asked = app.test_client()
    assert address_of("page.css", app) != before
    assert asked.get(before, buffered=True).headers["Cache-Control"] == MINUTE
    assert asked.get(address_of("page.css", app), buffered=True).headers["Cache-Control"] == YEAR


def test_a_static_file_is_the_same_for_everybody(site: Site) -> None:
    """No Vary: Cookie and no cookie, whoever asks."""
    answers = [
        ask(path)
        for path in (address_of("onward.css", site.app), "/static/wizard.js")
        for ask in (site.get, site.stranger)
    ]

    for answer in answers:
        assert answer.status_code == 200
        assert "cookie" not in {name.lower() for name in answer.vary}
        assert "Set-Cookie" not in answer.headers


def test_a_broken_database_gets_our_own_page(app: Flask, bob: Person) -> None:
    """The page about the fault asks nothing of what is broken."""
    with app.app_context():
        db.engine.dispose()
    for file in Path(app.instance_path).glob("onward.sqlite*"):
        file.unlink()
    (Path(app.instance_path) / "onward.sqlite").write_text("no database at all " * 200)

    page = bob.visit("/security")

    assert (page.status, page.heading) == (500, "A fault on our side")
    assert page.response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.response.headers["Cache-Control"] == "no-store"
    assert "Sign out" not in page.text
