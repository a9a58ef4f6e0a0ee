"""The form of the wizard: one for all steps, each reads what it needs."""

from wtforms import BooleanField

from fields import BodyForm, OnceField


class StepForm(BodyForm):
    """A ticket (or an entry ticket) and what the step asks for."""

    ticket = OnceField()
    entry = OnceField()
    proof = OnceField()
    act = OnceField()
    code = OnceField()
    way = OnceField()
    address = OnceField()
    saved = BooleanField()


class PageForm(BodyForm):
    """What a page says of itself by beacon, and the ticket of its turn."""

    ticket = OnceField()
    page = OnceField()
    number = OnceField()
    word = OnceField()
