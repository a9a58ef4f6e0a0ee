"""What administration takes among 100,000 people, on SQLite and on PostgreSQL.

Run by `make bench`. The times are of the application in this process, with its
database: the whole of the answer, a file to its end.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask

from db import db
from tests import postgres
from tests.administration import administrator
from tests.conftest import install
from tests.crowd import Crowd, fill, member_of_first, organisations
from tests.desk import acts
from tests.test_budgets import counted

CROWD = Crowd(people=100_000, organisations=50, largest=20_000)
TIMES = 3
"""How often a page is asked for; the quickest counts. A file is asked for once."""


@contextmanager
def _site(database: str) -> Iterator[Flask]:
    """Yield an installed application without any crowd."""
    with tempfile.TemporaryDirectory() as folder:
        instance = Path(folder) / "instance"
        app = install(instance)
        if database == "sqlite":
            yield app
            return
        with postgres.cluster() as cluster:
            address = postgres.new_database(cluster, "crowd")
            app = install(instance, DATABASE_URL=address)
            yield app
            with app.app_context():
                db.engine.dispose()


def bench(app: Flask, crowd: Crowd = CROWD) -> Iterator[tuple[str, float, int, int]]:
    """Yield each act with its milliseconds, statements and kilobytes."""
    begun = time.perf_counter()
    organisations(app, crowd.organisations)
    dora = administrator(app, organisation="Crowd 0")
    fill(app, crowd)
    yield "the crowd itself", (time.perf_counter() - begun) * 1000, 0, 0
    member = member_of_first(crowd)
    for act in acts(dora, member, member):
        spent = float("inf")
        for _ in range(1 if "CSV" in act.name else TIMES):
            with counted(app) as cost:
                begun = time.perf_counter()
                size = act.run()
                spent = min(spent, time.perf_counter() - begun)
        yield act.name, spent * 1000, cost.statements, size // 1024


def main() -> None:
    for database in sys.argv[1:] or ("sqlite", "postgresql"):
        title = f"{CROWD.people:,} people, {CROWD.organisations} organisations on {database}"
        print(f"\n{title}: ms, statements, KiB")
        with _site(database) as app:
            for name, spent, statements, size in bench(app):
                print(f"  {name:<36}{spent:9.1f}{statements:5}{size:8}", flush=True)


if __name__ == "__main__":
    main()
