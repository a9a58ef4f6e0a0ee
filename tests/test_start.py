"""Starting: settings, and what must be right before Onward serves anybody."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from time import sleep

import pytest
from flask import Flask
from sqlalchemy import text

import keys
import settings
from app import create_app
from db import db
from tests import live
from tests.conftest import install, uninstalled
from tests.person import Person

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
MISSING = "is missing, short or not hexadecimal. Restore the folder of keys from your backup."


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """An installation that is served no more."""
    app = install(tmp_path / "instance")
    with app.app_context():
        db.engine.dispose()
    return tmp_path / "instance"


def run(*command: str, instance: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a program as an operator does, in the folder of the product."""
    environment = os.environ | {"ONWARD_INSTANCE": str(instance)} | settings
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def load(instance: Path, **environ: str) -> dict[str, settings.Value]:
    return settings.load(instance, environ)


def test_every_setting_has_a_default_that_works(tmp_path: Path) -> None:
    found = load(tmp_path)

    settings.check(found)
    defaults = {setting.name: setting.default for setting in settings.SETTINGS}
    assert found == defaults | {"PROVIDERS": {}}
    assert all(setting.meaning for setting in settings.SETTINGS)


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    (tmp_path / "onward.toml").write_text('issuer = "File"\nmail_port = 587\nmail_use_tls = true\n')

    found = load(tmp_path, ONWARD_ISSUER="Environment")

    assert found["ISSUER"] == "Environment"
    assert (found["MAIL_PORT"], found["MAIL_USE_TLS"]) == (587, True)
    assert found["MAIL_SERVER"] == ""


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("true", True), (" Yes ", True), ("on", True), ("0", False), ("", False)],
)
def test_a_switch_is_on_or_off(tmp_path: Path, text: str, value: bool) -> None:
    assert load(tmp_path, ONWARD_MAIL_USE_TLS=text)["MAIL_USE_TLS"] is value


