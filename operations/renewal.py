"""Renewal: lists of backup codes under an older pepper end, and their owners are told (S-162).

Digests can't be made anew without the codes. So the people must get new ones.
"""

import time
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import exists, select

import keys
from accounts.models import Account
from db import db, reading
from factors import backup_lists
from factors.backup_codes import BackupCode
from keys import KeyRing
from mail import messages, outbox

PAGE = 200
"""People of one transaction."""
WAIT = 0.05
"""Seconds until people whom requests held are looked for again."""


def has_old_lists(ring: KeyRing) -> bool:
    """Tell whether a list that works was made under another pepper than the newest."""
    old = exists().where(backup_lists.has_old_pepper(ring.newest("pepper")))
    with reading() as connection:
        return bool(connection.scalar(select(old)))


def renew(at: datetime) -> Iterator[int]:
    """End the old lists, some people in each transaction with their mails; yield how many."""
    newest = keys.ring().newest("pepper")
    while has_old_lists(keys.ring()):
        people = _owners()
        backup_lists.make_stale([one.id for one in people], newest, at)
        outbox.put_many(
            [
                outbox.columns_of(messages.backup_codes_ended(one.name, at), one.id, one.email, at)
                for one in people
                if one.disabled_at is None
            ]
        )
        db.session.commit()
        db.session.expunge_all()
        yield len(people)
        if not people:  # others hold those that are left
            time.sleep(WAIT)


def _owners() -> list[Account]:
    """Return some people with an old list, whom no request changes meanwhile."""
    old = backup_lists.has_old_pepper(keys.ring().newest("pepper"))
    people = (
        select(Account)
        .where(exists().where(BackupCode.account_id == Account.id, old))
        .order_by(Account.id)
        .limit(PAGE)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return list(db.session.scalars(people))
