"""The lint reads every form of colour that a mail may use, and tells of every other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.colour import NoColour, contrast, read

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
