"""A real mail transfer agent, OpenSMTPD, that delivers into a maildir; for one test."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live import free_port

CONFIGURATION = """\
table people {{ "@example.com" = opensmtpd }}
listen on 127.0.0.1 port {port}
action "box" maildir "{box}" virtual <people>
match from any for domain "example.com" action "box"
"""


@contextmanager
def opensmtpd() -> Iterator[tuple[int, Path]]:
    """Run it in a folder that its own user can reach; yield its port and maildir."""
    program = shutil.which("smtpd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "OpenSMTPD is missing: run sh tests/machine.sh"
    folder = Path(tempfile.mkdtemp(prefix="onward-mta-"))
    folder.chmod(0o755)
    box, file, port = folder / "box", folder / "smtpd.conf", free_port()
    box.mkdir()
    root = [] if os.getuid() == 0 else ["sudo"]
    subprocess.run([*root, "chown", "opensmtpd", str(box)], check=True)
    file.write_text(CONFIGURATION.format(port=port, box=box))
    file.chmod(0o600)
    with (folder / "smtpd.log").open("w") as log:
        running = subprocess.Popen([*root, program, "-d", "-f", str(file)], stdout=log, stderr=log)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port, box / "new"
    finally:
        running.terminate()
        running.wait(timeout=10)
        subprocess.run([*root, "rm", "-r", str(folder)], check=True)