PORT = "ONWARD_MAIL_PORT must be a whole number from 1 to 65535."
SECONDS = "ONWARD_MAIL_TIMEOUT must be a whole number from 1 to 3600."
WAIT = "ONWARD_MAIL_WAIT must be a whole number from 1 to 600."
WAITERS = "ONWARD_MAIL_WAITERS must be a whole number from 1 to 1000."
HOPS = "ONWARD_PROXY_HOPS must be a whole number from 0 to 100."
PASSES = "ONWARD_PASSWORD_TIME_COST must be a whole number from 1 to 1000."
MEMORY = "ONWARD_PASSWORD_MEMORY_KIB must be a whole number from 8 to 4194304."
SWITCH = "ONWARD_MAIL_USE_TLS must be one of 1, true, yes, on, 0, false, no, off."
BOTH = "Set ONWARD_MAIL_USE_TLS or ONWARD_MAIL_USE_SSL, not both."
HOST = "ONWARD_MAIL_SERVER must be a host alone; its port is ONWARD_MAIL_PORT."
SENDER = "ONWARD_MAIL_DEFAULT_SENDER must hold an address, like Example <sign-in@example.org>."
DATABASE = "ONWARD_DATABASE_URL must be like postgresql://user@host/database."
KEPT = "ONWARD_{}_DAYS must be a whole number from {} to 3650."
BASE = "ONWARD_BASE_URL must be like https://sign-in.example.org, without a path."


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        *(
            ("ONWARD_MAIL_PORT", value, PORT)
            for value in ("twenty-five", "0", "65536", "-1", "2_5")
        ),
        *(("ONWARD_MAIL_PORT", value, PORT) for value in ("２５", "1e3", "9" * 5000)),
        *(("ONWARD_MAIL_TIMEOUT", value, SECONDS) for value in ("0", "3601", "1.5")),
        *(("ONWARD_MAIL_WAIT", value, WAIT) for value in ("0", "601")),
        *(("ONWARD_MAIL_WAITERS", value, WAITERS) for value in ("0", "1001")),
        ("ONWARD_EVENTS_DAYS", "99", KEPT.format("EVENTS", 100)),
        ("ONWARD_EVENTS_DAYS", "for ever", KEPT.format("EVENTS", 100)),
        ("ONWARD_ADDRESSES_DAYS", "0", KEPT.format("ADDRESSES", 1)),
        ("ONWARD_SIGN_INS_DAYS", "30", KEPT.format("SIGN_INS", 31)),
        ("ONWARD_MAILS_DAYS", "3651", KEPT.format("MAILS", 2)),
        (
            "ONWARD_ADDRESSES_DAYS",
            "731",
            "ONWARD_ADDRESSES_DAYS must not be more than ONWARD_EVENTS_DAYS.",
        ),
        *(("ONWARD_PROXY_HOPS", value, HOPS) for value in ("", "1.5", "-1", "101")),
        *(("ONWARD_PASSWORD_TIME_COST", value, PASSES) for value in ("0", str(2**64))),
        *(("ONWARD_PASSWORD_MEMORY_KIB", value, MEMORY) for value in ("7", "4194305")),
        *(("ONWARD_MAIL_USE_TLS", value, SWITCH) for value in ("ture", "2", "on off", "-")),
        *(
            ("ONWARD_MAIL_SERVER", value, HOST)
            for value in ("smtp.example.org:587", "smtp://smtp.example.org", "me@here", "a b", "[")
        ),
        *(
            ("ONWARD_MAIL_DEFAULT_SENDER", value, SENDER)
            for value in ("", "Onward", "Onward <onward>", "@example.org")
        ),
        *(
            ("ONWARD_DATABASE_URL", value, DATABASE)
            for value in ("onward", "mysql://here/onward", "postgresql://here:port/onward")
        ),
        ("ONWARD_BASE_URL", "http://127.0.0.1:99999", BASE),
        ("ONWARD_BASE_URL", "http://[::1", BASE),
        ("ONWARD_BASE_URL", "sign-in.example.org", BASE),
        ("ONWARD_BASE_URL", "", BASE),
        ("ONWARD_BASE_URL", "ftp://sign-in.example.org", BASE),
        ("ONWARD_BASE_URL", "https://sign-in.example.org/here", BASE),
        (
            "ONWARD_BASE_URL",
            "https://anmeldung.müller.example",
            "ONWARD_BASE_URL must be in ASCII: write ü and the like as xn--….",
        ),
        (
            "ONWARD_BASE_URL",
            "http://sign-in.example.org",
            "ONWARD_BASE_URL must begin with https:// unless it is this machine.",
        ),
        (
            "ONWARD_ISSUER",
            "Onward: Demo",
            "ONWARD_ISSUER must not be empty and must not hold a colon.",
        ),
        ("ONWARD_ISSUER", "x" * 101, "ONWARD_ISSUER must have at most 100 characters."),
        ("ONWARD_ISSUER", "  ", "ONWARD_ISSUER must not be empty and must not hold a colon."),
    ],
)
def test_a_setting_that_cannot_be_used_ends_the_program_with_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    sentence: str,
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as ended:
        create_app({"INSTANCE": str(tmp_path)})

    assert ended.value.code == 3
    assert capsys.readouterr().err == sentence + "\n"


@pytest.mark.parametrize("name", ["DEVELOPMENT", "DRILL", "SNAPSHOTS"])
def test_what_make_sets_for_itself_is_let_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"ONWARD_{name}", "1")
    assert uninstalled(tmp_path)


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        (
            "ONWARD_MAIL_SERVR",
            "ONWARD_MAIL_SERVR is not a setting. Do you mean ONWARD_MAIL_SERVER?",
        ),
        ("ONWARD_PROXY_HOP", "ONWARD_PROXY_HOP is not a setting. Do you mean ONWARD_PROXY_HOPS?"),
        ("ONWARD_INSTANZ", "ONWARD_INSTANZ is not a setting. Do you mean ONWARD_INSTANCE?"),
        ("ONWARD_KEY_PEPER", "ONWARD_KEY_PEPER is not a setting."),
        ("ONWARD_ZZZ", "ONWARD_ZZZ is not a setting."),
    ],
)
def test_a_variable_that_is_not_a_setting_ends_the_program_with_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    sentence: str,
) -> None:
    """A misspelt one was passed over, and its default counted."""
    monkeypatch.setenv(variable, "1")

    with pytest.raises(SystemExit) as ended:
        create_app({"INSTANCE": str(tmp_path)})

    assert ended.value.code == 3
    assert capsys.readouterr().err == sentence + "\n"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            'mail_servr = "x"',
            "mail_servr in onward.toml is not a setting. Do you mean mail_server?",
        ),
        ('ISSUER = "x"', "ISSUER in onward.toml is not a setting. Do you mean issuer?"),
        ("[provider]", "provider in onward.toml is not a setting. Do you mean providers?"),
        ("[zzz]", "zzz in onward.toml is not a setting."),
        ("issuer = 5", "ONWARD_ISSUER must be text."),
        ("mail_port = true", PORT),
        ("mail_port = 25.0", PORT),
        ("mail_use_tls = 2", SWITCH),
        ("mail_use_tls = true\nmail_use_ssl = true", BOTH),
    ],
)
def test_a_line_of_the_file_that_cannot_be_meant_ends_the_program_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, sentence: str
) -> None:
    (tmp_path / "onward.toml").write_text(line + "\n")

    with pytest.raises(SystemExit) as ended:
        create_app({"INSTANCE": str(tmp_path)})

    assert ended.value.code == 3
    assert capsys.readouterr().err.startswith(sentence + "\n")


