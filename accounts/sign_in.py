"""SignIn: one signed-in browser, how long it lives, and what ends it."""

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, text, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Mapped, mapped_column

import bounds
import clock
import keys
from bounds import at_most
from db import Model, db

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


class SignIn(Model):
    """One signed-in browser, kept on the server (S-110)."""

    __tablename__ = "sign_ins"
    __table_args__ = (
        # Old ones, and those of a browser that is forgotten, are found without reading all.
        Index("ix_sign_ins_first_at", "first_at"),
        Index(
            "ix_sign_ins_device_id",
            "device_id",
            sqlite_where=text("device_id IS NOT NULL"),
            postgresql_where=text("device_id IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},
    )
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


def successor(sign_in: SignIn, token: str) -> str | None:
    """Return the token of a sign-in that followed `token`, whatever signing key was the newest."""
    macs = keys.ring().macs("renewed sign-in", token.encode())
    return next((m.hex() for m in macs if keys.token_hash(m.hex()) == sign_in.token_hash), None)


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
