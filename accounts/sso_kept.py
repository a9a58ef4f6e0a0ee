"""What a provider was asked for: kept for an hour, a failure for half a minute.

A provider that takes the line and says nothing would otherwise hold every thread that
answers people, as long as anybody presses its button. So one thread of a process asks for
discovery, and only some exchange codes at once; whoever finds no place is told at once
what the provider's silence would tell in the end.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import requests
from authlib.common.errors import AuthlibBaseError
from flask import Flask, current_app
from joserfc.errors import JoseError
from urllib3.exceptions import HTTPError

import clock
from accounts.id_token import SsoFault

EXTENSION = "onward-sso"
FRESH = timedelta(hours=1)
"""How long discovery and keys are kept; an unknown key fetches them anew."""
FAILED = timedelta(seconds=30)
"""How long a failure is remembered."""
AT_ONCE = 4
"""Answers of all providers that one process exchanges at once. Each holds a thread: at most half
of them."""
Document = dict[str, Any]


@contextmanager
def faults() -> Iterator[None]:
    """Turn whatever goes wrong with a provider into an SsoFault."""
    try:
        yield
    except (requests.RequestException, HTTPError, OSError) as error:
        raise SsoFault("unavailable") from error
    except AuthlibBaseError as error:
        raise SsoFault("code") from error
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise SsoFault("unavailable") from error


@dataclass
class Kept:
    """One document of a provider, for all threads of a process."""

    _asks: threading.Lock = field(default_factory=threading.Lock)
    _document: Document | None = None
    _since: datetime | None = None
    _failed: tuple[datetime, str] | None = None

    def get(
        self, at: datetime, fetch: Callable[[], Document], *, anew: bool = False, waits: bool
    ) -> Document:
        """Return the document, fetched by one thread at a time. Raises SsoFault.

        Meanwhile others get the older one. Where there is none they wait if they hold one
        of the few places (`exchanging`), and are refused otherwise.
        """
        if not anew and (good := self._good(at)) is not None:
            return good
        if not self._asks.acquire(blocking=waits and (anew or self._document is None)):
            if self._document is None:
                raise SsoFault("unavailable")
            return self._document
        try:
            good = self._good(at)  # somebody may have asked just now
            return self._fetched(at, fetch) if anew or good is None else good
        finally:
            self._asks.release()

    def _good(self, at: datetime) -> Document | None:
        is_fresh = self._since is not None and clock.within(self._since, FRESH, at)
        return self._document if is_fresh else None

    def _fetched(self, at: datetime, fetch: Callable[[], Document]) -> Document:
        if self._failed is not None and clock.within(self._failed[0], FAILED, at):
            raise SsoFault(self._failed[1])
        try:
            with faults():
                self._document, self._since = fetch(), at
        except SsoFault as fault:
            self._failed = clock.now(), fault.reason
            raise
        self._failed = None
        return self._document


class Memory:
    """What one application of one process has of all providers."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Kept] = {}
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def of(self, provider_id: str, what: str) -> Kept:
        """Return the place of a document."""
        return self._kept.setdefault((provider_id, what), Kept())

    @contextmanager
    def exchanging(self) -> Iterator[None]:
        """Hold one of the places for the block. Raises SsoFault if none is free."""
        if not self._places.acquire(blocking=False):
            raise SsoFault("unavailable")
        try:
            yield
        finally:
            self._places.release()


def init_app(app: Flask) -> None:
    """Give the application its memory of providers."""
    app.extensions[EXTENSION] = Memory()


def memory() -> Memory:
    """Return the memory of the running application."""
    return cast(Memory, current_app.extensions[EXTENSION])
