"""Commands that end with a sentence where the machine below them fails, never with a traceback."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from keys import KeysMissing
from operations import faults

TRY_AGAIN = 75
"""Exit status of what may work later (EX_TEMPFAIL of sysexits.h)."""


class MachineFault(click.ClickException):
    """The database or the disk failed; the text says how."""


class PassingFault(MachineFault):
    """The same, and it may be over later."""

    exit_code = TRY_AGAIN


def polite(command: click.Command) -> click.Command:
    """Return the command, which tells of a failing machine in one sentence from now on.

    Commands outlive an application: one that is polite already stays as it is.
    """
    invoke: Callable[[click.Context], Any] = command.invoke
    if getattr(invoke, "is_polite", False):
        return command

    def told(ctx: click.Context) -> Any:
        with telling():
            return invoke(ctx)

    told.is_polite = True  # type: ignore[attr-defined]  # a mark on our own function
    # Groups and commands alike, without a class for each kind.
    command.invoke = told  # type: ignore[method-assign]  # the class has none to set
    return command


@contextmanager
def telling() -> Iterator[None]:
    """Turn what database, disk and keys raise into MachineFault or PassingFault."""
    try:
        yield
    except DBAPIError as error:
        kind = PassingFault if faults.is_passing(error) else MachineFault
        raise kind(faults.sentence(error)) from None
    except KeysMissing as error:
        raise MachineFault(str(error)) from None
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise PassingFault("The disk is full.") from None
        if error.filename is None:
            raise  # no file of ours
        raise MachineFault(f"{error.strerror}: {error.filename}") from None
