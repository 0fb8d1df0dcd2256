"""The SQL behind the ledger: lock and read cards, accounts, loans in one global order; write what changed.

Rows are named by a JSON_TABLE of their keys, joined in that order: exactly those rows are locked, in key order, on
MySQL and MariaDB alike (a long IN list locks more). Money leaves as text, so that the assignment checks it (a DECIMAL
column of a JSON_TABLE clips on MariaDB).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from bank.holdings import Account, Card, Loan
from bank.ledger import Ledger
from bank.needs import HISTORY, RECENT, Needs, Spent, Window, WindowBelow
from bank.statuses import ACCEPTED
from bank.verdict import Spending, spent_within
from pipeline.mysql.database import Transaction
from pipeline.runtime.slices import slices

_KEYS: Final = "(SELECT id FROM JSON_TABLE(%s, '$[*]' COLUMNS (id {type} PATH '$')) AS k) AS wanted STRAIGHT_JOIN"
"""In a subquery, since MySQL 9 takes FOR UPDATE on a table function for a second lock and refuses it (error 3569)."""

_CLOCK: Final = "IF({id} = %s, SYSDATE(6), NULL)"
"""The clock when the last row was locked, in that row, where its key was given: no round trip for it under locks."""

LOCK_CARDS: Final = (
    "SELECT STRAIGHT_JOIN c.card_num, c.accounts_id, c.pin, c.cvc1, c.cvc2, c.exp_date FROM "
    + _KEYS.format(type="DECIMAL(16) UNSIGNED")
    + " cards AS c FORCE INDEX (PRIMARY) ON c.card_num = wanted.id FOR UPDATE"
)
LOCK_ACCOUNTS: Final = (
    "SELECT STRAIGHT_JOIN a.id, a.account_type, a.balance, a.credit_limit, a.active, "
    + _CLOCK.format(id="a.id")
    + " FROM "
    + _KEYS.format(type="INT UNSIGNED")
    + " accounts AS a FORCE INDEX (PRIMARY) ON a.id = wanted.id FOR UPDATE"
)
LOCK_LOANS: Final = (
    "SELECT STRAIGHT_JOIN l.id, l.balance, l.active, "
    + _CLOCK.format(id="l.id")
    + " FROM "
    + _KEYS.format(type="INT UNSIGNED")
    + " loans AS l FORCE INDEX (PRIMARY) ON l.id = wanted.id FOR UPDATE"
)
SUM_SPENDING: Final = (
    "SELECT card_num, CASE WHEN time_stamp > %s AND time_stamp <= %s THEN TIMESTAMP %s "
    "WHEN time_stamp > %s AND time_stamp <= %s THEN TIMESTAMP %s ELSE time_stamp END, SUM(transfer_value) "
    "FROM card_transactions FORCE INDEX (card_transactions_history) "
    "WHERE status = {accepted} AND time_stamp > %s AND time_stamp <= %s AND card_num IN ({cards}) "
    "GROUP BY 1, 2"
)
SAVE_ACCOUNTS: Final = (
    "UPDATE JSON_TABLE(%s, '$[*]' COLUMNS (id INT UNSIGNED PATH '$[0]', balance VARCHAR(16) PATH '$[1]', "
    "active INT PATH '$[2]')) AS changed STRAIGHT_JOIN accounts AS a FORCE INDEX (PRIMARY) ON a.id = changed.id "
    "SET a.balance = changed.balance, a.active = IF(changed.active, a.active, 0)"
)
SAVE_LOANS: Final = (
    "UPDATE JSON_TABLE(%s, '$[*]' COLUMNS (id INT UNSIGNED PATH '$[0]', balance VARCHAR(16) PATH '$[1]')) AS changed "
    "STRAIGHT_JOIN loans AS l FORCE INDEX (PRIMARY) ON l.id = changed.id SET l.balance = changed.balance"
)
CARDS_A_STATEMENT: Final = 200

_json = msgspec.json.Encoder()


class BankStore:
    """Fulfils the engine's `StateStore`: cards, then accounts, then loans, each in key order."""

    def load(self, transaction: Transaction, needs: Iterable[Needs]) -> Ledger:
        """Lock and read every row that a decision of the chunk may look at."""
        numbers: set[int] = set()
        ids: set[int] = set()
        loan_ids: set[int] = set()
        windows: set[Window] = set()
        below: list[WindowBelow] = []
        for need in needs:
            ids.update(need.accounts)
            if need.cards:
                numbers.update(need.cards)
            if need.loans:
                loan_ids.update(need.loans)
            if need.windows:
                windows.update(need.windows)
            if need.below:
                below += need.below
        cards = {int(row[0]): _card(row) for row in _rows(transaction, LOCK_CARDS, sorted(numbers))}
        spent = _all_spent(transaction, windows)  # before the accounts: they are what others wait for
        ids.update(card.account_id for card in cards.values())
        account_rows, locked_at = _clocked(transaction, LOCK_ACCOUNTS, ids)
        if loan_ids:
            loan_rows, locked_at = _clocked(transaction, LOCK_LOANS, loan_ids)
            loans = {row[0]: Loan(row[0], row[1], row[2] != 0) for row in loan_rows}
        else:
            loans = {}
        accounts = {row[0]: Account(row[0], row[1], row[2], row[3] or 0, row[4] != 0) for row in account_rows}
        ledger = Ledger(cards, accounts, loans, locked_at)
        spent |= _all_spent(transaction, {one.window for one in below if ledger.funds_of(one.window.card) < one.funds})
        ledger.remember_windows(spent)
        return ledger

    def extend(self, transaction: Transaction, state: Ledger, needs: Iterable[Needs]) -> None:
        """Read what `MoreNeeded` asked for: spending windows."""
        state.remember_windows(_all_spent(transaction, {window for need in needs for window in need.windows}))

    def save(self, transaction: Transaction, state: Ledger) -> None:
        """Write balances and deactivations, in key order. An account is never made active here."""
        accounts = [(a.id, str(a.balance), int(a.active)) for a in state.changed_accounts()]
        if accounts:
            transaction.execute(SAVE_ACCOUNTS, (_json.encode(accounts).decode(),))
        loans = [(loan.id, str(loan.balance)) for loan in state.changed_loans()]
        if loans:
            transaction.execute(SAVE_LOANS, (_json.encode(loans).decode(),))


