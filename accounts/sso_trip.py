"""Trip: one way to a provider and back, good for one answer in one browser (S-180).

The row holds no secret: nonce and PKCE verifier follow from the state and a
server key, and of the state only the hash is kept. The browser is known by the
CSRF value of its session, so that the cookie holds nothing more for SSO.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from flask import session
from sqlalchemy import ForeignKey, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

import bounds
import keys
from bounds import at_most
from db import Model, choice, db

LIFE = timedelta(minutes=10)
"""How long somebody may be away, and then may take to show that an account is theirs."""


class Purpose(StrEnum):
    """Why somebody goes to a provider."""

    SIGN_IN = "sign in"
    PROOF = "proof"


class Trip(Model):
    """One trip; `subject` is set while a tie waits for the proof of the account."""

    __tablename__ = "sso_trips"
    id: Mapped[int] = mapped_column(primary_key=True)
    state_hash: Mapped[str] = mapped_column(unique=True)
    browser: Mapped[str] = mapped_column(index=True)
    provider_id: Mapped[str]
    purpose: Mapped[Purpose] = mapped_column(choice(Purpose))
    started_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    refused: Mapped[str | None]
    sign_in_id: Mapped[int | None] = mapped_column(ForeignKey("sign_ins.id"), index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    subject: Mapped[str | None] = mapped_column(at_most("subject", bounds.SUBJECT))
    exempt_at: Mapped[datetime | None]
    demand_met_at: Mapped[datetime | None]
    tied_at: Mapped[datetime | None]

    def secrets(self, state: str) -> "Secrets":
        """Return what was drawn when the trip began: the key by which it knows the browser tells.

        Once it is spent, by the browser that began it.
        """
        return Secrets.of(state, _browsers().get(self.browser))

    def tie_once(self, at: datetime) -> bool:
        """Spend the waiting tie; True for exactly one caller."""
        spent = db.session.execute(
            update(Trip)
            .where(Trip.id == self.id, Trip.tied_at.is_(None))
            .values(tied_at=at)
            .returning(Trip.id)
        )
        return spent.first() is not None


@dataclass(frozen=True)
class Secrets:
    """What belongs to one state."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def of(cls, state: str, number: int | None = None) -> "Secrets":
        """Return what follows from a state and a signing key, the newest or that one."""
        mac = keys.ring().mac
        return cls(
            state,
            mac("sso nonce", state.encode(), number=number).hex(),
            mac("sso verifier", state.encode(), number=number).hex(),
        )


def begin(
    provider_id: str, purpose: Purpose, sign_in_id: int | None, at: datetime
) -> tuple[Trip, Secrets]:
    """Return a trip of this browser to a provider, to be added when it really leaves."""
    made = Secrets.of(keys.token())
    trip = Trip(
        state_hash=keys.token_hash(made.state),
        browser=next(iter(_browsers())),
        provider_id=provider_id,
        purpose=purpose,
        started_at=at,
        sign_in_id=sign_in_id,
    )
    return trip, made


def spend(state: str, provider_id: str, at: datetime) -> Trip | None:
    """Spend the trip with this state if it was begun here, for this provider, not long ago."""
    return db.session.scalar(
        update(Trip)
        .where(
            Trip.state_hash == keys.token_hash(state),
            Trip.browser.in_(_browsers()),
            Trip.provider_id == provider_id,
            Trip.used_at.is_(None),
            Trip.started_at > at - LIFE,
        )
        .values(used_at=at)
        .returning(Trip)
    )


def waiting_tie(at: datetime) -> Trip | None:
    """Return the newest trip of this browser that waits for the proof of an account."""
    return db.session.scalar(
        select(Trip)
        .where(
            Trip.browser.in_(_browsers()),
            Trip.subject.is_not(None),
            Trip.tied_at.is_(None),
            Trip.used_at > at - LIFE,
        )
        .order_by(Trip.id.desc())
        .limit(1)
    )


def tie_of(sign_in_id: int) -> Trip | None:
    """Return the trip whose tie waits for the second factor of this sign-in."""
    return db.session.scalar(
        select(Trip).where(
            Trip.sign_in_id == sign_in_id, Trip.subject.is_not(None), Trip.tied_at.is_(None)
        )
    )


def lacks_auth_time(sign_in_id: int) -> bool:
    """Tell whether the provider's last proof for this sign-in did not say when it was given."""
    newest = db.session.scalar(
        select(Trip)
        .where(Trip.sign_in_id == sign_in_id, Trip.purpose == Purpose.PROOF)
        .order_by(Trip.id.desc())
        .limit(1)
    )
    return newest is not None and newest.refused == "sso_no_auth_time"


def end_everybodys() -> None:
    """Forget every trip: no answer of a provider is awaited any more (S-164)."""
    db.session.execute(delete(Trip))


def _browsers() -> dict[str, int]:
    """Return what stands for this browser's session, by each signing key, the newest first.

    A stranger's is never empty.
    """
    value, ring = str(session.get("csrf_token") or keys.token()).encode(), keys.ring()
    numbers = ring.numbers("signing")
    return {ring.mac("sso browser", value, number=number).hex(): number for number in numbers}
