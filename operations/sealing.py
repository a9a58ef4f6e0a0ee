"""Sealing anew: every sealed value gets the newest key, while people go on (S-162).

Old and new values open, and nobody waits for more than a page of rows. Killed anywhere it
is run again: what is still sealed with an older key tells what is left.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import cast

from sqlalchemy import ColumnElement, Table, bindparam, func, select, update

import keys
import sealed
from db import db, reading
from keys import KeyRing, SealBroken
from sealed import SealedModel

PAGE = 200
"""Rows of one transaction: nobody waits longer for them."""
WAIT = 0.05
"""Seconds until rows that others held are tried again."""
Rows = Sequence[tuple[int, SealedModel]]
Tell = Callable[[str, int], None]
"""Is told of a column and how many of its values are sealed anew, page by page."""


def has_old_values(ring: KeyRing) -> bool:
    """Tell whether a value is sealed with another key than the newest."""
    return any(Column(model, name, ring).left() for model, name in sealed.everywhere())


def seal_anew(tell: Tell) -> list[str]:
    """Seal everything with the newest key until nothing else is left.

    Returns what does not open, as "table.column id": it stays as it is.
    """
    closed = []
    for model, name in sealed.everywhere():
        column = Column(model, name, keys.ring())
        closed += [f"{column} {number}" for number in column.seal_anew(tell)]
    return closed


class Column:
    """One sealed column, on its way to the newest key of a ring."""

    def __init__(self, model: type[SealedModel], name: str, ring: KeyRing) -> None:
        self.model, self.name, self.ring = model, name, ring
        self.table = cast(Table, model.__table__)

    def __str__(self) -> str:
        return f"{self.table.name}.{self.name}"

    @property
    def is_old(self) -> ColumnElement[bool]:
        """The condition for a value that is not sealed with the newest key."""
        return self.table.c[self.name].not_like(f"{self.ring.newest('seal')}:%")  # no NULL is

    def left(self) -> int:
        """Count the values that are not sealed with the newest key."""
        with reading() as connection:
            return connection.scalar(select(func.count()).where(self.is_old)) or 0

    def seal_anew(self, tell: Tell) -> list[int]:
        """Seal all values anew; return the ids of those that don't open."""
        done = 0
        while True:
            closed: list[int] = []
            for changed, unopened in self._pages():
                done, closed = done + changed, closed + unopened
                tell(str(self), done)
            if self.left() <= len(closed):
                return closed
            time.sleep(WAIT)

    def _pages(self) -> Iterator[tuple[int, list[int]]]:
        """Seal page after page anew; yield how many values changed and which don't open."""
        last = 0
        while True:
            began = time.monotonic()
            rows = self._page(last)
            closed = self._seal(rows)
            db.session.commit()
            db.session.expunge_all()
            if not rows:
                return
            last = rows[-1][0]
            yield len(rows) - len(closed), closed
            time.sleep(time.monotonic() - began)  # on SQLite others get their turn to write

    def _page(self, last: int) -> Rows:
        """Return rows after `last`, locked. Those that others hold come in the next round:
        who waits for nobody can't be part of a deadlock.
        """
        number = self.table.c.id
        query = select(number, self.model).where(number > last, self.is_old).order_by(number)
        locked = query.limit(PAGE).with_for_update(skip_locked=True, key_share=True)
        return db.session.execute(locked).all()

    def _seal(self, rows: Rows) -> list[int]:
        """Seal rows anew, each by compare-and-set; return the ids of those that don't open."""
        changes, closed = [], []
        for number, row in rows:
            old = getattr(row, self.name)
            try:
                changes.append(
                    {"row": number, "old": old, "new": row.sealed_anew(self.name, self.ring)}
                )
            except SealBroken:
                closed.append(number)
        if changes:
            held = self.table.c[self.name]
            same = update(self.table).where(
                self.table.c.id == bindparam("row"), held == bindparam("old")
            )
            db.session.connection().execute(same.values({held: bindparam("new")}), changes)
        return closed
