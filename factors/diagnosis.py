"""Why a code of an app was refused: what was typed, what the account has, the time.

In the set-up everything is told: whoever sees the page has the secret. At sign-in
only what hands a guesser nothing: that a code is of the past, or of a dead record.
That a code of a future step would fit is never told there: it would soon work.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from factors import totp
from factors.refusal import Refusal

EXPIRED = 4
"""Steps back to which a code in the set-up was simply typed too late."""
PAST = 20
"""Steps back, ten minutes, to which a sign-in says that a code is too old."""
FARTHEST = 26 * 3600 // totp.STEP_SECONDS
"""Steps both ways in which a wrong clock is looked for: people set the zone by hand,
and zones lie up to 26 hours apart."""
SAME = 1
"""Steps by which the clock of one phone may seem to move between two tries."""


@dataclass(frozen=True)
class Record:
    """An entry of the person's app."""

    label: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Finding:
    """A refusal, and the clock's offset in steps if it told one."""

    refusal: Refusal
    offset: int | None = None


def at_sign_in(
    code: str, record: Record, last_step: int, void: Sequence[Record], at: datetime
) -> Refusal:
    """Return why a code that fits no accepted step is refused at sign-in or as a proof."""
    now = totp.step_at(at)
    past = totp.search(record.secret, code, range(now - totp.TOLERANCE - 1, now - PAST - 1, -1))
    if past is not None:
        return Refusal("used" if past == last_step else "expired")
    return _void(code, record, void, now) or Refusal("unknown", {"label": record.label})


def in_set_up(
    code: str, record: Record, void: Sequence[Record], noted: int | None, at: datetime
) -> Finding:
    """Return why a code is refused in the set-up.

    `noted` is the offset that an earlier try has shown: one match of a wide
    search may be chance, a second one at the same offset is a wrong clock.
    """
    now = totp.step_at(at)
    late = range(now - totp.TOLERANCE - 1, now - EXPIRED - 1, -1)
    if totp.search(record.secret, code, late) is not None:
        return Finding(Refusal("expired"))
    if refusal := _void(code, record, void, now):
        return Finding(refusal)
    offset = _offset(code, record, now)
    if offset is None:
        return Finding(Refusal("unknown", {"label": record.label}))
    return _clock(offset, noted)


def _clock(offset: int, noted: int | None) -> Finding:
    """Tell of a wrong clock: "may be" at first, as a fact if it shows again."""
    which = "clock_behind" if offset < 0 else "clock_ahead"
    is_sure = noted is not None and abs(noted - offset) <= SAME
    minutes = max(1, round(abs(offset) * totp.STEP_SECONDS / 60))
    reason = which if is_sure else f"{which}_perhaps"
    return Finding(Refusal(reason, {"minutes": minutes}), offset)


def _offset(code: str, record: Record, now: int) -> int | None:
    """Return by how many steps the phone's clock is off, the nearest match of both ways."""
    behind = range(now - EXPIRED - 1, now - FARTHEST - 1, -1)
    ahead = range(now + totp.TOLERANCE + 1, now + FARTHEST + 1)
    found = [totp.search(record.secret, code, steps) for steps in (behind, ahead)]
    return min((step - now for step in found if step is not None), key=abs, default=None)


def _void(code: str, record: Record, void: Sequence[Record], now: int) -> Refusal | None:
    """Return the refusal for a code of a dead record, naming it and the living one."""
    steps = range(now + totp.TOLERANCE, now - PAST - 1, -1)
    for dead in void:
        if totp.search(dead.secret, code, steps) is not None:
            return Refusal("void_record", {"label": dead.label, "current": record.label})
    return None
