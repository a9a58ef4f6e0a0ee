"""Who administers what: the door of every page below /admin, and of every act (S-172)."""

from dataclasses import dataclass
from typing import Any, cast

from flask import Response, abort, g, request, url_for
from flask_babel import gettext
from sqlalchemy import select

import clock
import web
from accounts import nudge, proof, upkeep
from accounts.models import Account, Membership, Organisation, Role
from accounts.visitor import Visitor, me
from db import db
from factors.refusal import Refusal


@dataclass(frozen=True)
class Desk:
    """The organisation that somebody looks after now, and those they could choose instead."""

    organisation: Organisation
    role: Role
    choices: list[Organisation]

    @property
    def gives(self) -> list[Role]:
        """The roles that the visitor may give: only an owner makes an owner."""
        return [role for role in Role if role is not Role.OWNER or self.role is Role.OWNER]


def check() -> Response | None:
    """Let administrators in, to an organisation of theirs, and nobody else.

    Two factors must have been given in this very sign-in: neither a trusted device nor
    a provider of which nothing is demanded opens a page of administration (S-118).
    """
    found = me()
    rows = db.session.execute(
        select(Organisation, Membership.role)
        .join(Membership, Membership.organisation_id == Organisation.id)
        .where(Membership.account_id == found.account.id, Membership.role != Role.MEMBER)
        .order_by(Organisation.name)
    ).all()
    if not rows:
        return web.error_page(403, gettext("Only administrators of an organisation can open it."))
    if not found.gave_two_factors:
        return _lead(found)
    wanted = request.args.get("organisation") or str(rows[0][0].id)
    chosen = next((row for row in rows if str(row[0].id) == wanted), None)
    if chosen is None:
        abort(404)
    g.desk = Desk(chosen[0], chosen[1], [row[0] for row in rows])
    return None


def desk() -> Desk:
    """Return what the visitor looks after in this request."""
    return cast(Desk, g.desk)


def _lead(found: Visitor) -> Response:
    """Ask for a code, or lead to the set-up; then on to the page that was wanted.

    After a POST it is the page whose form was sent: nobody acts without having looked again.
    """
    page = nudge.asked_page() or url_for(
        f"{request.blueprint}.show",
        **(request.view_args or {}),
        organisation=request.args.get("organisation"),
    )
    if not web.is_safe_path(page):  # of an organisation that somebody made up
        page = url_for("admin.people.show")
    if found.authenticator is not None:
        return proof.ask(page)
    nudge.remember(found, page)
    return web.go(url_for("wizard.required"))


def address(endpoint: str, **values: Any) -> str:
    """Return the address of a page of administration, for the same organisation."""
    return url_for(endpoint, organisation=desk().organisation.id, **values)


def is_proved() -> bool:
    """Tell whether an act may follow, or a fresh proof is due first."""
    return me().sign_in.is_proved(clock.now())


def person(account_id: int) -> tuple[Account, Role]:
    """Return somebody of the desk's organisation; whoever is none does not exist here."""
    row = db.session.execute(
        select(Account, Membership.role)
        .join(Membership, Membership.account_id == Account.id)
        .where(Account.id == account_id, Membership.organisation_id == desk().organisation.id)
    ).one_or_none()
    if row is None:
        abort(404)
    return row[0], row[1]


def why_not(account: Account) -> Refusal | None:
    """Return why the visitor may not act on somebody of their organisation, or None.

    Nobody acts on themself. Whoever has a role anywhere is an owner's to act on, and
    one of that very organisation: an account is one, and an act on it reaches all of
    them. So no administrator alone takes another's factors away (S-173).
    """
    mine = me().account.id
    if account.id == mine:
        return Refusal("only_owner" if upkeep.is_last_owner(mine) else "own_account")
    rows = db.session.execute(
        select(Membership.account_id, Membership.organisation_id, Membership.role).where(
            Membership.account_id.in_([mine, account.id])
        )
    ).all()
    owned = {r.organisation_id for r in rows if (r.account_id, r.role) == (mine, Role.OWNER)}
    for row in rows:
        is_theirs = row.account_id == account.id and row.role is not Role.MEMBER
        if is_theirs and row.organisation_id not in owned:
            return Refusal("role_too_high", {"name": account.name})
    return None
