"""What a rule decides: a status, and what accepting (or distrusting) a message changes in the bank."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from bank.holdings import Account, Loan
from bank.needs import HISTORY, RECENT, Spent, Window


class Spending(msgspec.Struct, frozen=True, gc=False):
    """One accepted card payment, as the fraud score counts it: at the time stamp of its row."""

    card: int
    time_stamp: datetime
    amount: Decimal


def spent_within(window: Window, spent: Spent, spendings: Iterable[Spending]) -> Spent:
    """`spent`, and what of these spendings of the window's card lies within it."""
    recent, history = spent
    split = window.now - RECENT
    for spending in spendings:
        if split < spending.time_stamp <= window.now:
            recent = (recent or Decimal(0)) + spending.amount
        elif window.now - HISTORY < spending.time_stamp <= split:
            history = (history or Decimal(0)) + spending.amount
    return Spent(recent, history)


Effect = Account | Loan | Spending
"""A holding as it is from now on, or a spending to remember."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """A status, and the effects in the order in which they happen."""

    status: int
    effects: tuple[Effect, ...] = ()
