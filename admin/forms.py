"""The forms of administration."""

from fields import BodyForm, OnceField


class SearchForm(BodyForm):
    """Which people are looked for; in the body, because an address belongs into no URL."""

    search = OnceField()
    state = OnceField()
    after = OnceField()


class AddingForm(BodyForm):
    """People, one a line."""

    people = OnceField()


class EnforcementForm(BodyForm):
    """What an organisation asks."""

    level = OnceField()
    hard_from = OnceField()
    grace_days = OnceField()


class RoleForm(BodyForm):
    """Which role somebody gets."""

    role = OnceField()


class ResetForm(BodyForm):
    """Why somebody is reset, and what tells a second click from a second reset."""

    reason = OnceField()
    once = OnceField()
