"""Where one is in a set-up: stage n of m, and what each stage is called."""

from dataclasses import dataclass

from flask_babel import LazyString, lazy_gettext

from wizard.wizard import Kind

STAGES: dict[Kind, list[tuple[set[str], LazyString]]] = {
    Kind.SET_UP: [
        ({"app"}, lazy_gettext("Get the app")),
        ({"scan"}, lazy_gettext("Scan")),
        ({"verify"}, lazy_gettext("Enter the code")),
        ({"backup"}, lazy_gettext("Choose a backup")),
        ({"codes", "email", "email_code"}, lazy_gettext("Save the backup")),
    ],
    Kind.CODES: [({"codes"}, lazy_gettext("Save the codes"))],
    Kind.EMAIL: [
        ({"email"}, lazy_gettext("Give the address")),
        ({"email_code"}, lazy_gettext("Confirm it")),
    ],
}
STAGES[Kind.AUTHENTICATOR] = STAGES[Kind.SET_UP][:3]


@dataclass(frozen=True)
class Progress:
    """Where one is: stage `number` of the `names`."""

    number: int
    names: list[LazyString]


def progress(kind: Kind, step: str) -> Progress:
    """Return where a step lies on its way."""
    stages = STAGES[kind]
    if step in {"backup", "codes", "email", "email_code"} and kind is Kind.AUTHENTICATOR:
        stages = STAGES[Kind.SET_UP]  # nothing is left as a backup: the way is longer
    number = next((n for n, (steps, _) in enumerate(stages, 1) if step in steps), 1)
    return Progress(number, [name for _, name in stages])
