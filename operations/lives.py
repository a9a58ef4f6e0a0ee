"""How long rows stay: for every table which of its rows have had their day (S-165).

The table "How long rows stay" in docs/security-model.md says the same in words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, aliased

from accounts import events, refusals
from accounts.events import Event
from accounts.join_request import JoinRequest
from accounts.link_requests import LinkRequest
from accounts.models import Account
from accounts.password_link import INVITED, OWN_TRIES, PasswordLink
from accounts.password_link import LIFE as LINK_LIFE
from accounts.password_tries import PasswordTries
from accounts.past_membership import PastMembership
from accounts.refusals import RefusalCount
from accounts.sign_in import SignIn
from accounts.sso_trip import Trip
from db import db, reading
from factors.backup_codes import BackupCode
from factors.backup_email import EmailCode
from factors.trusted_device import LIFE, TrustedDevice
from factors.void_record import KEPT as RECORDS_KEPT
from factors.void_record import VoidRecord
from mail.outbox import Outbox
from operations.backup import Backup
from wizard.moves import live
from wizard.wizard import KEPT, RESUMABLE, Wizard

DAY = timedelta(days=1)
REPLACED = timedelta(days=365)
"""How long a backup code of an earlier list is recognised as one."""
BACKUPS = timedelta(days=365)
"""How long it is known of a copy when it was made; the newest one with the same keys stays."""
BATCH = 500
"""Rows that one statement changes, in a transaction of its own."""
Key = InstrumentedAttribute[Any]


@dataclass(frozen=True)
class Ending:
    """Which rows of one table go; or, with `wiped`, which values of theirs."""

    key: Key
    is_over: ColumnElement[bool]
    wiped: dict[str, Any] | None = None

    def some(self) -> int:
        """End some of the rows and commit; return how many. Looking for them holds no lock."""
        with reading() as connection:
            keys = connection.scalars(select(self.key).where(self.is_over).limit(BATCH)).all()
        if keys:
            # In one order, so that two processes never wait for one another.
            theirs = self.key.in_(sorted(keys))
            what = self.key.class_
            change = delete(what) if self.wiped is None else update(what).values(self.wiped)
            db.session.execute(
                change.where(theirs, self.is_over),
                execution_options={"synchronize_session": False},
            )
            db.session.commit()
        return len(keys)


def endings(at: datetime) -> Iterator[Ending]:
    """Yield what is over at this moment: first the rows that point to others."""
    yield Ending(VoidRecord.id, VoidRecord.voided_at <= at - RECORDS_KEPT)
    yield Ending(EmailCode.id, EmailCode.made_at <= at - DAY)
    yield Ending(Trip.id, Trip.started_at <= at - DAY)
    yield from _of_set_ups(at)
    yield Ending(TrustedDevice.id, TrustedDevice.last_used_at <= at - LIFE)
    yield Ending(PasswordTries.bucket, PasswordTries.are_over(at))
    counted = min(refusals.KEPT, days("ADDRESSES_DAYS"))
    yield Ending(RefusalCount.hour, RefusalCount.hour <= at - counted)
    yield Ending(LinkRequest.id, LinkRequest.made_at <= at - LINK_LIFE)
    yield Ending(PasswordLink.id, PasswordLink.made_at <= at - INVITED - OWN_TRIES)
    yield Ending(BackupCode.id, BackupCode.replaced_at <= at - REPLACED)
    yield Ending(JoinRequest.id, JoinRequest.accepted_at <= at - days("MAILS_DAYS"))
    yield Ending(Outbox.id, _mail_is_over(at))
    yield Ending(SignIn.id, _sign_in_is_over(at))
    yield from _of_events(at)
    yield Ending(Backup.id, _copy_is_over(at))
    yield Ending(Account.id, _nothing_names(at))


def days(setting: str) -> timedelta:
    """Return a life that the operator has set."""
    return timedelta(days=current_app.config[setting])


def _of_set_ups(at: datetime) -> Iterator[Ending]:
    """Of a set-up that ended early the last one stays a while: its person is still told."""
    newer = aliased(Wizard)
    is_latest = ~exists().where(newer.account_id == Wizard.account_id, newer.id > Wizard.id)
    old = or_(
        Wizard.finished_at <= at - KEPT,
        and_(Wizard.voided_at <= at - KEPT, ~is_latest),
        Wizard.started_at <= at - days("SIGN_INS_DAYS"),
    )
    yield Ending(Wizard.id, old)
    kept = or_(Wizard.hidden_at.is_(None), Wizard.hidden_at <= at - RESUMABLE)
    yield Ending(Wizard.id, and_(Wizard.sealed_kept.is_not(None), kept), {"sealed_kept": None})
    secrets = ("sealed_secret", "sealed_codes", "address", "email_nonce")
    left = or_(*(getattr(Wizard, name).is_not(None) for name in secrets))
    abandoned = and_(live(), Wizard.started_at <= at - DAY, left)
    yield Ending(Wizard.id, abandoned, dict.fromkeys(secrets))


def _mail_is_over(at: datetime) -> ColumnElement[bool]:
    """Sent, failed or stuck for long; one that waits goes on waiting for its next try."""
    tried = (Outbox.sent_at, Outbox.failed_at, Outbox.claimed_at)
    is_done = or_(*(moment.is_not(None) for moment in tried))
    return and_(Outbox.made_at <= at - days("MAILS_DAYS"), is_done)


def _sign_in_is_over(at: datetime) -> ColumnElement[bool]:
    """Old, and not the person's newest, which says when they were here last."""
    newer = aliased(SignIn)
    return and_(
        SignIn.first_at <= at - days("SIGN_INS_DAYS"),
        exists().where(newer.account_id == SignIn.account_id, newer.id > SignIn.id),
        ~exists().where(Wizard.sign_in_id == SignIn.id),
    )


def _of_events(at: datetime) -> Iterator[Ending]:
    """The newest event stays in any case: the mark is compared with its number (S-164)."""
    oldest, newest = at - days("EVENTS_DAYS"), select(func.max(Event.id)).scalar_subquery()
    yield Ending(PastMembership.id, PastMembership.until <= oldest)
    yield Ending(Event.id, and_(Event.at <= oldest, Event.id < newest))
    came_from = and_(Event.at <= at - days("ADDRESSES_DAYS"), text(events.HAS_ADDRESS))
    yield Ending(Event.id, came_from, {"address": events.NOT_KEPT})


def _copy_is_over(at: datetime) -> ColumnElement[bool]:
    newer = aliased(Backup)
    same_keys = newer.key_prints.is_not_distinct_from(Backup.key_prints)
    return and_(Backup.made_at <= at - BACKUPS, exists().where(newer.id > Backup.id, same_keys))


def _nothing_names(at: datetime) -> ColumnElement[bool]:
    """The number of a removed person, once no event and no past membership has it any more."""
    told = (Event.account_id, Event.by_account_id, PastMembership.account_id)
    named = or_(*(exists().where(column == Account.id) for column in told))
    return and_(Account.is_removed, Account.disabled_at <= at - DAY, ~named)
