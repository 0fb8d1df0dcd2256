"""What a decision has to see of the bank."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

RECENT = timedelta(days=3)
HISTORY = timedelta(days=33)
"""The two windows of the fraud score's velocity, back from "now": (now - 3 d, now] and (now - 33 d, now - 3 d]."""


class Window(msgspec.Struct, frozen=True, order=True, gc=False):
    """The spending of one card as seen from `now` (naive UTC)."""

    card: int
    now: datetime


class WindowBelow(msgspec.Struct, frozen=True, gc=False):
    """A window that is needed where the available funds of its card's account are below `funds`."""

    window: Window
    funds: Decimal


class Needs(msgspec.Struct, frozen=True, gc=False):
    """Keys of the rows to lock and read, and the spending windows to sum up: `windows`, and what holds of `below`."""

    cards: tuple[int, ...] = ()
    accounts: tuple[int, ...] = ()
    loans: tuple[int, ...] = ()
    windows: tuple[Window, ...] = ()
    below: tuple[WindowBelow, ...] = ()


class Spent(NamedTuple):
    """Accepted spending within a window's two parts; None: not a single payment."""

    recent: Decimal | None
    history: Decimal | None
