"""The house keeps its order: floors, small files, pages without inline script, locked packages."""

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("accounts", "admin", "factors", "mail", "operations", "wizard")
FLOORS: dict[str, set[str]] = {
    "clock": set(),
    "addresses": set(),
    "web_address": set(),
    "providers": {"web_address"},
    "setting_names": set(),
    "setting_rules": {"web_address", "logs"},
    "settings": {"providers", "setting_names", "setting_rules"},
    "key_files": set(),
    "durable": set(),
    "key_making": {"key_files", "durable"},
    "key_ring": {"key_files"},
    "keys": {"key_files", "key_making", "key_ring"},
    "database_waits": set(),
    "db": {"database_waits"},
    "runs": {"db"},
    "sealed": {"keys", "db"},
    "bounds": {"addresses", "db", "providers"},
    "fields": set(),
    "redaction": set(),
    "logs": {"redaction"},
    "gunicorn_log": {"logs", "settings"},
    "web": {"bounds", "clock", "logs"},
    "database_faults": {"web"},
    "client": {"bounds"},
    "cookies": {"keys"},
    "serving": {"keys", "web_address", "db", "operations"},
    "installation": {
        "keys",
        "settings",
        "web_address",
        "db",
        "clock",
        "mail",
        "accounts",
        "operations",
        "runs",
    },
}
"""What each single file on the ground floor may import of ours."""
UPSTAIRS = {"app", "commands", "demo", "installation", "serving", "sweeper"}
"""What no room may import."""
PAGES = [f for f in sorted((ROOT / "templates").rglob("*.html")) if f.parent.name != "mail"]
MOST_LINES = 190
"""Lines of code, without blank lines, comments and docstrings, that a file may have."""


def product_files() -> list[Path]:
    return sorted(ROOT.glob("*.py")) + sorted(f for r in ROOMS for f in (ROOT / r).glob("*.py"))


def ours() -> set[str]:
    return {file.stem for file in ROOT.glob("*.py")} | set(ROOMS) | {"tests"}


