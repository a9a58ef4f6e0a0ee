"""The providers in the settings: what is read, and what is refused at start."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import providers
import settings
from app import create_app
from settings import SettingError
from tests.conftest import CHEAP
from tests.person import Person
from tests.sso import evil_provider

DOCS = Path(__file__).parent.parent.parent / "docs"
GOOD: dict[str, Any] = {
    "id": "example",
    "name": "Example SSO",
    "issuer": "https://id.example.org",
    "client_id": "onward",
    "client_secret": "a secret",
    "organisations": ["Hartley & Sons"],
}


def read(folder: Path, tables: Any = None, **environ: str) -> dict[str, providers.Provider]:
    if tables is not None:
        environ["ONWARD_PROVIDERS"] = json.dumps(tables)
    found: dict[str, providers.Provider] = settings.load(folder, environ)["PROVIDERS"]
    return found


def test_they_are_read_from_the_file_and_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "onward.toml").write_text(
        evil_provider.toml("https://id.example.org")
        + evil_provider.toml("http://localhost:9", id="other", name="Other", require_amr=["mfa"])
    )

    by_file = read(tmp_path)
    by_environment = read(tmp_path, [GOOD])

    assert list(by_file) == ["example", "other"]
    assert by_file["example"].create_people
    assert by_file["other"].require_amr == ("mfa",)
    assert list(by_environment) == ["example"]
    assert not by_environment["example"].create_people
    assert by_environment["example"].scopes == ("openid", "email", "profile")
    assert read(tmp_path, []) == {}


def test_a_secret_may_lie_in_a_variable_and_is_never_shown(tmp_path: Path) -> None:
    table = GOOD | {"client_secret_env": "SECRET_OF_SSO"}
    del table["client_secret"]

    (found,) = read(tmp_path, [table], SECRET_OF_SSO="hush").values()

    assert found.client_secret == "hush"
    assert "hush" not in repr(found)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"require_arm": ["mfa"]}, "has a key that nobody knows: require_arm"),
    ({"require_amr": "mfa"}, "require_amr must be a list of texts"),
    ({"require_amr": [""]}, "require_amr must be a list of texts"),
    ({"create_people": "yes"}, "create_people must be true or false"),
    ({"client_secret": ""}, "lacks client_secret"),
    ({"client_secret": 7}, "client_secret must be text"),
    ({"organisations": []}, "lacks organisations"),
    ({"client_secret_env": "NOWHERE"}, "set NOWHERE in the environment"),
    ({"id": "Example"}, "id must be of a-z"),
    ({"id": "a/b"}, "id must be of a-z"),
    ({"name": "two\nlines"}, "name must be one line"),
    ({"issuer": "http://id.example.org"}, "issuer must begin with https://"),
    ({"issuer": "https://id.example.org/?a=1"}, "issuer must begin with https://"),
    ({"issuer": "https://me@id.example.org"}, "issuer must begin with https://"),
    ({"issuer": "file:///etc/passwd"}, "issuer must begin with https://"),
    ({"scopes": ["email"]}, "scopes must hold openid"),
]


@pytest.mark.parametrize(("change", "said"), BAD)
def test_what_can_not_be_meant_is_refused_at_start(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingError) as refused:
        read(tmp_path, [GOOD | change])

    assert said in str(refused.value)
    assert "a secret" not in str(refused.value)


@pytest.mark.parametrize("key", ["id", "issuer", "name"])
def test_two_providers_differ_in_what_tells_them_apart(tmp_path: Path, key: str) -> None:
    other = {"id": "other", "issuer": "https://other.example", "name": "Other"}
    with pytest.raises(SettingError, match=f"Two providers have the {key}"):
        read(tmp_path, [GOOD, GOOD | other | {key: GOOD[key]}])


@pytest.mark.parametrize("tables", [{}, "x", [[]], [GOOD | {"id": 5}]])
def test_something_else_than_tables_is_refused(tmp_path: Path, tables: Any) -> None:
    with pytest.raises(SettingError):
        read(tmp_path, tables)


def test_every_example_of_the_documentation_is_read(tmp_path: Path) -> None:
    """Each as it stands there, and all of them beside each other."""
    examples = re.findall(r"```toml\n(.*?)```", (DOCS / "sso.md").read_text("utf-8"), re.S)
    secrets = dict.fromkeys(re.findall(r'client_secret_env = "(\w+)"', "".join(examples)), "hush")
    (tmp_path / "onward.toml").write_text("\n".join(examples), "utf-8")

    found = read(tmp_path, **secrets)

    assert list(found) == ["example", "google", "entra", "okta", "keycloak"]
    shown = {
        key: list(value) if isinstance(value := getattr(found["example"], key), tuple) else value
        for key in ("create_people", "require_amr", "require_acr", "scopes", "email_verified_claim")
    }
    (plain,) = read(tmp_path, [GOOD]).values()
    (spelt_out,) = read(tmp_path, [GOOD | shown]).values()
    assert spelt_out == plain  # what the first example shows are the defaults


def test_each_provider_has_its_button(app: Flask) -> None:
    file = Path(app.instance_path) / "onward.toml"
    other = evil_provider.toml("http://localhost:9", id="other", name="A & B <SSO>")
    file.write_text(file.read_text() + other)
    again = create_app({"INSTANCE": app.instance_path, **CHEAP})

    page = Person(again, "alice@example.com").visit("/signin")

    assert "<button>Sign in with Example SSO</button>" in page.text
    assert "<button>Sign in with A &amp; B &lt;SSO&gt;</button>" in page.response.text
