"""TypedPassword: a password from the form to the decision about it.

The account is read, nothing is held while the hash is computed, then the account is
locked and read again. Without the second look a sign-in by the old password, whose hash
began before a reset, would outlive it (S-005), and a wait would bind only those who
come one after the other (S-098).
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import update

from accounts import browser, hash_queue, password, password_kinds, password_tries
from accounts.hash_queue import Asker
from accounts.models import Account
from db import db
from factors.refusal import Refusal

NOBODY = 0
"""Instead of an account: it has no browser, but as many statements look for one (S-152)."""


@dataclass
class TypedPassword:
    """What was typed for an address, and what the account had when it was read."""

    account_id: int | None
    stored: str | None
    version: int
    device_id: int | None
    bucket: password_tries.Bucket
    """The bucket in which the wrong ones of this browser are counted."""
    kinds: frozenset[str]
    asker: Asker
    is_right: bool = False
    rehashed: str | None = field(default=None, repr=False)

    @classmethod
    def for_(cls, address: str, account: Account | None, at: datetime) -> "TypedPassword":
        """Begin; `account` is None where nobody has the address (S-152)."""
        kinds = password_kinds.present(at)
        account_id = account.id if account is not None else NOBODY
        device = browser.known(account_id, at)
        own = browser.own_tries(account_id, device, at)
        bucket = password_tries.bucket(address, own)
        if account is None:
            return cls(None, None, 0, None, bucket, kinds, Asker.of())
        return cls(
            account.id,
            account.password_hash if account.disabled_at is None else None,
            account.password_version,
            device.id if device is not None else None,
            bucket,
            kinds,
            Asker.of(f"account {account.id}" if own else ""),
        )

    def waiting(self, at: datetime) -> Refusal | None:
        """Return why no password is read now, or None."""
        return password_tries.wait(password_tries.of_bucket(self.bucket), at)

    def verify(self, secret: str) -> Refusal | None:
        """Compute the hashes, or say that there is no place for it now.

        The caller has ended its transaction before. Nothing was read then, so nothing counts.
        """
        with hash_queue.place(self.asker) as busy:
            if busy:
                return busy
            self.is_right = password.matches(self.stored, secret, self.kinds)
            if self.stored is not None and self.is_right and password.is_outdated(self.stored):
                self.rehashed = password.hashed(secret)
            return None

    def settle(self, at: datetime, *, clear: bool) -> Account | Refusal:
        """Return the account, locked, whose password this is now; a wrong one is counted.

        The answer is decided in the transaction that counts it, so that parallel tries
        learn no more than serial ones. `clear` forgets the wrong ones: the owner has come.
        """
        account = self._account()
        if account is None:
            return password_tries.charge(self.bucket, at) or Refusal("pair")
        tries = password_tries.of_bucket(self.bucket, locked=True)
        if wait := password_tries.wait(tries, at):
            return wait
        if tries and clear:
            password_tries.clear(self.bucket)
        self._keep_rehashed(account)
        return account

    def _account(self) -> Account | None:
        """Lock the account; return it if the right password still is its own."""
        if not self.is_right or self.account_id is None:
            return None
        account = Account.locked(self.account_id)
        if account is None or account.disabled_at is not None:
            return None
        return account if account.password_version == self.version else None

    def _keep_rehashed(self, account: Account) -> None:
        """Store the hash by the costs of the settings; the password is the same (S-190)."""
        if self.rehashed is not None:
            db.session.execute(
                update(Account)
                .where(Account.id == account.id, Account.password_hash == self.stored)
                .values(password_hash=self.rehashed)
            )