def test_a_misspelt_setting_ends_every_command(instance: Path) -> None:
    ended = run("flask", "--app", "app", "doctor", instance=instance, ONWARD_MAIL_USE_TSL="1")

    assert ended.returncode == 3
    assert ended.stderr == (
        "ONWARD_MAIL_USE_TSL is not a setting. Do you mean ONWARD_MAIL_USE_TLS?\n"
    )
    assert ended.stdout == ""


def test_keys_secrets_and_what_make_sets_are_known(tmp_path: Path) -> None:
    known = ("ONWARD_KEY_SEAL", "ONWARD_KEY_SEAL_2", "ONWARD_DEVELOPMENT", "ONWARD_SSO_EXAMPLE")
    (tmp_path / "onward.toml").write_text("issuer = 'File'\n")

    assert load(tmp_path, **dict.fromkeys(known, "1"), HOME="/")["ISSUER"] == "File"


@pytest.mark.parametrize("name", ["ONWARD_KEY_SEAL_02", "ONWARD_KEY_SEAL_0"])
def test_a_key_by_a_number_that_none_has_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(settings.SettingError, match=name):
        load(tmp_path, **{name: "ab" * 32})


def test_a_settings_file_that_nobody_can_read_ends_the_program_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "onward.toml").write_bytes(b"issuer = '\xff'\n")

    with pytest.raises(SystemExit):
        create_app({"INSTANCE": str(tmp_path)})

    assert capsys.readouterr().err.startswith("onward.toml can't be read: ")


def test_a_settings_file_that_is_no_toml_ends_the_program_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "onward.toml").write_text("issuer = Onward\n")

    with pytest.raises(SystemExit):
        create_app({"INSTANCE": str(tmp_path)})

    assert capsys.readouterr().err.startswith("onward.toml can't be read: ")


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:5000", "http://localhost", "http://[::1]:80", "https://sign-in.example.org"],
)
def test_a_base_address_is_https_or_this_machine(tmp_path: Path, address: str) -> None:
    settings.check(load(tmp_path, ONWARD_BASE_URL=address))


NOBODY_LISTENS = "postgresql://nobody@127.0.0.1:1/none"
AWAY = {"DATABASE_URL": NOBODY_LISTENS, "START_WAIT": 0}


def test_the_application_opens_neither_database_nor_keys_for_a_command(tmp_path: Path) -> None:
    """Nothing listens at that address, and the folder does not even exist."""
    uninstalled(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []

    away = tmp_path / "nowhere"
    listed = run(
        "flask", "--app", "app", "routes", instance=away, ONWARD_DATABASE_URL=NOBODY_LISTENS
    )
    assert (listed.returncode, "wizard.submit" in listed.stdout) == (0, True)
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_cannot_be_reached_is_not_served_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """S-164: nobody knows what it is; a later start may find out."""
    for name in ("SEAL", "PEPPER", "SIGNING"):
        monkeypatch.setenv(f"ONWARD_KEY_{name}", "ab" * 32)

    with pytest.raises(SystemExit) as ended:
        create_app({"INSTANCE": str(tmp_path), **AWAY})

    assert ended.value.code == 75
    told = capsys.readouterr().err
    assert told.startswith("The database can't be reached: ")
    assert told.count("\n") == 1


def test_a_start_waits_for_its_database(instance: Path, tmp_path: Path) -> None:
    """A disk that is mounted late, or a database that is started beside."""
    late = tmp_path / "late"
    config = {"INSTANCE": str(instance), "DATABASE_URL": f"sqlite:///{late}/onward.sqlite"}

    comes = Timer(0.3, lambda: shutil.copytree(instance, late))
    comes.start()
    app = create_app(config)
    comes.join()

    assert Person(app, "bob@example.com").sign_in().heading == "Two-factor authentication"
    close(app)


NOTHING = "There is no installation in {}. Is ONWARD_INSTANCE right? A new one is made by: "


@pytest.mark.parametrize("is_there", [True, False], ids=["empty", "mistyped"])
def test_an_instance_that_was_never_initialised_is_not_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], is_there: bool
) -> None:
    """Operator 7: it answered 500 to everybody."""
    if is_there:
        (tmp_path / "new").mkdir()

    with pytest.raises(SystemExit) as ended:
        create_app({"INSTANCE": str(tmp_path / "new")})

    assert ended.value.code == 3
    assert capsys.readouterr().err.startswith(NOTHING.format(tmp_path / "new"))
    assert (tmp_path / "new").exists() == is_there


