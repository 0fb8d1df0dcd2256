"""What the model says of a message, and what it holds against a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

ACCEPTED = 1
INSUFFICIENT_FUNDS = -1
INACTIVE = -2
ILLEGAL_NEGATIVE = -2
EXPIRED = -3
INVALID = -4
INVALID_ACCOUNT_TYPE = -5
PAYMENT_TOO_LARGE = -6
NO_CARD = -7
POTENTIAL_FRAUD = -8

TABLES = {
    "transaction": "transactions",
    "card_transaction": "card_transactions",
    "loan_payment": "loan_payments",
    "stock": "stocks",
}
"""Message type → the table that its rows go to."""


@dataclass(frozen=True)
class Outcome:
    """The one outcome of one message.

    kind "row": `table`, `status` and `columns` (name → value as the table holds it) are set. kind "letter":
    `reason` is the class of the defect, the model's own word. kind "skipped": nothing else is set.
    """

    kind: Literal["row", "letter", "skipped"]
    table: str = ""
    status: int = 0
    columns: dict[str, object] = field(default_factory=dict)
    reason: str = ""


class Letter(Exception):
    """Raised inside the model where a message cannot be a row. `reason` is the class of the defect."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Violation(NamedTuple):
    """One thing that must not be: the invariant's name ("I3"), and a text without any secret in it."""

    invariant: str
    text: str
