"""The limits of a request to a provider: silence, a trickle and a flood all come to an end."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

STEP_SECONDS = 4
"""How long a provider may be silent."""
MOST_BYTES = 256 * 1024
CHUNK = 16 * 1024


class Bounded(HTTPAdapter):
    """Sends requests that are all over when `ends`, a moment of the monotonic clock, has come."""

    def __init__(self, ends: float) -> None:
        super().__init__(max_retries=0)
        self._ends = ends
        self._connections: list[HTTPConnection] = []

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]  # by name only
        """Return the answer, read whole."""
        request.headers["Accept-Encoding"] = "identity"
        left = self._ends - time.monotonic()
        if left <= 0:
            raise requests.Timeout("no time is left")
        options |= {"stream": True, "timeout": min(left, STEP_SECONDS)}
        with self._cut_after(left):
            answer = super().send(request, **options)
            body = bytearray()
            while chunk := answer.raw.read1(CHUNK):
                body += chunk
                if len(body) > MOST_BYTES or time.monotonic() > self._ends:
                    answer.close()
                    raise requests.RequestException("too large or too slow")
        answer._content = bytes(body)
        return answer

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> HTTPConnectionPool:
        """Return the pool for a request; its connections are kept in sight."""
        pool: HTTPConnectionPool = super().get_connection_with_tls_context(*args, **options)
        kind: Any = type(pool).ConnectionCls

        def noted(*args: Any, **options: Any) -> HTTPConnection:
            made: HTTPConnection = kind(*args, **options)
            self._connections.append(made)
            return made

        pool.ConnectionCls = noted  # type: ignore[assignment]  # called only
        return pool

    @contextmanager
    def _cut_after(self, seconds: float) -> Iterator[None]:
        """Cut the line when the time is up.

        A timeout of the socket is for one silence alone: a byte now and then, in the
        middle of the headers, would hold a thread of ours for as long as it pleases.
        """
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        for one in self._connections:
            with suppress(OSError, AttributeError):  # closed already, or never opened
                one.sock.shutdown(socket.SHUT_RDWR)
