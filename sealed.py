"""Sealed columns: a value opens in its own column, row and account, and nowhere else (S-160)."""

import secrets
from collections.abc import Iterator
from typing import Annotated

from sqlalchemy import text
from sqlalchemy.orm import mapped_column

import keys
from db import Model

# SQLite adds a column that is never NULL only with a default. It is nobody's id.
SealId = Annotated[str, mapped_column(index=True, unique=True, server_default=text("''"))]
"""The column of a row's random id."""


def new_id() -> str:
    """Return the random id of a row, 128 bits: its sealed values open beside no other one."""
    return secrets.token_hex(16)


class SealedModel(Model):
    """A table with sealed columns; their names begin with `sealed_`."""

    __abstract__ = True

    @property
    def bound_to(self) -> tuple[str, ...]:
        """The random id of the row, then whose it is: what no act ever changes."""
        raise NotImplementedError

    @classmethod
    def sealed_columns(cls) -> list[str]:
        """Return the names of the columns whose values are sealed."""
        return [one.name for one in cls.__table__.columns if one.name.startswith("sealed_")]

    def seal(self, column: str, plain: str) -> None:
        """Keep `plain` in a column, sealed."""
        setattr(self, column, keys.ring().seal(plain.encode(), self._place(column)))

    def unseal(self, column: str) -> str:
        """Return what a column holds. Raises SealBroken if it was not sealed right there."""
        value = getattr(self, column) or ""
        ring = keys.ring_with("seal", value.partition(":")[0])
        return ring.unseal(value, self._place(column)).decode()

    def sealed_anew(self, column: str, ring: keys.KeyRing) -> str:
        """Return what a column holds, sealed with the newest key. Raises SealBroken."""
        place = self._place(column)
        return ring.seal(ring.unseal(getattr(self, column), place), place)

    def opens(self, column: str, ring: keys.KeyRing) -> bool:
        """Tell whether a column's value opens with the keys of this ring."""
        try:
            ring.unseal(getattr(self, column), self._place(column))
        except keys.SealBroken:
            return False
        return True

    def _place(self, column: str) -> tuple[str, ...]:
        return (f"{self.__tablename__}.{column}", *self.bound_to)


def everywhere() -> Iterator[tuple[type[SealedModel], str]]:
    """Yield every sealed column there is, with its table's model: nobody lists them by hand."""
    for model in SealedModel.__subclasses__():
        for column in model.sealed_columns():
            yield model, column