def imports_of(file: Path) -> set[str]:
    """Every module that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def rooms_of(file: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports_of(file)} & ours()


def test_the_rooms_know_only_the_floors_below() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "2 kept, 0 broken" in checked.stdout


@pytest.mark.parametrize("name", FLOORS)
def test_a_single_file_knows_only_the_floors_below(name: str) -> None:
    assert rooms_of(ROOT / f"{name}.py") <= FLOORS[name]


def test_every_single_file_has_its_floor() -> None:
    assert {file.stem for file in ROOT.glob("*.py")} == set(FLOORS) | {
        "app",
        "commands",
        "demo",
        "gunicorn.conf",
        "sweeper",
    }


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_knows_what_stands_above_it(room: str) -> None:
    for file in (ROOT / room).glob("*.py"):
        assert (file.name, rooms_of(file) & UPSTAIRS) == (file.name, set())


def test_factors_know_no_request_no_page_and_no_mail() -> None:
    for file in (ROOT / "factors").glob("*.py"):
        forbidden = rooms_of(file) & {
            "web",
            "cookies",
            "fields",
            "accounts",
            "admin",
            "mail",
            "wizard",
        }
        assert (file.name, forbidden) == (file.name, set())
        names = {name.partition(".")[0] for name in imports_of(file)}
        assert (file.name, names & {"flask", "flask_login", "werkzeug"}) == (file.name, set())


def test_the_arithmetic_of_codes_knows_nothing_of_ours() -> None:
    assert rooms_of(ROOT / "factors" / "totp.py") == set()


def test_only_keys_and_factors_touch_cryptography() -> None:
    """S-163: whoever else needs a digest or a sealed value asks the key ring."""
    users = {
        str(file.relative_to(ROOT))
        for file in product_files()
        if {n.partition(".")[0] for n in imports_of(file)} & {"hmac", "cryptography", "pyotp"}
    }
    assert users == {"key_ring.py", "factors/totp.py", "factors/backup_email.py"}


def test_no_randomness_comes_from_a_guessable_source() -> None:
    """S-020, S-060, S-074."""
    for file in product_files():
        assert "random" not in {name.partition(".")[0] for name in imports_of(file)}, file.name


def lines_of_code(file: Path) -> int:
    source = file.read_text("utf-8")
    texts = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    empty = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in empty | {tokenize.ENDMARKER}
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(code - texts)


@pytest.mark.parametrize("file", product_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_is_short_enough_to_be_read_at_once(file: Path) -> None:
    assert lines_of_code(file) <= MOST_LINES


@pytest.mark.parametrize("file", product_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_says_what_it_is_for(file: Path) -> None:
    source = file.read_text("utf-8")
    assert not source.strip() or ast.get_docstring(ast.parse(source))


def test_the_header_names_of_htmx_occur_in_one_file() -> None:
    users = [f.name for f in product_files() if re.search(r"\bHX-|\.htmx\b", f.read_text("utf-8"))]
    assert users == ["web.py"]


FORBIDDEN = {
    "an inline script": r"<script(?![^>]*\ssrc=)",
    "a style element": r"<style",
    "a style attribute": r"\sstyle=",
    "an event attribute": r"<[^>]*\son\w+=",
    "a script address": r"javascript:",
    "hx-on": r"hx-on",
    "hx-push-url": r"hx-(?:push|replace)-url",
    "hx-boost": r"hx-boost",
    "htmx values made by script": r"hx-(?:vals|vars|headers)",
    "inherited htmx attributes": r"hx-inherit|hx-ext|<body[^>]*hx-",
    "a filter of a trigger": r"hx-trigger=\"[^\"]*\[",
    "unescaped text": r"\|\s*safe|autoescape false",
    "a length limit of a code field": r"\smaxlength=|\spattern=",
    "a foreign address to load from": r"<(?:script|link|img)[^>]*(?:src|href)=\"(?:https?:)?//",
    "a frame": r"<i?frame",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_page_holds(what: str) -> None:
    """S-133, S-136, S-138."""
    assert len(PAGES) > 20
    for page in PAGES:
        if what == "a frame" and page.parent.name == "gallery":
            continue  # shows a mail as it is, in a sandbox
        assert not re.search(FORBIDDEN[what], page.read_text("utf-8"), re.I), page.name


def test_every_form_that_posts_carries_a_token() -> None:
    """S-130."""
    for page in PAGES:
        if page.parent.name == "gallery":
            continue  # holds no session; tests/test_gallery.py tries a foreign post
        for form in re.findall(r"<form method=\"post\".*?</form>", page.read_text("utf-8"), re.S):
            assert "csrf()" in form or "csrf_token()" in form, page.name


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt"])
def test_a_lock_file_names_versions_and_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text("ascii")
    entries = re.split(r"\n(?=\S)", text.strip())

    assert len(entries) > 20
    assert "://" not in text
    for entry in entries:
        assert re.match(r"[\w.\[\]-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_the_lock_file_of_the_provider_names_hashes_and_no_address() -> None:
    text = (ROOT / "tests" / "sso" / "package-lock.json").read_text("utf-8")
    packages = json.loads(text)["packages"]

    assert len(packages) > 20
    assert "://" not in text
    for name, package in packages.items():
        assert not name or package["integrity"].startswith("sha512-"), name


def test_everything_that_runs_is_locked() -> None:
    import tomllib

    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    locked = set(re.findall(r"^([\w.-]+)", (ROOT / "requirements.txt").read_text("ascii"), re.M))
    assert {re.split(r"[<>=\[]", name)[0] for name in wanted} <= locked


FLOORS_OF_VERSIONS = {"flask": (3, 1, 3), "werkzeug": (3, 1, 9), "authlib": (1, 6, 11)}
"""Below these, holes are known that have been closed since."""


def test_no_locked_version_is_below_its_floor() -> None:
    """S-185."""
    locked = dict(re.findall(r"^(\w+)==([\d.]+)", (ROOT / "requirements.txt").read_text(), re.M))
    for name, floor in FLOORS_OF_VERSIONS.items():
        assert (name, tuple(map(int, locked[name].split("."))) >= floor) == (name, True)


def test_htmx_is_pinned_and_has_its_licence_beside_it() -> None:
    vendor = ROOT / "static" / "vendor"
    (script,) = vendor.glob("*.js")

    assert re.fullmatch(r"htmx-2\.0\.\d+\.min\.js", script.name)
    assert f'version:"{script.name[5:-7]}"' in script.read_text("utf-8")
    assert "Zero-Clause BSD" in (vendor / "htmx-LICENSE.txt").read_text("utf-8")
    assert script.name in (ROOT / "templates" / "layouts" / "page.html").read_text("utf-8")
