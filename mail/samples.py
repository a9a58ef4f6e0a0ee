"""The values with which the gallery and the lint look at every message.

A parameter's usual value comes first. Each further one makes a sample of its own, in
which everything else is usual. What only one message has stands beside that message.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import client
import mail.messages  # noqa: F401  # declares every message
from mail.message import MESSAGES, SAMPLES, Message, our_address


class Path(str):
    """The path of a link, whose address is that of the settings."""


AT = datetime(2031, 5, 6, 12, 4, tzinfo=UTC)
"""The moment of all samples, so that their texts can be compared with stored ones."""
RECIPIENT = "alex@home.example"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
COMMON: dict[str, dict[str, Any]] = {
    "name": {
        "usual": "Alex Archer",
        "short name": "Jo",
        "long name": "Maximiliane Theodora von und zu Hohenstein-Falkenberg-Wartenau",
        "right to left": "نور الهدى عبد الرحمن",
    },
    "at": {"usual": AT},
    "ends_at": {"usual": AT + timedelta(minutes=10)},
    "soon": {"usual": AT + timedelta(minutes=30)},
    "later": {"usual": AT + timedelta(days=14)},
    "code": {"usual": "048213"},
    "link": {"usual": Path("/signin/reset/AbCdEfGhIjKlMnOpQrStUvWxYz-_")},
    "unsubscribe": {"usual": Path("/help/unsubscribe/Mg.AbCdEfGhIjKlMnOp")},
    "label": {"usual": "alex@example.com #2"},
    "address": {"usual": "a•••@home.example"},
    "organisation": {
        "usual": "Hartley & Sons",
        "long organisation": "Royal and Ancient Society for the Encouragement of Arts and Letters",
    },
}


class NoSample(LookupError):
    """A message has a parameter that nobody gave a sample value."""


@dataclass(frozen=True)
class Sample:
    """One message with its values, and the browser that caused it."""

    kind: str
    name: str
    values: dict[str, Any]
    agent: str = FIREFOX

    @property
    def path(self) -> str:
        """Its name as it stands in an address and a file name."""
        return self.name.replace(" ", "-")

    def message(self) -> Message:
        """Write the mail, as a request of that browser would."""
        with client.pretending(self.agent):
            return MESSAGES[self.kind](**self.values)


def samples_of(kind: str) -> list[Sample]:
    """Return the samples of a message, the usual one first. Raises NoSample."""
    choices = {name: _choices(kind, name) for name in inspect.signature(MESSAGES[kind]).parameters}
    usual = {name: next(iter(values.values())) for name, values in choices.items()}
    others = [
        Sample(kind, title, usual | {name: value})
        for name, values in choices.items()
        for title, value in list(values.items())[1:]
    ]
    return [Sample(kind, "usual", usual), *others, Sample(kind, "unknown browser", usual, "")]


def every() -> Iterator[Sample]:
    """Yield every sample of every message."""
    for kind in MESSAGES:
        yield from samples_of(kind)


def when(kind: str) -> str:
    """Return when a message is sent: the first line of its docstring."""
    return (inspect.getdoc(MESSAGES[kind]) or "").partition("\n")[0]


def _choices(kind: str, parameter: str) -> dict[str, Any]:
    beside = SAMPLES[kind]
    if parameter in beside:
        values = beside[parameter]
        if not isinstance(values, dict):
            values = {str(value): value for value in values}
    elif parameter in COMMON:
        values = COMMON[parameter]
    else:
        raise NoSample(f"{kind} has no sample for {parameter!r}: add one beside it.")
    return {title: _meant(value) for title, value in values.items()}


def _meant(value: Any) -> Any:
    """Return what stands for a value: a word a common moment, a path an address of ours."""
    if isinstance(value, Path):
        return our_address(value)
    return COMMON[value]["usual"] if value in {"soon", "later", "ends_at"} else value
