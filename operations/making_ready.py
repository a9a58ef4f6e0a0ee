"""An installation made ready: folder, keys, database, and which keys belong to it."""

from pathlib import Path

import click
from flask import current_app

import clock
import key_files
import keys
from accounts import events
from db import alembic, db, reading
from operations import alone, files, key_check, key_lock, mark, schema, start, write_check
from operations.installation_row import Installation


def prepare(new_keys: bool = False) -> None:
    """Make folder, keys and database what this version needs.

    A key is made only for a database without accounts, or because the operator says that
    the old one is lost (S-161, S-164). Ends with a sentence, and with nothing changed, if
    keys are missing or belong to another database.
    """
    with files.private():
        Path(current_app.instance_path).mkdir(parents=True, exist_ok=True)
        with alone.alone():
            _prepare(new_keys)


def _prepare(new_keys: bool) -> None:
    missing = keys.missing(key_check.folder())
    if not new_keys:
        _refuse_without(missing)
    elif unusable := _unusable(missing):
        raise click.ClickException(
            f"These keys are short or not hexadecimal: {', '.join(unusable)}. Move their files "
            "away, or their variables, then run this again."
        )
    # First the database: if it needs the keys it has, a missing one must not be made anew.
    _upgrade()
    with key_lock.alone():  # a rotation or retirement changes the same row
        for name in keys.make(key_check.folder(), _fresh(missing)):
            click.echo(f"Made the key {name}. Back it up apart from the database.")
        _bind(key_check.with_retired(), new_keys)
    _mark()
    write_check.write(clock.now())


def _upgrade() -> None:
    """Bring the database to this version; end with a sentence if that is not what it is then."""
    with reading() as connection:
        found = schema.version(connection)
    if found is not None and found > schema.wanted():
        raise click.ClickException(f"Nothing was changed. {schema.misfit(found)}")
    alembic.upgrade()
    if told := schema.differences():
        raise click.ClickException(
            f"The database is not what this version makes: {'; '.join(told)}. "
            "Something other than Onward has changed it. Undo that, or restore a backup."
        )


def _unusable(names: list[str]) -> list[str]:
    """Return those of the missing keys that are there but no keys: nothing is written over them."""
    files = {key_files.name_of(*key_files.parts(file.stem)) for file in _files()}
    return [name for name in names if name in files or name in key_files.of_environment()]


def _files() -> list[Path]:
    return key_files.files_of(key_check.folder())


def _fresh(names: list[str]) -> list[str]:
    """Return how new keys in the place of lost ones are called: a number never comes again."""
    numbers: dict[str, int] = {}
    for purpose, number in map(key_files.parts, key_check.stored_prints() or {}):
        numbers[purpose] = max(number, numbers.get(purpose, 0))
    found = []
    for name in names:
        purpose, number = key_files.parts(name)
        last = numbers.get(purpose, number)
        found.append(key_files.name_of(purpose, last + 1) if last > number else name)
    return found


def _mark() -> None:
    """Write the first mark of an installation; only `restore` writes one that is lost."""
    row, held, at = Installation.the_one(), mark.read(), clock.now()
    is_first = row.marked_at is None and (held is None or held.uid == row.uid)
    if is_first or not key_check.has_accounts():
        # A copy from before marks existed is not taken for new where a mark lies already.
        mark.write(mark.Mark(row.uid, row.epoch, start.newest_event()))
        row.marked_at = row.marked_at or at
    db.session.commit()


def _refuse_without(missing: list[str]) -> None:
    """End with a sentence if accounts need keys that are not here."""
    if missing and key_check.has_accounts():
        raise _refused("The database has accounts, and these keys are missing or short", missing)
    prints = key_check.stored_prints()
    if prints and not missing:
        ring = key_check.with_retired()
        if strangers := key_check.strangers(ring, prints):
            raise _refused("These keys don't belong to the database", strangers)
        if lacking := key_check.lacking(ring, prints):
            raise _refused("The database needs keys that are missing", lacking)


def _refused(why: str, names: list[str]) -> click.ClickException:
    return click.ClickException(
        f"Nothing was changed. {why}: {', '.join(names)}. "
        "Put back the folder of keys from your backup. Are they lost for ever? Then "
        "flask --app app init --new-keys goes on without them, and these can't be read any more: "
        f"{key_check.losses(names)}."
    )


def _bind(ring: keys.KeyRing, new_keys: bool) -> None:
    """Let the database remember these keys, if they open what it holds."""
    row = Installation.the_one()
    known = row.key_prints or {}
    lost = [name for name, one in known.items() if ring.prints.get(name, "") != one]
    if row.key_prints is None and not new_keys and (closed := key_check.closed_kinds(ring)):
        db.session.rollback()
        raise click.ClickException(
            f"The keys don't open what the database holds: {', '.join(closed)}. "
            "Put back the keys that belong to it and run this again."
        )
    if new_keys and lost:
        click.echo(f"These can't be read any more: {key_check.losses(lost)}.")
        events.record("keys replaced", None, clock.now(), result=", ".join(lost))
    # What an old copy needs of the retired keys is remembered until `restore` has sealed it anew.
    row.know_keys(ring.prints if new_keys else known | ring.prints, clock.now())
    db.session.commit()