def _rows(transaction: Transaction, sql: str, keys: Sequence[int], *first: int) -> Sequence[tuple[Any, ...]]:
    return transaction.query(sql, (*first, _json.encode(keys).decode())) if keys else ()


def _clocked(transaction: Transaction, sql: str, keys: set[int]) -> tuple[Sequence[tuple[Any, ...]], datetime | None]:
    """The rows, locked, and the database's clock at the last of them; None where the last one is not there."""
    in_order = sorted(keys)
    rows = _rows(transaction, sql, in_order, *in_order[-1:])
    return rows, rows[-1][-1] if rows else None


def _card(row: tuple[Any, ...]) -> Card:
    number, account_id, pin, cvc1, cvc2, expires = row
    return Card(int(number), account_id, pin, cvc1, cvc2, expires)


def _all_spent(transaction: Transaction, windows: set[Window]) -> dict[Window, Spent]:
    """Sums of spending. Their cards are locked, so nobody adds to them meanwhile."""
    by_card: dict[int, list[Window]] = {}
    for window in sorted(windows):
        by_card.setdefault(window.card, []).append(window)
    cards = list(by_card)
    spent: dict[Window, Spent] = {}
    for part in slices(cards, CARDS_A_STATEMENT):
        spent |= _spent(transaction, [window for card in part for window in by_card[card]])
    return spent


def _spent(transaction: Transaction, windows: Sequence[Window]) -> dict[Window, Spent]:
    """One look for all of them: parsing and planning one for each took more than looking.

    What lies in the same part of every window is summed up by the server, so that a card brings two rows, and one more
    for each moment that only some of the windows see: they end as far from one another as their messages arrived.
    """
    first, last = min(window.now for window in windows), max(window.now for window in windows)
    history, recent = (last - HISTORY, first - RECENT), (last - RECENT, first)
    cards = sorted({window.card for window in windows})
    sql = SUM_SPENDING.format(accepted=ACCEPTED, cards=", ".join(str(card) for card in cards))
    rows = transaction.query(sql, (*history, history[1], *recent, recent[1], first - HISTORY, last))
    spendings: dict[int, list[Spending]] = {}
    for card, moment, amount in rows:
        spendings.setdefault(int(card), []).append(Spending(int(card), moment, amount))
    return {window: spent_within(window, Spent(None, None), spendings.get(window.card, ())) for window in windows}
