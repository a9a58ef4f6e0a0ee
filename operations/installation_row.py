"""Installation: the one row by which a database knows which installation it belongs to."""

import secrets
from datetime import datetime
from typing import Self

from sqlalchemy.orm import Mapped, mapped_column

from db import Json, Model, add_if_new, db

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

    @classmethod
    def the_one(cls) -> Self:
        """Return the row, made if this is the first time, locked for the running transaction."""
        add_if_new(cls, id=ONLY, uid=secrets.token_hex(16), epoch=0)
        return db.session.get_one(cls, ONLY, with_for_update=True, populate_existing=True)
