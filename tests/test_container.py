"""The container: its root is built from Debian packages and runs by itself (make drill)."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sizes import full_only

ROOT = Path(__file__).parent.parent
FILE = ROOT / "deploy" / "Containerfile"
USER = "10001:10001"
CHROOT = shutil.which("chroot") or "/usr/sbin/chroot"


def setting(name: str) -> str:
    """Return what an instruction of the Containerfile says."""
    found = re.search(rf"^{name} (.*)$", FILE.read_text("utf-8"), re.M)
    assert found, name
    return found[1]


def test_it_builds_on_nobodys_image() -> None:
    assert setting("FROM") == "scratch"
    assert setting("USER") == USER
    assert "gunicorn_log.Logger" in setting("CMD")
    unit = (ROOT / "deploy" / "onward.service").read_text("utf-8")
    workers = r'"?--workers"?,? "?(\d+)"?.*"?--threads"?,? "?(\d+)"?'
    in_unit, in_container = re.search(workers, unit), re.search(workers, setting("CMD"))
    assert in_unit
    assert in_container
    assert in_unit.groups() == in_container.groups()


@pytest.mark.drill
@full_only
def test_it_is_built_and_its_commands_run(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """As its user, in its root: `init` makes an installation, which `doctor` looks over.

    Without a container runtime chroot takes its place: no network, volume or signal of one is
    shown by that.
    """
    assert os.geteuid() == 0, "only root can build it"
    assert shutil.which("debootstrap"), "debootstrap is missing: apt-get install debootstrap"
    script = ROOT / "deploy" / "container.sh"
    subprocess.run(["sh", str(script), str(tmp_path)], check=True, timeout=3600)
    root, archive = tmp_path / "root", tmp_path / "root.tar"
    assert archive.stat().st_size > 50_000_000
    assert not (root / "wheels").exists()

    def run(*command: str) -> str:
        inside = f'cd {setting("WORKDIR")} && exec "$@"'
        environment = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "ONWARD_INSTANCE": "/srv/onward",
            "ONWARD_BASE_URL": "https://sign-in.example.org",
            "ONWARD_MAIL_SERVER": "127.0.0.1",
        }
        chroot = [CHROOT, f"--userspec={USER}", str(root), "sh", "-c", inside, "sh", *command]
        done = subprocess.run(
            chroot, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    flask = ("/opt/onward/.venv/bin/flask", "--app", "app")
    assert "Ready: /srv/onward" in run(*flask, "init")
    told = run(*flask, "doctor")
    assert "FAULT" not in told
    size = archive.stat().st_size // 1_000_000
    record_property("drill", f"root of {size} MB built; init and doctor ran by chroot:")
    for line in told.splitlines():
        record_property("drill", f"  {line}")
