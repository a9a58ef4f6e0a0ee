"""The base of every form: reads the body of a POST, each field once."""

from typing import Self

from flask import request
from flask_wtf import FlaskForm
from wtforms import StringField

MOST_DIGITS = 18
"""Digits that are read: 64 bits hold them."""


def plain(text: str) -> str:
    """Return a text with each NUL, which PostgreSQL stores in no text, as a browser shows it."""
    return text.replace("\0", "\ufffd")


def number(text: str | None, most: int) -> int | None:
    """Return the number that ASCII digits write, checked as it will be used; None above `most`."""
    written = (text or "").strip()
    if not written.isascii() or not written.isdigit() or len(written) > MOST_DIGITS:
        return None
    found = int(written)
    return found if found <= most else None


class OnceField(StringField):  # type: ignore[misc]  # WTForms ships no types
    """A text field that counts as empty when it is sent twice or not at all (S-007, S-141)."""

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = plain(valuelist[0]) if len(valuelist) == 1 else ""


class BodyForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """A Flask-WTF form of the request's body, never of its address or of JSON.

    CSRFProtect has checked every POST before a view runs; templates draw the
    fields themselves.
    """

    class Meta(FlaskForm.Meta):  # type: ignore[misc]  # Flask-WTF ships no types
        csrf = False
        locales = False  # no texts of WTForms are shown, so none are loaded

    @classmethod
    def posted(cls) -> Self:
        """Return the form as it was posted."""
        return cls(formdata=request.form)
