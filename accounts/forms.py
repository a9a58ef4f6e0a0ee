"""The forms of the accounts room."""

from wtforms import BooleanField

from fields import BodyForm, OnceField


class SignInForm(BodyForm):
    """Email and password."""

    email = OnceField()
    password = OnceField()


class CodeForm(BodyForm):
    """A code of any kind, and whether this device is to be trusted."""

    code = OnceField()
    trust = BooleanField()


class PasswordForm(BodyForm):
    """The old password, where there is one, and the new one."""

    old = OnceField()
    new = OnceField()


class ProofForm(BodyForm):
    """A code or the password."""

    code = OnceField()
    password = OnceField()
