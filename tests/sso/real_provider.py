"""A real OpenID provider that nobody here wrote: npm's oidc-provider, under Node."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live import free_port

FOLDER = Path(__file__).parent


@contextmanager
def serving(log: Path) -> Iterator[str]:
    """Serve it until the block ends; yield its address. `sh tests/machine.sh` installs it."""
    port = free_port()
    with log.open("w") as told:
        command = ["node", str(FOLDER / "provider.mjs"), str(port)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True)
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line == "listening\n", log.read_text() or line
            yield f"http://localhost:{port}"
        finally:
            process.terminate()
            process.stdout.close()
            process.wait(timeout=10)
