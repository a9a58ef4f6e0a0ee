"""Documents say what is (S-192): limits, lifetimes, keys and settings as the code has them."""

import re
from datetime import timedelta

import pytest

import keys
from accounts import (
    link_limits,
    password,
    password_link,
    password_tries,
    recent,
    reset,
    sign_in,
    sso_limits,
    sso_provider,
    sso_trip,
)
from factors import backup_codes, diagnosis, throttle, totp, trusted_device, void_record
from factors import backup_email as mailed
from mail import code_limits
from settings import SETTINGS
from tests.test_house import ROOT
from wizard import wizard

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MODEL, PROMISE = "docs/security-model.md", "SECURITY.md"


def said(length: timedelta) -> str:
    """Return a length of time as the documents say it."""
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (timedelta(minutes=1), "minute")):
        if not length % unit and (unit != DAY or length > DAY):
            count = length // unit
            return f"{count} {name}" + ("s" if count != 1 else "")
    return f"{length.seconds} seconds"


def hours(pauses: tuple[timedelta, ...]) -> str:
    *some, last = (str(pause // HOUR) for pause in pauses)
    return f"{', '.join(some)} and {last} hours"


def words(document: str) -> str:
    return " ".join((ROOT / document).read_text("utf-8").split())


LADDER = f"{said(throttle.LADDER[0])}, then {hours((*throttle.LADDER[1:], throttle.LADDER[-1]))}"
WINDOW = f"{password_tries.FREE} in {said(password_tries.WINDOW)}"
WAITS = f"{said(password_tries.FIRST_WAIT)}, doubling to {said(password_tries.LONGEST_WAIT)}"
MAILS = f"{code_limits.PER_HOUR} an hour, {code_limits.PER_DAY} a day"
LINKS = f"{link_limits.USUAL[0][0]} an hour and {link_limits.USUAL[1][0]} a day"
ARGON = {setting.name: setting.default for setting in SETTINGS}
ACCEPTED = (2 * totp.TOLERANCE + 1) * totp.STEP_SECONDS
VALUES = [
    (MODEL, f"SHA-1, {totp.DIGITS} digits, {totp.STEP_SECONDS} seconds; accepted for {ACCEPTED}"),
    (MODEL, f"ten codes of {backup_codes.DIGITS} digits, each once"),
    (MODEL, f"{mailed.DIGITS} digits, {said(mailed.LIFE)}, once"),
    (MODEL, f"{said(trusted_device.LIFE)}; only ticked with an app code"),
    (MODEL, f"A sensitive act needs a **proof** not older than {said(sign_in.PROOF)}"),
    (MODEL, f"State is good once, for {said(sso_trip.LIFE)}"),
    (MODEL, f"asks a provider for {sso_provider.SECONDS} seconds"),
    (MODEL, f"and {sso_limits.MOST_BYTES // 1024} KiB at most"),
    (MODEL, f"| wrong second-factor codes before a pause | {throttle.TRIES}:"),
    (MODEL, f"| pauses | {LADDER}; after {said(throttle.CALM)} without one"),
    (MODEL, f"| wrong codes of strangers in {throttle.YEAR.days} days | {throttle.MOST},"),
    (MODEL, f"| {throttle.TRIES} before a pause of its own; the {throttle.MOST_OF_DEVICE}th makes"),
    (MODEL, f'sign-in says "too old" | {diagnosis.PAST},'),
    (MODEL, f"| those of {said(void_record.KEPT)}, sealed, then wiped |"),
    (MODEL, f"| wrong codes in a set-up | the {wizard.WRONG_CODES}th voids it"),
    (MODEL, f"| wrong passwords that cost nothing | {WINDOW} |"),
    (MODEL, f"| waits after that | {WAITS} |"),
    (MODEL, f"| a browser is known | {said(trusted_device.LIFE)} from its last full sign-in |"),
    (MODEL, f"that opened a mailed link | {said(password_link.OWN_TRIES)} |"),
    (MODEL, f"asked for in a known browser | {LINKS} for each"),
    (MODEL, f"asked for in unknown browsers | {link_limits.STRANGERS[0][0]} an hour for all"),
    (MODEL, f"| {code_limits.SAME_CODE_WAIT.seconds} seconds apart |"),
    (MODEL, f"| {code_limits.PER_SERIES} per sign-in or set-up, {MAILS}, per account and per"),
    (MODEL, f"| sign-in without a request | ends after {said(sign_in.IDLE)} |"),
    (MODEL, f"| sign-in at all | ends after {said(sign_in.OVERALL)} |"),
    (MODEL, f"| half sign-in, waiting for its code | {said(sign_in.PENDING)} |"),
    (MODEL, f"| proof for a sensitive act | {said(sign_in.PROOF)} |"),
    (MODEL, f"nothing else | {said(sign_in.REPLAY)} |"),
    (MODEL, f"{said(wizard.IDLE)} after its last turn and {said(wizard.LONGEST)} after its start"),
    (MODEL, f"may be brought back until {said(wizard.RESUMABLE)} after it went hidden"),
    (MODEL, f"ended set-up, kept to answer late forms | {said(wizard.KEPT)},"),
    (MODEL, f"| link for a forgotten password | {said(password_link.LIFE)},"),
    (MODEL, f"| invitation | {said(password_link.INVITED)}, opens once, for one browser; {LINKS},"),
    (MODEL, f"{reset.LENGTH} characters, {5 * reset.LENGTH} bits, good for {said(reset.LIFE)}"),
    (MODEL, f"argon2id, {ARGON['PASSWORD_MEMORY_KIB']} KiB, {ARGON['PASSWORD_TIME_COST']} passes"),
    (MODEL, f"; {password.SHORTEST} to {password.LONGEST} characters, common ones refused"),
    (MODEL, f"| {8 * totp.SECRET_BYTES} random bits; AES-256-GCM"),
    (MODEL, f"a salt of {8 * backup_codes.SALT_BYTES} bits per list"),
    (MODEL, f"{8 * keys.KEY_BYTES} bits each, outside the database"),
    (MODEL, "people see their own last ten"),
    (PROMISE, f"a code is accepted for {ACCEPTED} seconds and once"),
    (PROMISE, f"pause the second factor for {said(throttle.LADDER[0])}"),
    (PROMISE, f"Wrong passwords: {WINDOW} from unknown browsers are free, then waits of"),
    (PROMISE, WAITS.replace(",", "")),
    (PROMISE, f"Reset links: {LINKS} from each known browser"),
    (PROMISE, f"Invitations: {LINKS} for each person"),
    (PROMISE, f"{code_limits.PER_SERIES} in one sign-in or set-up, {MAILS}, per account"),
    (PROMISE, f"ends after {said(sign_in.IDLE)} without use and after {said(sign_in.OVERALL)} at"),
    (PROMISE, f"at all; a half one after {said(sign_in.PENDING)}"),
    (
        PROMISE,
        f"{said(wizard.IDLE)} after its last step and {said(wizard.LONGEST)} after its start",
    ),
    (PROMISE, f"Sensitive acts need a proof not older than {said(sign_in.PROOF)}"),
]


@pytest.mark.parametrize(("document", "sentence"), VALUES)
def test_the_documents_have_the_values_of_the_code(document: str, sentence: str) -> None:
    assert sentence in words(document)


def test_numbers_that_are_words_are_right_as_well() -> None:
    assert (backup_codes.COUNT, recent.MOST) == (10, 10)


def test_every_key_stands_in_the_documents() -> None:
    for name in keys.NAMES:
        variable = f"ONWARD_KEY_{name.partition('-')[0].upper()}"
        assert f"| `{name}.key` | `{variable}` |" in words(MODEL)
        assert f"`{name}`" in words(PROMISE)
        assert variable in words(PROMISE)


def test_every_setting_stands_in_the_readme_with_its_default() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    told = {
        name: line
        for line in lines
        if line.startswith("| `")
        for name in re.findall(r"`([A-Z_]+)`", line.split("|")[1])
    }
    for setting in SETTINGS:
        default = told[setting.name].split("|")[2].replace("`", "")
        values = {part.strip() for part in (*default.split(","), default)}
        if setting.default == "":
            wanted = {"none", "the sender", "SQLite in the instance", "mark in the instance"}
        else:
            wanted = {"off" if setting.default is False else str(setting.default)}
        assert (setting.name, bool(values & wanted)) == (setting.name, True)
    assert set(told) == {setting.name for setting in SETTINGS} | {"INSTANCE", "PROVIDERS"}


def test_the_readme_lists_every_setting_and_no_other() -> None:
    """A setting that is not listed is not found, and one that is not read ends the start."""
    table = (ROOT / "README.md").read_text("utf-8").split("| setting (`ONWARD_…`)")[1]
    cells = [row.split("|")[1] for row in table.split("\n\n")[0].splitlines()[2:]]
    listed = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]

    assert sorted(listed) == sorted([*ARGON, "INSTANCE", "PROVIDERS"])


def test_the_readme_shows_the_defaults_of_numbers() -> None:
    table = (ROOT / "README.md").read_text("utf-8").split("| setting (`ONWARD_…`)")[1]
    for row in table.split("\n\n")[0].splitlines()[2:]:
        names, default = re.findall(r"`(\w+)`", row.split("|")[1]), row.split("|")[2]
        numbers = [ARGON[name] for name in names if type(ARGON.get(name)) is int]
        assert [int(n) for n in re.findall(r"\b\d+\b", default.replace("127.0.0.1:5000", ""))] == (
            numbers
        ), row
