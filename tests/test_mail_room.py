"""Every message in every sample: rendered, linted, compared with what is stored.

`make snapshots` writes the stored texts anew; read the difference before you commit it.
"""

import inspect
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from mail import messages, samples
from mail.lint import lint
from mail.message import MESSAGES, SAMPLES, Message
from mail.reading import grade
from mail.samples import Sample, samples_of
from tests.test_house import ROOT

STORED = Path(__file__).parent / "mails"
TEMPLATES = ROOT / "templates" / "mail"


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def as_stored(kind: str) -> str:
    """All samples of a message as one text."""
    parts = []
    for sample in samples_of(kind):
        message = sample.message().to(samples.RECIPIENT)
        parts.append(f"==== {sample.name}\nSubject: {message.subject}\n\n{message.text}")
    return "\n".join(parts)


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_sample_says_what_is_stored(context: None, kind: str) -> None:
    file = STORED / f"{kind}.txt"
    if os.environ.get("ONWARD_SNAPSHOTS"):
        STORED.mkdir(exist_ok=True)
        file.write_text(as_stored(kind), "utf-8")
    assert file.exists(), "make snapshots"
    assert as_stored(kind) == file.read_text("utf-8")


def test_nothing_is_stored_of_messages_that_are_gone() -> None:
    assert {file.stem for file in STORED.iterdir()} == set(MESSAGES)


@pytest.mark.parametrize("kind", MESSAGES)
def test_the_lint_finds_nothing(context: None, kind: str) -> None:
    for sample in samples_of(kind):
        assert (sample.name, lint(sample.message())) == (sample.name, [])


def test_every_function_that_makes_a_message_has_samples() -> None:
    made = {
        name
        for name, function in inspect.getmembers(messages, inspect.isfunction)
        if function.__module__ == messages.__name__
    }
    assert made == set(MESSAGES)


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_message_has_its_two_templates_and_says_when(kind: str) -> None:
    assert {f"{kind}.html", f"{kind}.txt"} <= {file.name for file in TEMPLATES.iterdir()}
    assert re.match(r"[A-Z].*\.$", samples.when(kind)), samples.when(kind)


def test_no_template_is_left_over() -> None:
    names = {file.stem for file in TEMPLATES.iterdir()}
    assert names == set(MESSAGES) | {"layout"}


def test_a_message_without_a_sample_value_is_told(context: None) -> None:
    def about_a_horse(name: str, horse: str) -> Message:
        raise AssertionError(name, horse)

    MESSAGES["about_a_horse"], SAMPLES["about_a_horse"] = about_a_horse, {}
    try:
        with pytest.raises(samples.NoSample, match="about_a_horse has no sample for 'horse'"):
            samples_of("about_a_horse")
    finally:
        del MESSAGES["about_a_horse"], SAMPLES["about_a_horse"]


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_mail_is_told_from_another_and_says_who_when_and_why(
    context: None, kind: str
) -> None:
    for sample in samples_of(kind):
        message = sample.message().to(samples.RECIPIENT)
        assert message.subject.endswith("(6 May, 12:04 UTC)")
        assert "6 May 2031, 12:04 UTC" in message.text
        assert f"Sent to {samples.RECIPIENT}" in message.text
        assert "Our mails come from onward@localhost" in message.text
        assert "max-width: 600px" in message.html
        assert '<div class="preheader" style="display: none' in message.html
    assert "an unknown browser" in samples_of(kind)[-1].message().text


def test_only_reminders_may_say_set_up_and_only_the_soft_one_can_be_ended(context: None) -> None:
    """RFC 8058: a header for one click, and only where less mail is anybody's choice."""
    for kind in MESSAGES:
        message = samples_of(kind)[0].message()
        is_reminder = kind.startswith("reminder")
        assert message.subject.startswith("Set up two-factor") == is_reminder
        assert bool(message.unsubscribe) == (kind == "reminder_soft")


# The lint can fail


def usual() -> Message:
    return samples_of("two_factor_on")[0].message()


def code_mail() -> Message:
    return samples_of("verification_code")[0].message()


def spoiled(message: Message, part: str, old: str, new: str) -> Message:
    before = getattr(message, part)
    assert old in before
    return replace(message, **{part: before.replace(old, new, 1)})


FAULTS = {
    "too_big": lambda: spoiled(usual(), "html", "</body>", "x" * 15_000 + "</body>"),
    "remote": lambda: spoiled(usual(), "html", "</body>", '<img src="https://x.example/"></body>'),
    "remote, by style": lambda: spoiled(
        usual(), "html", "margin: 0", "background: url(x);margin: 0"
    ),
    "facts": lambda: spoiled(usual(), "text", "ten backup codes", "some backup codes"),
    "codes, two": lambda: spoiled(code_mail(), "text", "048213", "048213 or 048214"),
    "codes, in the subject": lambda: replace(code_mail(), subject="048213 is your code"),
    "codes, none wanted": lambda: spoiled(usual(), "text", "Hello", "12345678 Hello"),
    "structure, lang": lambda: spoiled(usual(), "html", ' lang="en-GB"', ""),
    "structure, role": lambda: spoiled(usual(), "html", ' role="presentation"', ""),
    "contrasts": lambda: spoiled(usual(), "html", "color: #4a5670", "color: #b0b8c8"),
    "contrasts, dark": lambda: spoiled(usual(), "html", "color: #a9b4c8", "color: #2b364c"),
    "unfilled": lambda: spoiled(usual(), "text", "Alex", "%(name)s"),
    "unfilled, None": lambda: spoiled(usual(), "html", "Alex", "None"),
    "links": lambda: spoiled(usual(), "text", "Hello", "https://evil.example/ Hello"),
    "links, by name": lambda: spoiled(
        usual(), "text", "Hello", "http://127.0.0.1:5000.evil.example/ Hello"
    ),
    "plain_words": lambda: spoiled(
        usual(),
        "text",
        "Not you?",
        "Notwithstanding aforementioned considerations, your organisation's "
        "administrators necessarily accommodate authentication irregularities. " * 6,
    ),
    "support": lambda: spoiled(
        usual(), "html", "margin: 0", "display: flex;flex-wrap: wrap;margin: 0"
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_lint_finds(context: None, fault: str) -> None:
    found = lint(FAULTS[fault]())
    assert fault.partition(",")[0] in {finding.rule for finding in found}, found


def test_the_command_lints_all_and_fails_on_a_finding(app: Flask) -> None:
    run = app.test_cli_runner().invoke
    fine = run(args=["mail", "lint"])
    assert fine.exit_code == 0
    assert re.fullmatch(r"\d+ mails, 0 findings.\n", fine.output)
    app.config["ISSUER"] = "048213"
    spoilt = run(args=["mail", "lint"])
    assert spoilt.exit_code == 1
    assert "codes: 1 numbers that look like a code: ['048213']" in spoilt.output


def test_the_arithmetic_of_the_lint() -> None:
    """A child's sentence needs no grade, a lawyer's many."""
    assert grade("The cat sat on the mat.") < 2
    assert grade("Notwithstanding any contractual obligation, indemnification terminates.") > 15


def test_samples_hold_what_goes_wrong_with_names(context: None) -> None:
    names = {sample.name for sample in samples.every()}
    assert {"usual", "short name", "long name", "right to left", "unknown browser"} <= names
    values = samples.COMMON["name"]
    assert len(values["long name"]) >= 60
    assert any("\u0600" <= letter <= "\u06ff" for letter in values["right to left"])


def test_a_sample_is_named_in_addresses_without_blanks() -> None:
    assert Sample("x", "right to left", {}).path == "right-to-left"
