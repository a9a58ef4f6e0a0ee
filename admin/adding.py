"""People who are added many at once, as lines of a table, and what is wrong with a line."""

import csv
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert

import addresses
import bounds
from accounts import events, invitation, join_request
from accounts.invitation import Invited
from accounts.join_request import Asked
from accounts.models import Account, Membership, Organisation, Role
from admin.access import Desk
from db import db
from factors.refusal import Refusal
from factors.throttle import Throttle

MOST = 500
"""People that are added at once."""
COLUMNS = ("name", "email", "role")


@dataclass(frozen=True)
class Line:
    """One line of what was sent, as it was read; `address` is canonical, or empty if it is none."""

    number: int
    text: str
    name: str
    address: str
    role: str

    @property
    def given(self) -> Role:
        """The role that a good line gives."""
        return Role(self.role or Role.MEMBER)


@dataclass(frozen=True)
class Bad:
    """A line that adds nobody, and why."""

    line: Line
    refusal: Refusal


def read(table: str) -> list[Line] | Refusal:
    """Return the lines of a table of names, addresses and roles; a first line may name them."""
    written = table.removeprefix("\ufeff").splitlines()
    if not any(line.strip() for line in written):
        return Refusal("people_empty")
    divider = max(",;\t", key=table.count)
    columns: tuple[str, ...] | None = None
    found = []
    for number, text in enumerate(written, 1):
        cells = [cell.strip() for cell in next(csv.reader([text], delimiter=divider), [])]
        if not any(cells):
            continue
        if columns is None:
            named = tuple(cell.lower() for cell in cells)
            columns = named if "email" in named else COLUMNS
            if columns is named:
                continue
        values = dict(zip(columns, cells, strict=False))
        name, email, role = (values.get(column, "") for column in COLUMNS)
        found.append(Line(number, text, name, _address(email), role.lower()))
    return found if len(found) <= MOST else Refusal("people_many", {"most": MOST})


def add(
    lines: list[Line], desk: Desk, by: Account, at: datetime
) -> tuple[list[Account], list[Bad]]:
    """Add and invite everybody whose line is good; return them and the lines that are bad.

    The number of statements does not grow with the lines.
    """
    known = join_request.known({line.address for line in lines}, desk.organisation.id, at)
    good: dict[str, Line] = {}
    bad = []
    for line in lines:
        refusal = _why_not(line, desk.gives)
        if refusal is None and line.address in known and known[line.address].is_here:
            refusal = Refusal("people_here")
        if refusal is None and line.address in good:
            refusal = Refusal("people_twice", {"number": good[line.address].number})
        if refusal is not None:
            bad.append(Bad(line, refusal))
        else:
            good[line.address] = line
    return _added(good, known, desk.organisation, by, at), bad


def _address(typed: str) -> str:
    try:
        return addresses.canonical(typed)
    except addresses.AddressRefused:
        return ""


def _why_not(line: Line, gives: list[Role]) -> Refusal | None:
    if not line.address:
        return Refusal("address_bad")
    if not bounds.is_line(line.name, bounds.NAME):
        return Refusal("people_name", {"most": bounds.NAME})
    if line.role and line.role not in gives:
        return Refusal("people_role", {"roles": ", ".join(gives)})
    return None


def _added(
    good: dict[str, Line],
    known: dict[str, Asked],
    organisation: Organisation,
    by: Account,
    at: datetime,
) -> list[Account]:
    """Insert all of them at once, with what belongs to each, and mail them."""
    if not good:
        return []
    rows = [_columns(line, line.address in known, at) for line in good.values()]
    accounts = list(db.session.scalars(insert(Account).returning(Account), rows))
    db.session.execute(insert(Throttle), [{"account_id": account.id} for account in accounts])
    roles = {account.id: good[account.shown_email].given for account in accounts}
    of = {"organisation_id": organisation.id, "since": at}
    ties = [{"account_id": one, "role": role, **of} for one, role in roles.items()]
    db.session.execute(insert(Membership), ties)
    told = [invitation.event_of(one, organisation, role, by, at) for one, role in roles.items()]
    events.record_many(told)
    invited = [Invited(account, known.get(account.shown_email)) for account in accounts]
    join_request.make_all(
        {one.account.id: one.asked for one in invited if one.asked}, organisation.id, at
    )
    invitation.send_all(invited, organisation, at)
    return accounts


def _columns(line: Line, is_known: bool, at: datetime) -> dict[str, object]:
    """Return the row of an account, or of the placeholder for who has an account elsewhere."""
    address = {"email": line.address, "asked_email": None}
    if is_known:
        address = join_request.placeholder_columns(line.address)
    return {**address, "name": line.name, "password_at": at, "created_at": at}
