"""A real site on a loopback port, and the line to it, which can be slow or lose an answer."""

import logging
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask
from werkzeug.serving import make_server

from db import db
from tests.conftest import install

SLOW_SECONDS = 0.5
"""How long a slow answer takes: longer than the two halves of a double click."""


class Line:
    """What lies between browser and application."""

    def __init__(self) -> None:
        self.app: Flask | None = None
        self.lose_next_answer = False
        self.slow = False
        self.posts: list[str] = []

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        assert self.app is not None
        if environ["REQUEST_METHOD"] == "POST":
            return self._post(environ, start)
        return self.app.wsgi_app(environ, start)

    def _post(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        assert self.app is not None
        self.posts.append(environ["PATH_INFO"])
        is_lost = self.lose_next_answer and environ["PATH_INFO"] == "/setup"
        answer = self.app.wsgi_app(environ, start)
        if is_lost:
            self.lose_next_answer = False
            b"".join(answer)
            # The change is made; the answer never leaves.
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError
        if self.slow:
            sleep(SLOW_SECONDS)
        return answer


class Site:
    """An application that serves, its address and its line."""

    def __init__(self, app: Flask, url: str, line: Line) -> None:
        self.app, self.url, self.line = app, url, line


@contextmanager
def serving(instance: Path, **config: Any) -> Iterator[Site]:
    """Install an application with the named people and serve it until the block ends."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    line = Line()
    server = make_server("127.0.0.1", 0, line, threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    line.app = app = install(instance, BASE_URL=url, **config)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Site(app, url, line)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        with app.app_context():
            db.engine.dispose()
