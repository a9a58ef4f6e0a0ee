"""Account, Organisation, Membership, SignIn: who signs in, and who can require what."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

import bounds
import clock
import keys
from bounds import BoundedInteger, BoundedMoment, at_most, one_of
from db import Model, choice, db
from factors.throttle import Throttle

IDLE = timedelta(hours=1)
"""How long a sign-in lives without a request (NIST 800-63B section 2.2.3; S-119)."""
OVERALL = timedelta(hours=24)
"""How long a sign-in lives at all."""
PENDING = timedelta(minutes=10)
"""How long a sign-in waits for its second factor (S-005)."""
PROOF = timedelta(minutes=5)
"""How old a proof may be for a sensitive act (S-047)."""
REPLAY = timedelta(minutes=1)
"""How long a spent token may ask again for the answer that renewed it."""


class Enforcement(StrEnum):
    """How firmly an organisation asks for two-factor authentication."""

    OFF = "off"
    SOFT = "soft"
    HARD = "hard"


class Role(StrEnum):
    """What a person is in an organisation."""

    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"


class Account(Model):
    """A person who signs in."""

    __tablename__ = "accounts"
    __table_args__ = (
        # The order of the list of people: a page of it is read without sorting them all.
        Index("ix_accounts_name", "name", "id"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(at_most("email", bounds.ADDRESS), unique=True)
    asked_email: Mapped[str | None] = mapped_column(at_most("asked_email", bounds.ADDRESS))
    """Of a placeholder alone: whom it stands for until they join (join_request.py)."""
    name: Mapped[str] = mapped_column(at_most("name", bounds.NAME))
    password_hash: Mapped[str | None]
    password_at: Mapped[datetime]
    password_version: Mapped[int] = mapped_column(default=0, server_default="0")
    """Counts the new passwords: two of them may have one moment. A new hash alone is none."""
    records_issued: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    reminders_off_at: Mapped[datetime | None]
    """When the person asked for no more reminders where nobody demands two-factor yet."""
    reset_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of the reset code that the next set-up asks for; None: none (S-171)."""
    reset_at: Mapped[datetime | None]

    @hybrid_property
    def shown_email(self) -> str:
        """The address that administrators see."""
        return self.asked_email or self.email

    @shown_email.inplace.expression
    @classmethod
    def _shown_email(cls) -> ColumnElement[str]:
        return func.coalesce(cls.asked_email, cls.email)

    @property
    def next_label(self) -> str:
        """The label that the next record in this person's app will have."""
        return record_label(self.email, self.records_issued + 1)

    @classmethod
    def create(cls, email: str, name: str, password_hash: str | None, at: datetime) -> "Account":
        """Add a person with their throttle. `email` is canonical; SSO alone needs no password."""
        account = cls(
            email=email,
            name=name,
            password_hash=password_hash,
            password_at=at,
            created_at=at,
        )
        db.session.add(account)
        db.session.flush()
        db.session.add(Throttle(account_id=account.id))
        return account

    @classmethod
    def locked(cls, account_id: int) -> "Account | None":
        """Return the account as it is now, which nobody else changes before the commit.

        For whoever let go of the lock while something slow ran: a hash, a provider.
        """
        return db.session.get(
            cls, account_id, with_for_update={"key_share": True}, populate_existing=True
        )


def record_label(email: str, number: int) -> str:
    """Return the label of the n-th record issued: the address, then with " #2", " #3", …"""
    return email if number == 1 else f"{email} #{number}"


class Organisation(Model):
    """A group that can require two-factor authentication of its members."""

    __tablename__ = "organisations"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(at_most("name", bounds.NAME), unique=True)
    enforcement: Mapped[Enforcement] = mapped_column(
        choice(Enforcement), one_of("enforcement", Enforcement)
    )
    hard_from: Mapped[datetime | None] = mapped_column(
        BoundedMoment("organisations.hard_from"),
        CheckConstraint(
            "hard_from >= '2000-01-01 00:00:00+00' AND hard_from < '2200-01-01 00:00:00+00'",
            name="hard_from",
        ),
    )
    """When soft becomes hard."""
    grace_days: Mapped[int] = mapped_column(
        BoundedInteger("organisations.grace_days", 0, bounds.MOST_DAYS),
        CheckConstraint(f"grace_days BETWEEN 0 AND {bounds.MOST_DAYS}", name="grace_days"),
        default=0,
        server_default="0",
    )
    """Days that each member has, from joining on, before it is a must."""
    created_at: Mapped[datetime]


class Membership(Model):
    """The tie between a person and an organisation."""

    __tablename__ = "memberships"
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(
        ForeignKey("organisations.id"), primary_key=True, index=True
    )
    role: Mapped[Role] = mapped_column(choice(Role), one_of("role", Role))
    since: Mapped[datetime] = mapped_column(BoundedMoment("memberships.since"), default=clock.now)
    """When the person's own clock began: stored once, never renewed."""

    @classmethod
    def begin(cls, account_id: int, organisation_id: int, role: Role, at: datetime) -> None:
        """Make somebody a member from this moment on, that of the event that tells of it."""
        db.session.add(
            cls(account_id=account_id, organisation_id=organisation_id, role=role, since=at)
        )

    @classmethod
    def administers(cls, account_id: int) -> bool:
        """Tell whether somebody looks after the people of an organisation."""
        found = exists().where(cls.account_id == account_id, cls.role != Role.MEMBER)
        return bool(db.session.scalar(select(found)))


