"""Account, Organisation, Membership: who signs in, and who can require what."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    and_,
    exists,
    func,
    select,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

import bounds
import clock
from bounds import BoundedInteger, BoundedMoment, at_most, one_of
from db import Model, choice, db
from factors.throttle import Throttle


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


REMOVED = "removed person "
"""Instead of name and address: how the number of somebody begins who was removed."""


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

    @hybrid_property
    def is_removed(self) -> bool:
        """Whether only the number of somebody is left, for the log."""
        return self.email.startswith(REMOVED)

    @classmethod
    def are_people(cls) -> ColumnElement[bool]:
        """The condition for somebody: no placeholder of a request, no removed number."""
        return and_(~cls.is_removed, cls.asked_email.is_(None))

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