def test_a_mistyped_instance_beside_another_database_is_not_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        create_app({"INSTANCE": str(tmp_path / "new"), **AWAY})

    assert ended.value.code == 3
    assert capsys.readouterr().err.startswith(NOTHING.format(tmp_path / "new"))


def test_a_database_that_was_never_initialised_is_not_served(
    instance: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"sqlite:///{tmp_path}/other.sqlite"

    with pytest.raises(SystemExit) as ended:
        create_app({"INSTANCE": str(instance), "DATABASE_URL": address})

    assert ended.value.code == 3
    assert capsys.readouterr().err.startswith("The database was never initialised. ")


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("9999", "The database is of version 9999, which is newer than this code ("),
        ("0008", "The database is of version 0008, and this code needs "),
    ],
)
def test_a_database_of_another_version_is_not_served(
    app: Flask, capsys: pytest.CaptureFixture[str], version: str, sentence: str
) -> None:
    """It was, and sign-ins answered 500."""
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})

    with pytest.raises(SystemExit) as ended:
        create_app({"INSTANCE": app.instance_path})

    assert ended.value.code == 3
    told = capsys.readouterr().err
    assert (told.startswith(sentence), told.count("\n")) == (True, 1)


@pytest.fixture
def as_nobody() -> Callable[[Path], AbstractContextManager[None]]:
    """Act as a user who may read nothing of root's."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as somebody else")

    @contextmanager
    def act(folder: Path) -> Iterator[None]:
        folder.parent.chmod(0o755)
        folder.chmod(0o755)
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    return act


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_key_that_cannot_be_read_ends_the_start_with_a_sentence(
    as_nobody: Callable[[Path], AbstractContextManager[None]],
    installed: Path,
    capsys: pytest.CaptureFixture[str],
    what: str,
) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place) / "instance"
        shutil.copytree(installed, folder)
        told = f"The folder {folder}/keys can't be read: Permission denied."
        if what == "file":
            (folder / "keys").chmod(0o755)
            told = "can't be read: Permission denied."
        with as_nobody(folder), pytest.raises(SystemExit) as ended:
            create_app({"INSTANCE": str(folder)})

    assert ended.value.code == 3
    assert told in capsys.readouterr().err


def test_a_settings_file_that_only_another_user_can_read_ends_the_start(
    as_nobody: Callable[[Path], AbstractContextManager[None]],
    installed: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place) / "instance"
        shutil.copytree(installed, folder)
        (folder / "onward.toml").write_text("")
        (folder / "onward.toml").chmod(0o600)
        with as_nobody(folder), pytest.raises(SystemExit) as ended:
            create_app({"INSTANCE": str(folder)})

    assert ended.value.code == 3
    assert capsys.readouterr().err.startswith("onward.toml can't be read: ")


def test_commands_need_no_keys(instance: Path) -> None:
    shutil.rmtree(instance / "keys")
    (instance / "onward.sqlite").write_text("no database")

    listed = run("flask", "--app", "app", "routes", instance=instance)

    assert listed.returncode == 0, listed.stderr
    assert "wizard.submit" in listed.stdout
    assert not (instance / "keys").exists()


def spoil(instance: Path, name: str, text: str | None) -> None:
    file = instance / "keys" / f"{name}.key"
    file.unlink()
    if text is not None:
        file.write_text(text, "utf-8")


@pytest.mark.parametrize("name", keys.NAMES)
@pytest.mark.parametrize(
    "text",
    [None, "", "ab" * 31, "zz" * 32, "é" * 64],
    ids=["missing", "empty", "short", "not hexadecimal", "not ASCII"],
)
def test_it_does_not_serve_a_database_without_a_whole_key(
    instance: Path, capsys: pytest.CaptureFixture[str], name: str, text: str | None
) -> None:
    """S-161: the start matrix."""
    spoil(instance, name, text)

    with pytest.raises(SystemExit) as ended:
        create_app({"INSTANCE": str(instance)})

    assert ended.value.code == 3
    assert f"The key '{name}' {MISSING}" in capsys.readouterr().err


def test_it_does_not_serve_another_database_without_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"INSTANCE": str(tmp_path), "DATABASE_URL": NOBODY_LISTENS}
    with pytest.raises(SystemExit):
        create_app(config)

    assert MISSING in capsys.readouterr().err


WORKERS = ("gunicorn", "--no-control-socket", "--bind", "127.0.0.1:0", "--workers", "2")
SERVERS = [
    ("gunicorn", "--check-config", "app:create_app()"),
    (*WORKERS, "app:create_app()"),
    ("flask", "--app", "app", "run", "--port", "0"),
    ("python", "-c", "from app import create_app; create_app()"),
]


@pytest.mark.parametrize("command", SERVERS, ids=["check", "gunicorn", "flask run", "python"])
def test_every_way_of_serving_ends_with_the_sentence(
    instance: Path, command: tuple[str, ...]
) -> None:
    """Operator 15: when two workers refused, 1 of 4 starts ended in a traceback of gunicorn."""
    spoil(instance, "pepper", None)

    ended = run(*command, instance=instance)

    assert ended.returncode == 3
    assert ended.stderr.count(f"The key 'pepper' {MISSING}") == 1
    assert "Booting worker" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_gunicorn_ends_with_75_when_the_database_cannot_be_reached(instance: Path) -> None:
    """The unit starts it again then; workers alone would be started for ever."""
    settings = {"ONWARD_DATABASE_URL": NOBODY_LISTENS, "ONWARD_START_WAIT": "0"}

    ended = run(*WORKERS, "app:create_app()", instance=instance, **settings)

    assert ended.returncode == 75
    assert ended.stderr.count("The database can't be reached: ") == 1
    assert "Booting worker" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_reload_that_would_be_refused_leaves_the_workers_of_before(instance: Path) -> None:
    """A mistake in onward.toml and a reload took the site down."""
    with live.serve(instance) as server:
        assert live.Browser(server).get("/help").status == 200  # the worker has started
        (instance / "onward.toml").write_text('mail_servr = "x"\n')
        os.kill(server.pid, signal.SIGHUP)
        told = log_with(instance, "Not reloaded")
        assert "mail_servr in onward.toml is not a setting." in told
        assert told.count("Booting worker") == 1
        assert live.Browser(server).get("/help").status == 200

        (instance / "onward.toml").write_text('issuer = "Another"\n')
        os.kill(server.pid, signal.SIGHUP)
        assert log_with(instance, "Worker exiting").count("Booting worker") == 2


def log_with(instance: Path, words: str) -> str:
    """Return what the server has logged, once the words are in it."""
    for _ in range(300):
        if words in (told := (instance / "server.log").read_text()):
            return told
        sleep(0.1)
    raise AssertionError(told)


def test_the_unit_starts_again_after_75_and_not_after_3() -> None:
    unit = (ROOT / "deploy" / "onward.service").read_text("utf-8")

    assert "\nRestart=on-failure\n" in unit
    assert "\nRestartPreventExitStatus=3\n" in unit


def test_it_takes_its_keys_from_the_environment(
    instance: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, file in (("SEAL", "seal-1"), ("PEPPER", "pepper"), ("SIGNING", "signing")):
        monkeypatch.setenv(f"ONWARD_KEY_{name}", (instance / "keys" / f"{file}.key").read_text())
    shutil.rmtree(instance / "keys")

    app = create_app({"INSTANCE": str(instance)})
    bob = Person(app, "bob@example.com")
    assert bob.sign_in().heading == "Two-factor authentication"
    bob.set_up()
    close(app)

    monkeypatch.setenv("ONWARD_KEY_PEPPER", "ab")
    with pytest.raises(SystemExit):
        create_app({"INSTANCE": str(instance)})
    assert f"The key 'pepper' {MISSING}" in capsys.readouterr().err


def close(app: Flask) -> None:
    with app.app_context():
        db.engine.dispose()


def test_demo_people_are_served_to_this_machine_only(
    instance: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (instance / "demo-people.json").write_text("[]")
    create_app({"INSTANCE": str(instance)})

    with pytest.raises(SystemExit) as ended:
        create_app({"INSTANCE": str(instance), "BASE_URL": "https://sign-in.example.org"})

    assert ended.value.code == 3
    expected = "This instance holds demo people. It serves this machine only.\n"
    assert capsys.readouterr().err == expected


def test_a_development_run_is_nothing_that_a_base_address_makes(app: Flask) -> None:
    assert app.debug is False
