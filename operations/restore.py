"""Restore: an old copy of the database is made safe before anybody is served from it (S-164).

Nobody can know which codes were spent, which sign-ins ended and which trust was taken after
the copy was made. So all of it ends: first in one transaction, then people are told, and
last the mark says that this database is the one to serve. Killed in between it is not
served, and is run again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

import keys
from accounts import events, link_requests, password_link, reset, sign_ins, sso_trip
from accounts.events import Event
from accounts.models import Account, Organisation
from db import db
from factors import backup_lists, trusted_device
from factors.authenticator import Authenticator
from factors.backup_email import EmailCode
from mail import messages, outbox
from mail.message import Message
from mail.outbox import Outbox
from operations import compromise, mark, sealing
from operations.installation_row import ONLY, Installation
from operations.mark import Mark
from operations.start import newest_event
from wizard import moves

TOLD = timedelta(days=1)
"""How long a restore that is run again does not tell the same people once more."""
PAGE = 200
"""Mails that are written in one transaction."""


@dataclass(frozen=True)
class Restored:
    """What was found in the copy, for the operator."""

    copied_at: datetime | None
    """When the newest thing happened that the copy knows of."""
    invitations: int
    """Links to a first password that are void now."""


def restore(at: datetime, *, compromised: bool = False) -> Restored:
    """End in one transaction what an old copy brings back to life, and begin a new epoch.

    If somebody has a copy and its keys, every second factor ends as well.
    """
    row, held = Installation.the_one(), mark.read()
    copied_at = db.session.scalar(select(Event.at).order_by(Event.id.desc()).limit(1))
    found = Restored(copied_at, password_link.waiting_invitations(at))
    moves.void_everybodys(at)
    _end_codes(at)
    sign_ins.end_everybodys(at)
    trusted_device.end_all_trust()
    if compromised:
        compromise.end_factors(at)
        events.record("compromised", None, at)
    outbox.give_up_codes_and_links(at)
    row.epoch = max(row.epoch, held.epoch if held and held.uid == row.uid else 0) + 1
    row.restored_at = at
    row.marked_at = row.marked_at or at
    _record(copied_at, at)
    db.session.commit()
    return found


def _end_codes(at: datetime) -> None:
    Authenticator.pass_over_everybodys(at)
    backup_lists.make_all_stale(at)
    EmailCode.void_all(at)
    password_link.end_everybodys(at)
    link_requests.forget_everybodys()
    reset.run_out(at)
    sso_trip.end_everybodys()


def _record(copied_at: datetime | None, at: datetime) -> None:
    """Write the event, also into the log of each organisation."""
    result = f"copy of {copied_at:%Y-%m-%d %H:%M} UTC" if copied_at else "empty copy"
    events.record("restored", None, at, result=result)
    for organisation_id in db.session.scalars(select(Organisation.id)):
        events.record("restored", None, at, result=result, organisation=organisation_id)


def tell_everybody(copied_at: datetime | None, at: datetime, *, compromised: bool = False) -> int:
    """Put a mail to everybody into the outbox, some in each transaction; return how many."""

    def letter(name: str) -> Message:
        if compromised:
            return messages.compromised(name, at)
        return messages.restored(name, copied_at or at, at)

    last, count = 0, 0
    while people := _untold(last, at, "compromised" if compromised else "restored"):
        outbox.put_many(
            [outbox.columns_of(letter(one.name), one.id, one.email, at) for one in people]
        )
        db.session.commit()
        last, count = people[-1].id, count + len(people)
    return count


def _untold(after: int, at: datetime, kind: str) -> list[Account]:
    told = select(Outbox.account_id).where(Outbox.kind == kind, Outbox.made_at > at - TOLD)
    people = (
        select(Account)
        .where(
            Account.id > after,
            Account.disabled_at.is_(None),
            Account.asked_email.is_(None),  # a placeholder is nobody: no mail ever reaches it
            Account.id.not_in(told),
        )
        .order_by(Account.id)
        .limit(PAGE)
    )
    return list(db.session.scalars(people))


def use_todays_keys(at: datetime) -> list[str]:
    """Seal anew what the copy holds, so that it needs no retired key (S-162).

    Returns what does not open, as "table.column id".
    """
    closed = sealing.seal_anew(lambda column, count: None)
    Installation.the_one().know_keys(keys.ring().prints, at)
    db.session.commit()
    return closed


def let_serve() -> None:
    """Write the mark: this database is the one to serve from now on."""
    row = db.session.get_one(Installation, ONLY, populate_existing=True)
    mark.write(Mark(row.uid, row.epoch, newest_event()))


def behind() -> bool:
    """Tell whether the mark knows more of this database than it holds itself."""
    row, held = db.session.get_one(Installation, ONLY), mark.read()
    if held is None or held.uid != row.uid:
        return False
    # A restore begins an epoch, in which events are counted from the copy on.
    return (held.epoch, held.event) > (row.epoch, newest_event())
