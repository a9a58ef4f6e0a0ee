"""The schema: which version the database has, and whether it is what the models say."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, inspect, text

from db import Model, reading
from operations.faults import INIT

MIGRATIONS = Path(__file__).parent.parent / "migrations"


@cache
def wanted() -> str:
    """Return the version that this code works with: the number of the newest migration."""
    return max(file.name[:4] for file in MIGRATIONS.glob("[0-9]*.py"))


def version(connection: Connection) -> str | None:
    """Return the version of the database, or None if no migration has made it."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return str(found) if found else None


def misfit(found: str) -> str | None:
    """Return why this code can't work with a database of that version, or None if it can."""
    if found > wanted():
        return (
            f"The database is of version {found}, which is newer than this code ({wanted()}). "
            "Install the version of Onward that made it."
        )
    if found < wanted():
        return f"The database is of version {found}, and this code needs {wanted()}. Run: {INIT}"
    return None


def fault() -> str | None:
    """Return what is wrong with the schema, or None. Raises SQLAlchemyError."""
    with reading() as connection:
        found = version(connection)
    if found is None:
        return f"it was never initialised; run: {INIT}"
    if told := misfit(found):
        return told
    if names := differences():
        return f"it is not what this version makes: {'; '.join(names)}"
    return None


def differences() -> list[str]:
    """Return what is not as the models say, each with its name; nothing is changed.

    Tables and plain indexes that are not ours disturb nobody and are not told.
    """
    with reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = [word for diff in compare_metadata(context, Model.metadata) for word in _told(diff)]
        return [*found, *_missing_checks(connection), *_reused_numbers(connection)]


def _told(diff: Any) -> Iterator[str]:
    """Put what Alembic found into words; a list holds the differences of one column."""
    if isinstance(diff, list):
        for kind, _, table, column, *_ in diff:
            yield f"{table}.{column} has another {kind.removeprefix('modify_')}"
        return
    kind, what = diff[0], diff[-1]
    verb, _, noun = kind.partition("_")
    state = "is missing" if verb == "add" else "should not be there"
    if noun == "table":
        if verb == "add":
            yield f"{what.name} {state}"
    elif noun == "column":
        yield f"{diff[2]}.{what.name} {state}"
    elif noun != "index" or verb == "add" or what.unique:
        yield f"{what.name} of {what.table.name} {state}"


def _missing_checks(connection: Connection) -> Iterator[str]:
    """Alembic compares no CHECK constraints."""
    seen = inspect(connection)
    there = set(seen.get_table_names())
    for table in Model.metadata.sorted_tables:
        if table.name not in there:
            continue
        held = {str(one["name"]) for one in seen.get_check_constraints(table.name)}
        of_columns = (rule for column in table.columns for rule in column.constraints)
        for rule in (*table.constraints, *of_columns):
            if isinstance(rule, CheckConstraint) and rule.name and str(rule.name) not in held:
                yield f"{rule.name} of {table.name} is missing"


def _reused_numbers(connection: Connection) -> Iterator[str]:
    """SQLite gives the number of a deleted row again, unless the table was made otherwise."""
    if connection.dialect.name != "sqlite":
        return
    query = text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")
    for table in Model.metadata.sorted_tables:
        if table.dialect_options["sqlite"]["autoincrement"]:
            made = connection.scalar(query, {"name": table.name})
            if made and "AUTOINCREMENT" not in made:
                yield f"{table.name} can reuse the number of a deleted row"
