"""The browser that asks: whether an account knows it, and where its wrong passwords count (S-098).

A stranger fills only the strangers' bucket. Whoever gave a proof that a stranger can't
give, by signing in fully here or by opening a mailed link here, has tries of their own.
"""

from datetime import datetime

from flask import request, session

import cookies
from accounts import password_link
from accounts.visitor import OPENED, visitor
from factors import trusted_device
from factors.trusted_device import TrustedDevice


def known(account_id: int, at: datetime) -> TrustedDevice | None:
    """Return the device of the account that this browser is, trusted or only known."""
    return trusted_device.recognise(account_id, cookies.device_token(request), at)


def own_tries(account_id: int, device: TrustedDevice | None, at: datetime) -> str:
    """Name what has tries of its own for an account, or return "" for a stranger.

    It is a row, so that copies of a cookie share them.

    A link comes before the device, in which the person may just have typed wrong
    passwords until there was a wait. Who is signed in needs no link any more.
    """
    found = visitor()
    if found is not None and found.account.id == account_id and found.is_authenticated:
        return str(device.id) if device is not None else f"sign-in {found.sign_in.id}"
    link_id = password_link.opened_lately(session.get(OPENED), account_id, at)
    if link_id is not None:
        return f"link {link_id}"
    return str(device.id) if device is not None else ""
