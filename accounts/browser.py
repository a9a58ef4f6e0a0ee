"""The browser that asks, and whether an account knows it (S-098)."""

from datetime import datetime

from flask import request

import cookies
from factors import trusted_device
from factors.trusted_device import TrustedDevice


def known(account_id: int, at: datetime) -> TrustedDevice | None:
    """Return the device of the account that this browser is, trusted or only known."""
    return trusted_device.recognise(account_id, cookies.device_token(request), at)
