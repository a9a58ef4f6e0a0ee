"""The database: session, model base, UTC times, and how transactions begin."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from sqlite3 import Connection as SQLiteConnection
from typing import Any, TypeVar

from flask import current_app, has_request_context, request
from flask_alembic import Alembic
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import JSON, Connection, DateTime, Dialect, Engine, Enum, MetaData, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from database_waits import begin_writing

BUSY_SECONDS = 30
"""How long a command waits for another writer of SQLite; a page waits as its settings say."""

READS = "onward_reads"
"""The execution option of a connection that writes nothing (False: that writes, in any request)."""
Json = JSON().with_variant(postgresql.JSONB(), "postgresql")
"""A small list of numbers in one column."""
View = TypeVar("View", bound=Callable[..., Any])
Row = TypeVar("Row", bound="Model")


class UTCDateTime(TypeDecorator[datetime]):
    """A moment in UTC. Refuses times without a zone, returns times with one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone can't be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Model(DeclarativeBase):
    """Base of every table; names its constraints so that migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UTCDateTime}


def choice(kind: type[StrEnum]) -> Enum:
    """Return the column type for one of a few words, stored as the word itself."""
    return Enum(kind, native_enum=False, length=20, values_callable=lambda words: list(words))


class Migrations(Alembic):
    """Migrations that may make a table of SQLite anew.

    Dropping the old one would, by foreign keys, delete or empty what points to its rows.
    They can be switched between two transactions only, so they are off for the whole run.
    """

    def run_migrations(self, fn: Callable[..., Any], **kwargs: Any) -> None:
        with _without_foreign_keys(self.migration_context.connection):
            super().run_migrations(fn, **kwargs)


@contextmanager
def _without_foreign_keys(connection: Connection | None) -> Iterator[None]:
    assert connection is not None
    raw: Any = connection.connection.driver_connection
    if not isinstance(raw, SQLiteConnection):
        yield
        return
    raw.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys = ON")


# Objects keep their values after a commit: what is rendered needs no second SELECT.
db = SQLAlchemy(session_options={"expire_on_commit": False})
alembic = Migrations(run_mkdir=False, metadatas=Model.metadata)
logging.getLogger("alembic").setLevel(logging.WARNING)


def writes(view: View) -> View:
    """Mark a GET view that changes rows, so that its transaction begins as a writer."""
    view.writes = True  # type: ignore[attr-defined]  # a mark on the function itself
    return view


@contextmanager
def reading() -> Iterator[Connection]:
    """Yield a connection that only reads, so that on SQLite it waits for no writer."""
    with db.engine.connect() as connection:
        yield connection.execution_options(**{READS: True})


def insert_into(model: type[Model]) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT of the database's own kind, which may say what a conflict means."""
    is_sqlite = db.engine.dialect.name == "sqlite"
    return sqlite.insert(model) if is_sqlite else postgresql.insert(model)


def add_if_new(model: type[Model], **values: Any) -> None:
    """Insert a row unless one with its key is there already, whoever else tries."""
    db.session.execute(insert_into(model).values(**values).on_conflict_do_nothing())


def locked_or_new(model: type[Row], key: str, **values: Any) -> Row:
    """Return the row with this key, made if there is none, that nobody else can change now.

    One statement: a row that is there for an INSERT may be gone for the SELECT after it.
    """
    made = insert_into(model).values(**values)
    same = {key: made.excluded[key]}
    query = made.on_conflict_do_update(index_elements=[key], set_=same).returning(model)
    return db.session.scalars(query, execution_options={"populate_existing": True}).one()


def _begins_as_writer() -> bool:
    if not has_request_context() or request.method not in {"GET", "HEAD", "OPTIONS"}:
        return True
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, "writes", False)


@event.listens_for(Engine, "connect")
def _prepare(connection: Any, record: object) -> None:
    """Make SQLite durable and strict, and leave BEGIN to us; let PostgreSQL compile nothing."""
    if isinstance(connection, SQLiteConnection):
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    else:
        # It would compile a count of 20,000 people for seconds that runs for a tenth of one.
        connection.execute("SET jit = off")
        connection.commit()  # what a rollback undid would be on again


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    """Begin a SQLite transaction; a writer takes its lock at once.

    A deferred transaction that reads and then writes gets "database is locked"
    without any wait when somebody else wrote in between.
    """
    if connection.dialect.name == "sqlite":
        reads = connection.get_execution_options().get(READS)
        if _begins_as_writer() if reads is None else not reads:
            begin_writing(connection)
        else:
            connection.exec_driver_sql("BEGIN")
