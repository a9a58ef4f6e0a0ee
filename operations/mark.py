"""The mark: outside the database, the newest event that was ever committed in it (S-164).

A copy that is put back has fewer events than the mark says, so it is noticed at the next
start. The mark is moved after the commit and may lag behind, but never lead; whatever is
spent writes an event in the same transaction.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from click import ClickException
from flask import current_app
from sqlalchemy import event, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

import durable
from accounts.events import NEWEST
from db import reading
from operations.installation_row import Installation

DIGITS = 20
"""Of the event's number, so that every mark has one length and is written over in place."""
EXTENSION = "onward-mark"


class MarkNotWritten(ClickException):
    """There is no new mark, so the database is not served; the text says why."""


@dataclass(frozen=True)
class Mark:
    """Which installation, after how many restores, with which newest event."""

    uid: str
    epoch: int
    event: int

    def __str__(self) -> str:
        return f"{self.uid} {self.epoch:010d} {self.event:0{DIGITS}d}\n"

    @classmethod
    def parse(cls, text: str) -> "Mark | None":
        """Return the mark that a file holds, or None if it holds none."""
        with suppress(ValueError):
            uid, epoch, newest = text.split()
            mark = cls(uid, int(epoch), int(newest))
            return mark if str(mark) == text else None
        return None


def path() -> Path:
    """Return where the mark is kept: by the setting, a relative one in the instance folder."""
    return Path(current_app.instance_path) / (current_app.config["MARK_FILE"] or "mark")


def read() -> Mark | None:
    """Return the mark, or None if there is none that can be read."""
    try:
        return Mark.parse(path().read_text("ascii"))
    except (OSError, ValueError):
        return None


def write(mark: Mark) -> None:
    """Put a new mark in the place of any other one, whole or not at all.

    Raises MarkNotWritten with a sentence.
    """
    try:
        _replace(mark)
    except OSError as error:
        raise MarkNotWritten(
            f"The mark {path()} can't be written: {error.strerror}. Mend that, then run this again."
        ) from None
    know(mark.uid, mark.epoch)


def _replace(mark: Mark) -> None:
    target = path()
    new = target.with_name(target.name + ".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(str(mark))
        file.flush()
        os.fsync(file.fileno())
    new.replace(target)
    durable.fix(target.parent)


def know(uid: str, epoch: int) -> None:
    """Let this process move the mark of that installation, and no other one."""
    current_app.extensions[EXTENSION] = (uid, epoch)


def _whose() -> tuple[str, int] | None:
    """Return whose mark this process moves, looked up once."""
    if EXTENSION not in current_app.extensions:
        columns = Installation.__table__.c
        with reading() as connection:
            found = connection.execute(select(columns.uid, columns.epoch)).first()
        if found is None:
            return None
        know(*found)
    uid, epoch = current_app.extensions[EXTENSION]
    return uid, epoch


def _advance(newest: int) -> None:
    """Move the mark on to an event that is committed; one that is another's stays as it is."""
    if (whose := _whose()) is None:
        return
    mark = Mark(*whose, newest)
    try:
        handle = os.open(path(), os.O_RDWR)
    except FileNotFoundError:
        return  # made by `init` and `restore` alone: whoever deletes it is asked at the next start
    try:
        text = str(mark).encode()
        held = Mark.parse(os.pread(handle, len(text) + 1, 0).decode("ascii", "replace"))
        if held and (held.uid, held.epoch) == whose and held.event < newest:
            os.pwrite(handle, text[-DIGITS - 1 :], len(text) - DIGITS - 1)
    finally:
        os.close(handle)


@event.listens_for(Session, "after_commit")
def _move(session: Session) -> None:
    newest = session.info.pop(NEWEST, None)
    if newest is not None:
        try:
            _advance(newest)
        except (OSError, SQLAlchemyError) as error:
            # The answer stands: what lags is only the notice of an old copy.
            current_app.logger.error("the mark can't be written: %s", error)


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(NEWEST, None)
