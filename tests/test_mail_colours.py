"""The lint reads every form of colour that a mail may use, and tells of every other."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import ChoiceLoader, DictLoader

from mail.colour import NoColour, contrast, read
from mail.lint import lint
from mail.message import Message
from mail.samples import samples_of

FORMS = {
    "rebeccapurple": (102, 51, 153, 1),
    "ReBeccaPurple": (102, 51, 153, 1),
    "transparent": (0, 0, 0, 0),
    "#ddd": (221, 221, 221, 1),
    "#DDDC": (221, 221, 221, 0.8),
    "#14213d": (20, 33, 61, 1),
    "#14213d80": (20, 33, 61, 128 / 255),
    "rgb(20, 33, 61)": (20, 33, 61, 1),
    "rgb(20,33,61)": (20, 33, 61, 1),
    "RGBA(20, 33, 61, .5)": (20, 33, 61, 0.5),
    "rgba(20, 33, 61, 50%)": (20, 33, 61, 0.5),
    "rgb(20 33 61)": (20, 33, 61, 1),
    "rgb( 20 33  61 / 0.5 )": (20, 33, 61, 0.5),
    "rgb(20 33 61/50%)": (20, 33, 61, 0.5),
    "rgb(100%, 0%, 50%)": (255, 0, 127.5, 1),
    "rgb(100% 0 50% / 5e-1)": (255, 0, 127.5, 0.5),
    "rgb(300 -20 61 / 200%)": (255, 0, 61, 1),
    "rgb(none 33 61)": (0, 33, 61, 1),
    "hsl(120, 100%, 25%)": (0, 127.5, 0, 1),
    "hsla(120, 100%, 25%, 0.4)": (0, 127.5, 0, 0.4),
    "hsl(120deg 100% 25%)": (0, 127.5, 0, 1),
    "hsl(120 100 25 / 40%)": (0, 127.5, 0, 0.4),
    "hsl(-240deg, 100%, 25%)": (0, 127.5, 0, 1),
    "hsl(0.3333333333turn 100% 25%)": (0, 127.5, 0, 1),
    "hsl(133.333333333grad 100% 25%)": (0, 127.5, 0, 1),
    "hsl(2.0943951024rad 100% 25%)": (0, 127.5, 0, 1),
    "hsl(0 0% 50%)": (127.5, 127.5, 127.5, 1),
    "hsl(210 120% 50%)": (0, 127.5, 255, 1),
}
WRONG = [
    "",
    "blau",
    "#",
    "#dd",
    "#ddddd",
    "#ddddddd",
    "#ggg",
    "#ddd ddd",
    "#１２３",
    "rgb()",
    "rgb(1, 2)",
    "rgb(1, 2, 3, 4, 5)",
    "rgb(1 2 3 4)",
    "rgb(1, 2 3)",
    "rgb(1, 2, 3 / 50%)",
    "rgb(1 2 3 /)",
    "rgb(1%, 2, 3)",
    "rgb(1.px 2 3)",
    "rgb(٣ 2 3)",
    "rgb (1 2 3)",
    "rgb(1 2 3",
    "rgb(none, 2, 3)",
    "hsl(120, 100, 25)",
    "hsl(120% 100% 25%)",
    "hsl(1e999 100% 25%)",
    "hsl(120mm 100% 25%)",
    "hwb(120 0% 0%)",
    "lab(50% 40 59)",
    "color(srgb 1 0 0)",
    "var(--ink)",
    "canvastext",
    "initial",
]


@pytest.mark.parametrize("form", FORMS)
def test_it_reads(form: str) -> None:
    red, green, blue, alpha = FORMS[form]
    colour = read(form)
    assert [part * 255 for part in (colour.red, colour.green, colour.blue)] == pytest.approx(
        [red, green, blue], abs=0.01
    )
    assert colour.alpha == pytest.approx(alpha)


@pytest.mark.parametrize("wrong", WRONG)
def test_it_refuses(wrong: str) -> None:
    with pytest.raises(NoColour):
        read(wrong)


LETTERS = st.text("#0123456789abcdefrgbhsl(),/% .+-e", max_size=30)


@given(st.one_of(st.text(max_size=30), LETTERS, LETTERS.map(lambda text: f"hsl({text})")))
def test_anything_is_a_colour_or_is_refused(text: str) -> None:
    try:
        colour = read(text)
    except NoColour:
        return
    parts = (colour.red, colour.green, colour.blue, colour.alpha)
    assert all(0 <= part <= 1 for part in parts)


def test_contrast_sees_through_a_colour() -> None:
    """Half a black on white is a grey, on black it is not to be seen; WCAG 2.2, 1.4.3."""
    black, white = read("black"), read("#fff")
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(read("#777777"), white) == pytest.approx(4.48, abs=0.01)
    half = read("rgb(0 0 0 / 50%)")
    assert contrast(half, white) == pytest.approx(contrast(read("rgb(127.5 127.5 127.5)"), white))
    assert contrast(half, black) == pytest.approx(1)


# In a whole mail


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def changed(old: str, new: str) -> Message:
    """A mail of ours with something else in its HTML."""
    message = samples_of("two_factor_on")[0].message()
    assert old in message.html
    return replace(message, html=message.html.replace(old, new))


def with_ink(ink: str) -> Message:
    return changed("color: #4a5670", f"color: {ink}")


def told(message: Message, rule: str) -> list[str]:
    return [finding.what for finding in lint(message) if finding.rule == rule]


DARK_INKS = [
    *("navy", "NAVY", "inherit", "#135", "#135f", "#4a5670", "#4a5670ff"),
    *("rgb(74, 86, 112)", "rgb(74 86 112 / 100%)", "rgb(0 0 0 / 70%)"),
    *("hsl(221, 20%, 36%)", "hsl(221deg 20% 36% / .95)"),
]
PALE_INKS = [
    *("silver", "transparent", "#ddd", "#4a56", "#dddddd", "#4a567055"),
    *("rgb(221, 221, 221)", "rgba(0,0,0,.4)", "hsl(0 0% 80%)", "hsl(221 20% 36% / 40%)"),
]


@pytest.mark.parametrize("ink", DARK_INKS)
def test_a_mail_with_a_dark_enough_ink_is_fine(context: None, ink: str) -> None:
    assert lint(with_ink(ink)) == []


@pytest.mark.parametrize("ink", PALE_INKS)
def test_a_mail_with_a_pale_ink_is_told(context: None, ink: str) -> None:
    found = lint(with_ink(ink))
    assert {finding.rule for finding in found} == {"contrasts"}
    assert all(finding.what.startswith("light: ") for finding in found)


@pytest.mark.parametrize("ink", ["blau", "#dd", "rgb(1, 2)", "oklch(40% 0.1 200)", "var(--ink)"])
def test_a_mail_with_no_colour_is_told_once(context: None, ink: str) -> None:
    assert told(with_ink(ink), "colours") == [
        f"color: {ink} is not a colour that the lint can read"
    ]


def test_a_wrong_colour_of_the_dark_scheme_is_told_as_well(context: None) -> None:
    assert told(changed("color: #a9b4c8", "color: #a9b4c"), "colours")
    assert told(changed("color: #a9b4c8", "color: rgb(255 255 255 / 20%)"), "contrasts")
    assert not lint(changed("color: #a9b4c8", "color: rgb(255 255 255 / 80%)"))


def test_a_rule_of_the_dark_scheme_is_read_as_a_mail_program_reads_it(context: None) -> None:
    """Only a weighty rule wins over the styles that stand in an element (css-inline)."""
    old = ".soft { color: #a9b4c8 !important }"
    for rule, rules in (
        (".soft { color: #a9b4c8 }", {"contrasts"}),
        (".soft, .soft { color: #a9b4c8 ! IMPORTANT }", set()),
        (".soft,.brand{color:#14213d!important}", {"contrasts"}),
        ("p { color: #14213d !important }", {"contrasts"}),
        (".soft { /* light; as it was */ color: #a9b4c8 !important }", set()),
        ("td .soft { color: #a9b4c8 !important }", {"contrasts", "colours"}),
    ):
        found = lint(changed(old, rule))
        assert (rule, {finding.rule for finding in found}) == (rule, rules)


def test_the_old_attributes_paint_as_well(context: None) -> None:
    """Mails are still written with them."""

    def painted(new: str) -> set[str]:
        return {f.rule for f in lint(changed("<p style=", f"<p {new} style="))}

    assert painted('bgcolor="#0b0b0b"') == {"contrasts"}
    assert painted('bgcolor="chucknorris"') == {"colours"}
    assert painted('bgcolor="#fff"') == {"contrasts"}  # in the dark scheme
    font = ("Hello Alex Archer,", '<font color="#eee">Hello Alex Archer,</font>')
    assert {f.what[:5] for f in lint(changed(*font)) if f.rule == "contrasts"} == {"light"}


def test_paper_is_seen_through_to_the_paper_below(context: None) -> None:
    """A veil of black over the white card darkens it; twice it darkens more."""
    body = '<p style="{}"><span style="{}">Hello</span> Alex Archer,</p>'

    def veiled(outer: str, inner: str) -> list[str]:
        html = re.sub(
            r"<p[^>]*>Hello Alex Archer,</p>",
            body.format(outer, inner),
            samples_of("two_factor_on")[0].message().html,
        )
        assert inner in html
        message = replace(samples_of("two_factor_on")[0].message(), html=html)
        return [what for what in told(message, "contrasts") if what.startswith("light")]

    veil = "background-color: rgb(0 0 0 / 40%)"
    assert veiled(veil, "color: #14213d") == []
    assert len(veiled(veil, veil)) == 1
    assert len(veiled("background: #14213d", "color: inherit")) == 2
    assert veiled("background: #14213d; color: white", "background: none") == []
    assert len(veiled("color: white", "background: #14213d no-repeat")) == 1


def test_the_command_tells_of_a_wrong_colour_and_ends(app: Flask) -> None:
    usual = app.jinja_env.loader
    assert usual is not None
    layout = usual.get_source(app.jinja_env, "mail/layout.html")[0]
    for colour, said in (
        ("#ddd", "contrasts: light: 1.4 for "),
        ("#dddd1", "colours: color: #dddd1 is not a colour that the lint can read"),
    ):
        spoilt = layout.replace("color: #4a5670", f"color: {colour}")
        app.jinja_env.loader = ChoiceLoader([DictLoader({"mail/layout.html": spoilt}), usual])
        app.jinja_env = app.jinja_env.overlay()  # its cache holds the layout as it was
        run = app.test_cli_runner().invoke(args=["mail", "lint"])
        assert run.exit_code == 1, run.exception
        assert said in run.output
