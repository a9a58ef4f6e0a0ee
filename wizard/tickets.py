"""Tickets: what a form of the wizard carries to be good for one turn.

Signed with a key of their own (S-121). They name no account and hold no
secret; whose wizard it is, the sign-in tells.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer

import keys


@dataclass(frozen=True)
class Ticket:
    """One turn of one attempt."""

    attempt: str
    turn: int

    def signed(self) -> str:
        return _serializer("wizard ticket").dumps([self.attempt, self.turn])

    def proof(self) -> str:
        """Return what the page of this turn keeps in its tab, to prove itself when discarded."""
        return _serializer("wizard resume").dumps([self.attempt, self.turn])


@dataclass(frozen=True)
class EntryTicket:
    """One start from one form: a second POST of it is a replay."""

    sign_in_id: int
    nonce: str
    kind: str
    told: str
    """The attempt whose end the form tells of, or ""."""

    @classmethod
    def new(cls, sign_in_id: int, kind: str, told: str = "") -> "EntryTicket":
        return cls(sign_in_id, secrets.token_hex(16), kind, told)

    def signed(self) -> str:
        return _serializer("wizard entry").dumps(
            [self.sign_in_id, self.nonce, self.kind, self.told]
        )


def read(text: str | None) -> Ticket | None:
    """Return the ticket, or None if it is none of ours."""
    found = _loads("wizard ticket", text)
    return Ticket(*found) if found is not None else None


def read_proof(text: str | None) -> Ticket | None:
    """Return the turn whose page this proves, or None if it is none of ours."""
    found = _loads("wizard resume", text)
    return Ticket(*found) if found is not None else None


def read_entry(text: str | None) -> EntryTicket | None:
    """Return the entry ticket, or None if it is none of ours."""
    found = _loads("wizard entry", text)
    return EntryTicket(*found) if found is not None else None


def _loads(purpose: str, text: str | None) -> list[Any] | None:
    try:
        return list(_serializer(purpose).loads(text or ""))
    except BadSignature:
        return None


def _serializer(purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(keys.ring().derived(purpose), salt=purpose)