class SignIn(Model):
    """One signed-in browser, kept on the server (S-110)."""

    __tablename__ = "sign_ins"
    __table_args__ = {"sqlite_autoincrement": True}
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    spent_hash: Mapped[str | None] = mapped_column(index=True)
    renewed_at: Mapped[datetime | None]
    first_factor: Mapped[str]
    first_at: Mapped[datetime]
    provider_id: Mapped[str | None]
    """The provider of SSO; beside the factor "password": a tie to it waits for its proof."""
    exempt_at: Mapped[datetime | None]
    """When the provider did all that is demanded of it: the own second factor is not due."""
    demand_met_at: Mapped[datetime | None]
    """When the provider said that it had asked for what was demanded of it; None where
    nothing was. It opens administration, which an exempt sign-in alone does not."""
    second_factor: Mapped[str | None]
    second_at: Mapped[datetime | None]
    proved_at: Mapped[datetime | None]
    proof_for: Mapped[str | None] = mapped_column(at_most("proof_for", bounds.PATH))
    reset_code_at: Mapped[datetime | None]
    """When the reset code was given, which lets this sign-in begin a set-up."""
    next_path: Mapped[str | None] = mapped_column(at_most("next_path", bounds.PATH))
    let_through: Mapped[str | None] = mapped_column(at_most("let_through", bounds.PATH))
    """The one page that "Not now" opens."""
    device_id: Mapped[int | None] = mapped_column(
        ForeignKey("trusted_devices.id", ondelete="SET NULL")
    )
    browser: Mapped[str]
    system: Mapped[str]
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    def is_alive(self, at: datetime) -> bool:
        """Tell whether it was neither ended nor left idle nor has become too old."""
        return self.ended_at is None and at < self.seen_at + IDLE and at < self.first_at + OVERALL

    def is_waiting(self, at: datetime) -> bool:
        """Tell whether its second factor may still be given."""
        return clock.within(self.first_at, PENDING, at)

    def is_proved(self, at: datetime) -> bool:
        """Tell whether a proof is fresh enough for a sensitive act."""
        return self.proved_at is not None and clock.within(self.proved_at, PROOF, at)

    def renew(self, token: str, at: datetime) -> str:
        """Give the sign-in a new token and return it; the old one is dead (S-111).

        The new token follows from the old one and a server key, so that the
        lost answer of a finishing POST can be given again with the same cookie
        although only hashes are stored.
        """
        new = renewed(token)
        self.spent_hash, self.token_hash = keys.token_hash(token), keys.token_hash(new)
        self.renewed_at = at
        return new

    def pass_second(self, factor: str, token: str, at: datetime) -> str:
        """Note the second factor, which is a proof as well; return the new token."""
        self.give_second(factor, at)
        self.proved_at = at
        return self.renew(token, at)

    def give_second(self, factor: str, at: datetime) -> None:
        """Note that a code was given in this very sign-in, at its beginning or later."""
        self.second_factor, self.second_at = factor, at

    def end(self, at: datetime) -> None:
        self.ended_at = at


def renewed(token: str) -> str:
    """Return the token that follows `token`."""
    return keys.ring().mac("renewed sign-in", token.encode()).hex()


def end_pending(account_id: int, device_id: int | None, at: datetime) -> None:
    """End the half sign-ins of one known browser, or of all strangers (S-094).

    Never those of other browsers: a stranger's wrong codes leave the owner alone.
    Those by SSO that owe no code are whole (S-099).
    """
    db.session.execute(
        update(SignIn)
        .where(
            SignIn.account_id == account_id,
            SignIn.second_at.is_(None),
            SignIn.exempt_at.is_(None),
            SignIn.device_id.is_not_distinct_from(device_id),
            SignIn.ended_at.is_(None),
        )
        .values(ended_at=at)
        .execution_options(synchronize_session=False)
    )


def end_all(account_id: int, at: datetime) -> None:
    """End every sign-in of a person, half ones too."""
    db.session.execute(
        update(SignIn)
        .where(SignIn.account_id == account_id, SignIn.ended_at.is_(None))
        .values(ended_at=at)
        .execution_options(synchronize_session=False)
    )


def end_others(sign_in: SignIn, at: datetime) -> bool:
    """End every other sign-in of the person (S-050); tell whether there was one."""
    ended = db.session.execute(
        update(SignIn)
        .where(
            SignIn.account_id == sign_in.account_id,
            SignIn.id != sign_in.id,
            SignIn.ended_at.is_(None),
        )
        .values(ended_at=at)
    )
    assert isinstance(ended, CursorResult)
    return bool(ended.rowcount)
