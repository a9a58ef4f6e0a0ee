"""The migrations: landed ones stay as they are, and all together they make what the models say."""

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, inspect, text

import keys
from db import Model, alembic, db
from tests import postgres
from tests.conftest import uninstalled

FOLDER = Path(__file__).parent.parent / "migrations"
LANDED = {
    "0001": "72857324401cae0d2e9ba51f03d9e55b37d0f165567140df54946fe6dd013958",
    "0002": "baeda0c7df942ac684f06254d8f7dca42ac1536c81ea10e404df12cc34c5cd43",
    "0003": "0a794fd67ddbcbd1aa82a5f42d472ed72b14a5c15839445ecf4abe7c1bbefbea",
    "0004": "f52f2f2129b27ead3600b564f34d0abf283b0f1c9c1d6cf8de5a7e554b60050a",
    "0005": "33959267567d9f5371e010eace041bc1030bacb6b4a3d3054231fc663bca455b",
    "0006": "cd0ebeb986857098a9ad247496141451474f752c6b8c4ce2b89754fc3803f97a",
    "0007": "8f5cc8de127ccf9770aff2af42f0709fbe0c04bdd113a0ed33e76b0746acb789",
    "0008": "fc055ee90682d9a84278b371e37ae59df6a2d53e88bf7cacebee973df2e06d1a",
    "0009": "cef5d270d300b593dbb5db6ba8fa74cda226312ff95ff03d421689d083f4d13b",
    "0010": "f4dafa44cf8cb9cb47c7e66b9b8ee7418a72c4b36a9cf1d726fd5758886ab935",
    "0011": "25f680c17af5087155300b6f5df1b25c7d135258f47ecb7146f4cf7d8549fb16",
    "0012": "8651e02fb9d36748264a42440ccdfc1afe93321b86190914011dc9ce50b2777d",
    "0013": "dbd841b932a5ad929f73ae22ade859157ab708998c2b846f4e8375394ad2f0ec",
    "0014": "28f8fbc2ea4a90133ffa75ad43df147af892d1c8c2cf5b5bd61f96042f345000",
    "0015": "b7a1ca53d36d5356b01e9e3970d38ecddd14c9146d97f17af29450262b0c497a",
    "0016": "a086d83c0e76ebfd0f924d9e30088685b920819df39f6684be18cf6ea562ecb8",
    "0017": "2a61bbb08bcf49cab3f2fda174d4a8c390ea7217ff44648f353f89b88ecef423",
    "0018": "b33d9ee4f22909c49d30f6b2673165ae62cea0788d046b243d380e94597bf07d",
    "0019": "6a7332969496c4b29d90a101a49e9b883b87c0286a7fabf1829e04e5bfad1baf",
    "0020": "0894fa68edea8228fbc0bb6d59ed1b021ea879713cee7fc6c1d94d8c98aea7f6",
    "0021": "1d8511441aa69fc2eb9fbf06bfeed17a0c5f300c2a90d01d7a176f5b7709a538",
    "0022": "1b9c88060ddcdc7050811b724df35e80b21804426ce57c62324fb2fa6f5bce02",
    "0023": "7c0634c8eac7727148b8526dda44ee98aeff6ee46bed0488239b85064728b5eb",
    "0024": "1780d4ec004b60c878459d81581f1f7698bdb5fe9d092ed545483e5c995f896f",
    "0025": "e29ee769281bef469f9138dae62d668cff99c341d4e933b7b2f7772ddf4e6343",
    "0026": "61208be66ed79b5817255ea468cb2ec40159eea084c61df4845ef4fa49c2c52a",
}
"""What each landed migration is (SHA-256). Installations have run it: write the next one instead.

A new migration gets its line here when it lands.
"""


def checksums() -> dict[str, str]:
    return {file.name[:4]: sha256(file.read_bytes()).hexdigest() for file in FOLDER.glob("*.py")}


def test_a_landed_migration_is_never_edited() -> None:
    assert {number: checksums().get(number) for number in LANDED} == LANDED


def test_every_migration_is_held() -> None:
    assert sorted(checksums()) == sorted(LANDED), "add the line of the new one to LANDED"


def test_the_migrations_stand_in_one_row() -> None:
    numbers = sorted(checksums())
    sources = [file.read_text("utf-8") for file in sorted(FOLDER.glob("*.py"))]

    assert numbers == [f"{n:04}" for n in range(1, len(sources) + 1)]
    assert [re.findall(r"^revision = '(\d+)'", s, re.M) for s in sources] == [[n] for n in numbers]
    before = [re.findall(r"^down_revision = '(\d+)'", s, re.M) for s in sources]
    assert before == [[], *([n] for n in numbers[:-1])]


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Flask, Engine]]:
    """An application after all migrations, and an empty database beside its own."""
    if request.param == "sqlite":
        yield from _migrated(tmp_path, "", f"sqlite:///{tmp_path}/models.sqlite")
        return
    mine, other = (
        postgres.new_database(postgres.shared(), name) for name in ("migrated", "models")
    )
    yield from _migrated(tmp_path, mine, other.replace("postgresql:", "postgresql+psycopg:"))


def _migrated(folder: Path, address: str, other: str) -> Iterator[tuple[Flask, Engine]]:
    keys.make(folder / "instance" / "keys")
    app = uninstalled(folder / "instance", DATABASE_URL=address)
    assert app.test_cli_runner().invoke(args=["init"]).exit_code == 0
    beside = create_engine(other)
    yield app, beside
    beside.dispose()
    with app.app_context():
        db.engine.dispose()


def test_after_all_migrations_nothing_is_left_to_migrate(migrated: tuple[Flask, Engine]) -> None:
    app, _ = migrated
    with app.app_context():
        assert alembic.compare_metadata() == []


def test_the_migrations_make_what_the_models_make(migrated: tuple[Flask, Engine]) -> None:
    """Each table, column, default, key, index and CHECK constraint, as the database tells them.

    Alembic compares no CHECK constraints, no names and no conditions of indexes.
    """
    app, beside = migrated
    with beside.begin() as connection:
        Model.metadata.create_all(connection)
    with app.app_context():
        assert schema(db.engine) == schema(beside)


def schema(engine: Engine) -> dict[str, Any]:
    """Return what the database tells of itself, in an order of names."""
    seen = inspect(engine)
    return {
        name: {
            "columns": {c["name"]: _column(c) for c in seen.get_columns(name)},
            "key": _facts(seen.get_pk_constraint(name)),
            "foreign keys": _named(seen.get_foreign_keys(name)),
            "unique": _named(seen.get_unique_constraints(name)),
            "indexes": _named(seen.get_indexes(name)),
            "checks": _named(seen.get_check_constraints(name)),
            "never reuses a number": _autoincrement(engine, name),
        }
        for name in seen.get_table_names()
        if name != "alembic_version"
    }


def _column(found: Any) -> dict[str, str]:
    names = ("type", "nullable", "default", "autoincrement", "computed", "identity")
    return {name: repr(found.get(name)) for name in names}


def _named(found: Any) -> dict[str, Any]:
    return {one["name"]: _facts(one) for one in found}


def _facts(found: Any) -> Any:
    """Return facts as text; the condition of an index is an object without a value of its own."""
    if isinstance(found, dict):
        return {name: _facts(value) for name, value in found.items()}
    return str(found)


def _autoincrement(engine: Engine, table: str) -> bool:
    """Tell whether SQLite was told so; a table that is made anew forgets it."""
    if engine.dialect.name != "sqlite":
        return False
    query = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :table"
    with engine.connect() as connection:
        return "AUTOINCREMENT" in str(connection.scalar(text(query), {"table": table}))
