"""The bank as plain dicts: what the tables hold, by primary key."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

LOWEST, HIGHEST = Decimal("-99999999.99"), Decimal("99999999.99")

Columns = dict[str, Any]


@dataclass
class Bank:
    """Column dicts of users, accounts and loans by id, of cards by card number, and what cards spent.

    `spending`: card number → (time stamp, amount) of every accepted card transaction.
    """

    users: dict[int, Columns] = field(default_factory=dict)
    accounts: dict[int, Columns] = field(default_factory=dict)
    cards: dict[int, Columns] = field(default_factory=dict)
    loans: dict[int, Columns] = field(default_factory=dict)
    spending: dict[int, list[tuple[datetime, Decimal]]] = field(default_factory=lambda: defaultdict(list))

    def copy(self) -> Bank:
        """Another bank, equal now and free to change."""
        parts = (self.users, self.accounts, self.cards, self.loans)
        users, accounts, cards, loans = ({key: dict(row) for key, row in part.items()} for part in parts)
        spending = {card: list(spent) for card, spent in self.spending.items()}
        return Bank(users, accounts, cards, loans, defaultdict(list, spending))

    @property
    def money(self) -> Decimal:
        """The sum of every balance, loans included: no rule changes it."""
        parts = (self.accounts.values(), self.loans.values())
        return sum((row["balance"] for part in parts for row in part), Decimal(0))


def floor(account: Columns) -> Decimal:
    """The lowest balance that a debit may leave: the credit limit where a non-zero one is set, else 0."""
    return Decimal(account["credit_limit"] or 0)


def funds(account: Columns) -> Decimal:
    """What a debit may take."""
    balance: Decimal = account["balance"]
    return balance - floor(account)
