"""Balances against rows: each is what it was at the last audit, plus what accepted rows have moved since.

For accounts and loans that nobody but this service writes. All of it is read in one snapshot, so a running service may
move money meanwhile. An opening balance is kept without what rows behind the `settled` mark moved: a transaction that
was open then has its row behind that mark, and is counted with the next audit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from pipeline.console.output import Advance
from pipeline.mysql.database import Transaction
from pipeline.operations.audit.declared import Ids
from pipeline.operations.audit.findings import Findings
from pipeline.operations.audit.marks import Marks
from pipeline.operations.description import Books

DIFFERS: Final = "balance_differs"
PAGE: Final = 10_000
NOTHING: Final = Decimal(0)

_SNAPSHOT: Final = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
)
_NOTE: Final = (
    "INSERT INTO `{table}` (account, opening, marked_at) VALUES {values} "
    "ON DUPLICATE KEY UPDATE opening = VALUES(opening), marked_at = VALUES(marked_at)"
)


def begin_snapshot(transaction: Transaction) -> None:
    """From here on the transaction reads what is committed now."""
    for statement in _SNAPSHOT:
        transaction.execute(statement)


class BalanceAudit:
    """Within one snapshot: `check`, then `note` if the next audit is to go on from here."""

    def __init__(self, transaction: Transaction, books: Books, declared: Sequence[Ids]) -> None:
        self._transaction, self._books, self._declared = transaction, books, declared

    def check(self, last: Marks, findings: Findings, advance: Advance) -> int:
        """How many balances were held against their rows: those that the last audit noted."""
        moved = self._moved(last.settled)
        checked = 0
        for page in self._balances(last):
            known = [(account, balance, opening) for account, balance, opening in page if opening is not None]
            for account, balance, opening in known:
                expected = opening + moved.get(account, NOTHING)
                if balance != expected:
                    told = f"{balance}, {expected} by its rows"
                    findings.add(DIFFERS, f"{self._books.holder} {account}", told)
            checked += len(known)
            advance(len(page))
        return checked

    def note(self, marks: Marks) -> None:
        """The opening balances of the next audit. The caller commits."""
        later = self._moved(marks.settled)
        for page in self._balances(marks):
            openings = [(account, balance - later.get(account, NOTHING), marks.at_ms) for account, balance, _ in page]
            values = ", ".join(["(%s, %s, %s)"] * len(openings))
            note = _NOTE.format(table=self._books.openings, values=values)
            self._transaction.execute(note, [value for opening in openings for value in opening])

    def _balances(self, marks: Marks) -> Iterator[list[tuple[int, Decimal, Decimal | None]]]:
        books = self._books
        sql = (
            f"SELECT a.id, a.balance, b.opening FROM `{books.table}` AS a LEFT JOIN `{books.openings}` AS b "
            f"ON b.account = a.id AND b.marked_at = %s WHERE a.id >= %s AND a.id <= %s ORDER BY a.id LIMIT {PAGE}"
        )
        for first, last in self._declared:
            while page := self._transaction.query(sql, (marks.at_ms, first, last)):
                yield [(account, balance, opening) for account, balance, opening in page]
                first = page[-1][0] + 1

    def _moved(self, after: Mapping[str, int]) -> dict[int, Decimal]:
        """Account → what accepted rows behind these ids moved, as the snapshot has them."""
        moved: dict[int, Decimal] = {}
        for table, movements in self._books.movements.items():
            ((end,),) = self._transaction.query(f"SELECT COALESCE(MAX(id), 0) FROM `{table}`")
            for start in range(after.get(table, 0), int(end), PAGE):
                select = movements.format(after=start, through=start + PAGE)
                sql = f"SELECT account, SUM(amount) FROM ({select}) AS moved GROUP BY account"
                for account, amount in self._transaction.query(sql):
                    moved[account] = moved.get(account, NOTHING) + amount
        return moved
