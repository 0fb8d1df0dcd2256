"""What a rule decides: a status, and what accepting (or distrusting) a message changes in the bank."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from bank.holdings import Account, Loan


class Spending(NamedTuple):
    """One accepted card payment, as the fraud score counts it: at the time stamp of its row."""

    card: int
    time_stamp: datetime
    amount: Decimal


Effect = Account | Loan | Spending
"""A holding as it is from now on, or a spending to remember."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """A status, and the effects in the order in which they happen."""

    status: int
    effects: tuple[Effect, ...] = ()
