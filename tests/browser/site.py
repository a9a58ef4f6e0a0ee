"""A real site on a loopback port, and the line to it, which can be slow or lose an answer."""

import logging
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler, make_server

from db import db
from mail.carrier import EXTENSION
from tests.conftest import install


class Handler(WSGIRequestHandler):
    """Ends a connection that a browser opened in advance and never uses."""

    timeout = 10


def closed_in_the_end(answer: Iterable[bytes]) -> Iterator[bytes]:
    """Pass an answer on and close it: the server forgets to when the browser hangs up."""
    try:
        yield from answer
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()


class Line:
    """What lies between browser and application."""

    def __init__(self) -> None:
        self.app: Flask | None = None
        self.loses_answers = False
        self.seconds_for_second_post = 0.0
        self.first_post, self.second_post = threading.Event(), threading.Event()
        self.posts: list[str] = []
        self.gets: list[str] = []

    def await_second_post(self, seconds: float) -> None:
        """Keep answers back until a second POST comes, but no longer than this."""
        self.posts, self.seconds_for_second_post = [], seconds
        self.first_post.clear()
        self.second_post.clear()

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        assert self.app is not None
        if environ["REQUEST_METHOD"] == "POST":
            return self._post(environ, start)
        self.gets.append(environ["PATH_INFO"])
        return closed_in_the_end(self.app.wsgi_app(environ, start))

    def _post(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        assert self.app is not None
        self.posts.append(environ["PATH_INFO"])
        (self.first_post if len(self.posts) == 1 else self.second_post).set()
        is_lost = self.loses_answers and environ["PATH_INFO"] == "/setup"
        answer = self.app.wsgi_app(environ, start)
        if is_lost:
            b"".join(answer)
            # The change is made; the answer never leaves.
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError
        if self.seconds_for_second_post:
            self.second_post.wait(self.seconds_for_second_post)
        return closed_in_the_end(answer)


class Site:
    """An application that serves, its address and its line."""

    def __init__(self, app: Flask, url: str, line: Line) -> None:
        self.app, self.url, self.line = app, url, line

    def ask(self, level: str, organisation: str = "Reading Room") -> None:
        """Let an organisation ask off, soft or hard from now on."""
        args = ["organisation", "set", organisation, "--enforcement", level]
        assert self.app.test_cli_runner().invoke(args=args).exit_code == 0


@contextmanager
def serving(instance: Path, **config: Any) -> Iterator[Site]:
    """Install an application with the named people and serve it until the block ends."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    line = Line()
    server = make_server("127.0.0.1", 0, line, threaded=True, request_handler=Handler)
    assert isinstance(server, ThreadedWSGIServer)
    server.daemon_threads = False  # so that closing waits for every answer
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
        app.extensions[EXTENSION].settle()  # a mail on its way still needs its server
        with app.app_context():
            db.engine.dispose()
