"""A bank of any size: users, accounts, cards and loans, made from a seed and written to MySQL or MariaDB.

Some of everything that the rules refuse is in it: inactive accounts, accounts below their floor, credit accounts,
expired cards, cards without a PIN or a code, loans that owe nothing, and accounts so rich that they overflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple, Protocol

from pipeline.runtime.slices import slices

Row = tuple[Any, ...]

COLUMNS = {
    "users": "id, username, email, first_name, last_name",
    "accounts": "id, users_id, account_type, balance, payment_due, due_date, credit_limit, debt_interest, active, "
    "approved, confirmed",
    "cards": "accounts_id, card_num, pin, cvc1, cvc2, exp_date",
    "loans": "id, users_id, balance, interest_rate, due_date, payment_due, loan_type, monthly_payment, active, "
    "approved, confirmed",
}
ROWS_PER_INSERT = 2_000
FIRST_CARD = 4_000_000_000_000_000
CARD_STEP = 7_919
HIGHEST_CENTS = 9_999_999_999

_FIRST_NAMES = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Zoë", "José", "Nguyễn", "Søren")
_LAST_NAMES = ("Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "O'Neill", "Müller", "García")
_TYPES = ("Checking",) * 10 + ("Savings",) * 7 + ("checking", "SAVINGS") + ("Credit",) * 3 + ("Investment",)
_LOAN_TYPES = ("Mortgage", "Car", "Student", "Personal")
_DUE = date(2031, 6, 1)
_LOAN_DUE = datetime(2041, 6, 1)
_VALID = tuple(date(year, month, 28) for year in (2038, 2039) for month in range(1, 13))
_EXPIRED = date(2020, 2, 29)


@dataclass(frozen=True)
class BankShape:
    """How much of everything. Ids run from 1 on; accounts 1 to `merchants` are the shops; a card is one account's."""

    accounts: int = 10_000
    cards: float = 0.6
    loans: float = 0.25
    users: float = 0.5
    merchants: float = 0.02

    def __post_init__(self) -> None:
        if self.accounts < 10:
            raise ValueError("a bank has at least 10 accounts")

    def count(self, share: float) -> int:
        """`share` of the number of accounts, at least one."""
        return max(1, int(self.accounts * share))

    @property
    def merchant_count(self) -> int:
        return self.count(self.merchants)


class Rows(NamedTuple):
    """Rows in the order of `COLUMNS`."""

    users: list[Row]
    accounts: list[Row]
    cards: list[Row]
    loans: list[Row]


class Connection(Protocol):
    """What is needed of a DB-API connection whose parameters are `%s`."""

    def cursor(self) -> Any: ...

    def commit(self) -> object: ...


def make(shape: BankShape, seed: int) -> Rows:
    """The same rows for the same shape and seed."""
    random = Random(f"bank {seed}")
    users = shape.count(shape.users)
    first_card_holder = min(shape.merchant_count + 1, shape.accounts)
    holders = range(first_card_holder, min(first_card_holder + shape.count(shape.cards), shape.accounts + 1))
    return Rows(
        [_user(number, random) for number in range(1, users + 1)],
        [_account(number, users, shape.merchant_count, random) for number in range(1, shape.accounts + 1)],
        [_card(number, random) for number in holders],
        [_loan(number, users, random) for number in range(1, shape.count(shape.loans) + 1)],
    )


def fill(connection: Connection, shape: BankShape, seed: int) -> Rows:
    """Write the bank that `make` gives into empty tables, one commit at the end; returns its rows."""
    rows = make(shape, seed)
    cursor = connection.cursor()
    for table, columns in COLUMNS.items():
        for part in slices(getattr(rows, table), ROWS_PER_INSERT):
            marks = f"({', '.join(['%s'] * len(part[0]))})"
            values = ", ".join([marks] * len(part))
            cursor.execute(f"INSERT INTO {table} ({columns}) VALUES {values}", [cell for row in part for cell in row])
    cursor.close()
    connection.commit()
    return rows


def _user(number: int, random: Random) -> Row:
    first, last = random.choice(_FIRST_NAMES), random.choice(_LAST_NAMES)
    return number, f"user{number}", f"user{number}@example.com", first, last


def _account(number: int, users: int, merchants: int, random: Random) -> Row:
    kind = "Checking" if number <= merchants else random.choice(_TYPES)
    cents, limit = int(random.random() ** 2 * 1_500_000), None
    if kind == "Credit":
        limit = -random.randrange(500, 10_000, 500)
        cents = random.randrange(limit * 110, 200_000)  # one in some dozen starts below its floor
    elif random.random() < 0.1:
        limit = 0
    elif number > merchants and random.random() < 0.0005:
        cents = HIGHEST_CENTS - random.randrange(10_000)
    active = number == 1 or random.random() >= 0.03
    due = (Decimal("25.00"), _DUE) if kind == "Credit" else (Decimal("0.00"), None)
    owner = random.randint(1, users)
    return number, owner, kind, _money(cents), *due, limit, Decimal("0.19990"), int(active), 1, 1


def _card(account: int, random: Random) -> Row:
    number = FIRST_CARD + account * CARD_STEP
    pin = None if random.random() < 0.05 else random.randrange(1_000, 10_000)
    cvc1 = None if random.random() < 0.03 else random.randrange(100, 1_000)
    cvc2 = None if random.random() < 0.03 else random.randrange(100, 1_000)
    return account, number, pin, cvc1, cvc2, _EXPIRED if random.random() < 0.03 else random.choice(_VALID)


def _loan(number: int, users: int, random: Random) -> Row:
    cents = 0 if random.random() < 0.03 else -random.randrange(10_000, 30_000_000)
    rate, due = Decimal("0.04500"), Decimal("250.00")
    active = int(random.random() >= 0.03)
    kind = random.choice(_LOAN_TYPES)
    return number, random.randint(1, users), _money(cents), rate, _LOAN_DUE, due, kind, due, active, 1, 1


def _money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
