"""An account, a card, a loan, as a rule sees them: immutable, money in Decimal to the cent."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec

from bank.statuses import BALANCE_OVERFLOW
from pipeline.runtime.errors import Rejected

SMALLEST_BALANCE, LARGEST_BALANCE = Decimal("-99999999.99"), Decimal("99999999.99")
"""What DECIMAL(10,2) holds."""


class Account(msgspec.Struct, frozen=True, gc=False):
    """A row of `accounts`. `floor`: the credit limit where a non-zero one is set, else 0."""

    id: int
    kind: str
    balance: Decimal
    floor: int
    active: bool

    @property
    def funds(self) -> Decimal:
        """Available funds (DOMAIN.md, "Rules")."""
        return self.balance - self.floor


class Card(msgspec.Struct, frozen=True, gc=False):
    """A row of `cards`. `expires` is the last valid day; None where the column holds none (0000-00-00, 2025-02-31)."""

    number: int
    account_id: int
    pin: int | None
    cvc1: int | None
    cvc2: int | None
    expires: date | None


class Loan(msgspec.Struct, frozen=True, gc=False):
    """A row of `loans`. A negative balance is owed."""

    id: int
    balance: Decimal
    active: bool

    @property
    def owed(self) -> Decimal:
        """What is still to be paid: never negative."""
        return max(-self.balance, Decimal(0))


def moved(balance: Decimal, amount: Decimal, field: str) -> Decimal:
    """`balance` after `amount` came in (negative: went out). Raises `Rejected` where its column cannot hold that."""
    after = balance + amount
    if not SMALLEST_BALANCE <= after <= LARGEST_BALANCE:
        raise Rejected(BALANCE_OVERFLOW, field)
    return after
