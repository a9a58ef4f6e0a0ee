"""A provider of our own per test, the application that knows it, and Alice before the door."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.sso import evil_provider
from tests.sso.comer import Comer, again
from tests.sso.evil_provider import Evil


@pytest.fixture
def evil() -> Iterator[Evil]:
    with evil_provider.serving() as found:
        yield found


@pytest.fixture
def app(installed: Path, tmp_path: Path, evil: Evil) -> Iterator[Flask]:
    shutil.copytree(installed, tmp_path / "instance")
    yield from again(tmp_path, evil)


@pytest.fixture
def person(app: Flask) -> Comer:
    return Comer(app, "alice@example.com")
