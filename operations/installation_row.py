"""Installation: the one row by which a database knows which installation it belongs to."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Self

from sqlalchemy.orm import Mapped, Session, mapped_column

from db import Json, Model, add_if_new, db, reading

ONLY = 1
"""The id of the one row."""


class Installation(Model):
    """What the files beside a database are compared with, before it is served (S-164)."""

    __tablename__ = "installation"
    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str]
    """128 random bits: tells this installation from every other one, also from its neighbour."""
    epoch: Mapped[int]
    """How often an older copy was put back and made safe."""
    restored_at: Mapped[datetime | None]
    marked_at: Mapped[datetime | None]
    """When its first mark was written; None: it comes from a version without marks."""
    key_prints: Mapped[dict[str, str] | None] = mapped_column(Json)
    """Fingerprints of the keys that belong to this database, by their names."""
    key_times: Mapped[dict[str, str] | None] = mapped_column(Json)
    """Since when it knows them, in ISO 8601; none of a key from before that was noted."""

    @classmethod
    def the_one(cls) -> Self:
        """Return the row, made if this is the first time, locked for the running transaction."""
        add_if_new(cls, id=ONLY, uid=secrets.token_hex(16), epoch=0)
        return db.session.get_one(cls, ONLY, with_for_update=True, populate_existing=True)

    @classmethod
    def shown(cls) -> Self | None:
        """Return the row as it is, for somebody who only looks; None: never initialised."""
        with reading() as connection, Session(connection) as session:
            return session.get(cls, ONLY)

    def know_keys(self, prints: Mapping[str, str], at: datetime) -> None:
        """Let these be the keys that belong to the database, those that are new since `at`."""
        known, times = self.key_prints or {}, self.key_times or {}
        new = {name: at.isoformat() for name, one in prints.items() if known.get(name) != one}
        kept = {name: since for name, since in times.items() if name in prints}
        if known != prints:
            self.key_prints, self.key_times = dict(prints), kept | new

    def knows_since(self, name: str) -> datetime | None:
        """Return since when the database knows a key; None if that was never noted."""
        since = (self.key_times or {}).get(name)
        return datetime.fromisoformat(since) if since is not None else None
