"""The site of these tests is sound itself: what a browser does to it leaves nothing behind."""

import gc
import socket
import struct
from pathlib import Path

from tests.browser.site import serving

HANGS_UP = struct.pack("ii", 1, 0)  # closing then resets the line


def test_a_file_is_closed_when_the_browser_hangs_up(tmp_path: Path) -> None:
    """Otherwise a later test fails, whichever runs when the file is collected."""
    with serving(tmp_path / "instance") as site:
        port = int(site.url.rpartition(":")[2])
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port)) as line:
                line.sendall(b"GET /static/icon.svg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                line.recv(1)
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HANGS_UP)
    gc.collect()  # an open file would be told here, and warnings are errors
