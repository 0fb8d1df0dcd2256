"""What a run left behind, told again by the model: every row's status and columns, and every balance, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.model.bank import HIGHEST, LOWEST, Bank
from tests.model.fraud import DEPLOYED, Sampled, Settings
from tests.model.outcome import TABLES, Outcome, Violation
from tests.model.reading import Message, read
from tests.model.rules import expected, never, unknown

WATCHED = {"accounts": ("balance", "active"), "loans": ("balance", "active")}


@dataclass(frozen=True)
class Applied:
    """A row as the table holds it, with the message that made it: its bytes and its arrival (aware)."""

    table: str
    columns: dict[str, Any]
    identity: bytes
    data: bytes
    arrived: datetime


def replay(
    opening: Bank,
    rows: Sequence[Applied],
    rowless: Iterable[bytes],
    final: Bank,
    sampled: Sampled = never,
    settings: Settings = DEPLOYED,
) -> list[Violation]:
    """Every difference between the model and the tables.

    `rows`: those the run wrote, ordered by `applied_at`. `rowless`: the bytes of the messages that have no row and are
    no repeat of one that has. `final`: the bank as the run left it.
    """
    bank = opening.copy()
    peaks = Peaks(bank)
    found = []
    for row in rows:
        outcome = expected(row.data, row.arrived, bank, row.identity, sampled, settings)
        found += [Violation("I14", text) for text in _row_differences(row, outcome)]
        peaks.see(bank, read(row.data))
    found += [Violation("I14", text) for text in _bank_differences(bank, final)]
    found += [Violation("I14", text) for data in rowless for text in _owes_a_row(data, bank, peaks)]
    return found


class Peaks:
    """The highest and lowest balance of every account and loan in a replay: what an overflow can be judged by."""

    def __init__(self, bank: Bank) -> None:
        self.highest = {key: row["balance"] for key, row in bank.accounts.items()}
        self.lowest = dict(self.highest)

    def see(self, bank: Bank, message: object) -> None:
        if isinstance(message, Message):
            for account in _accounts_of(message, bank):
                balance = bank.accounts[account]["balance"]
                self.highest[account] = max(self.highest[account], balance)
                self.lowest[account] = min(self.lowest[account], balance)

    def may_overflow(self, message: Message, bank: Bank) -> bool:
        """Whether at some moment this movement did not fit a column: then a letter is right."""
        amount = message.values.get("transfer_value")
        accounts = list(_accounts_of(message, bank))
        if amount is None or amount <= 0 or len(accounts) < 2:
            return False
        giver, taker = accounts
        return bool(self.lowest[giver] - amount < LOWEST or self.highest[taker] + amount > HIGHEST)


def _accounts_of(message: Message, bank: Bank) -> Iterator[int]:
    values = message.values
    card = bank.cards.get(values.get("card_num", -1), {})
    for number in (
        values.get("origin_account", card.get("accounts_id", values.get("account_id"))),
        values.get("destination_account", values.get("merchant_account_id")),
    ):
        if number in bank.accounts:
            yield number


def _row_differences(row: Applied, outcome: Outcome) -> Iterator[str]:
    name = f"{row.table} {row.identity.hex()}"
    if outcome.kind != "row":
        yield f"{name} is a row; the model says {outcome.kind} {outcome.reason}".rstrip()
    elif outcome.table != row.table:
        yield f"{name} belongs to {outcome.table}"
    elif outcome.status != row.columns["status"]:
        yield f"{name} has status {row.columns['status']}; the model says {outcome.status}"
    else:
        for column, value in outcome.columns.items():
            if row.columns[column] != value:
                yield f"{name} differs from the model in {column}"


def _bank_differences(bank: Bank, final: Bank) -> Iterator[str]:
    for table, columns in WATCHED.items():
        ours, theirs = getattr(bank, table), getattr(final, table)
        if ours.keys() != theirs.keys():
            yield f"{table} were added or removed"
        for key in ours.keys() & theirs.keys():
            for column in columns:
                if ours[key][column] != theirs[key][column]:
                    yield f"{table} {key}: {column} is {theirs[key][column]}; the model says {ours[key][column]}"


def _owes_a_row(data: bytes, bank: Bank, peaks: Peaks) -> Iterator[str]:
    message = read(data)
    if isinstance(message, Message) and not unknown(message, bank) and not peaks.may_overflow(message, bank):
        yield f"a {message.type} has no row; the model says it must be one in {TABLES[message.type]}"
