"""(a) The old way: for each message a connection, one statement for each thing to look at or to write, and a commit.

The rules are today's, so the statements are all that differs. Nothing is locked: that was the old way, too.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

from bank.holdings import Account, Card, Loan
from bank.ledger import Ledger
from bank.needs import HISTORY, RECENT, Needs, Spent
from benchmarks.workload import Workload, router
from pipeline.applying.domain import Decision, Domain, EventTable, MoreNeeded, Row
from pipeline.messages.records import Event
from pipeline.runtime.errors import Rejected
from tests.schema import Schema

CARD = "SELECT card_num, accounts_id, pin, cvc1, cvc2, exp_date FROM cards WHERE card_num = %s"
ACCOUNT = "SELECT id, account_type, balance, credit_limit, active FROM accounts WHERE id = %s"
LOAN = "SELECT id, balance, active FROM loans WHERE id = %s"
SPENT = (
    "SELECT SUM(CASE WHEN time_stamp > %s THEN transfer_value END), SUM(CASE WHEN time_stamp <= %s THEN transfer_value "
    "END) FROM card_transactions WHERE card_num = %s AND status = 1 AND time_stamp > %s AND time_stamp <= %s"
)
SAVE_ACCOUNT = "UPDATE accounts SET balance = %s, active = IF(%s, active, 0) WHERE id = %s"
SAVE_LOAN = "UPDATE loans SET balance = %s WHERE id = %s"


def run(schema: Schema, workload: Workload) -> float:
    """Messages a second, one after the other."""
    routes = router()
    records = list(workload.records())
    started = time.monotonic()
    for record in records:
        event = routes.interpret(record)
        if isinstance(event, Event):
            _apply(schema, routes.routes[event.type], event)
    return len(records) / (time.monotonic() - started)


def _apply(schema: Schema, domain: Domain, event: Event[Any]) -> None:
    with closing(schema.connect()) as connection, closing(connection.cursor()) as cursor:
        ledger = _load(cursor, domain.needs(event) or Needs())
        try:
            decision = _decide(cursor, domain, event, ledger)
        except Rejected:
            return
        ledger.apply(event, decision)
        for table, row in ((domain.table, domain.row(event.message, decision.status)), *decision.side_rows):
            _insert(cursor, table, (*row, event.identity))
        for account in ledger.changed_accounts():
            cursor.execute(SAVE_ACCOUNT, (account.balance, account.active, account.id))
        for loan in ledger.changed_loans():
            cursor.execute(SAVE_LOAN, (loan.balance, loan.id))
        connection.commit()


def _load(cursor: Any, needs: Needs) -> Ledger:
    cards = {number: Card(number, *row[1:]) for number in needs.cards for row in _query(cursor, CARD, number)}
    wanted = {*needs.accounts, *(card.account_id for card in cards.values())}
    accounts = {
        key: Account(key, kind, balance, limit or 0, active != 0)
        for number in wanted
        for key, kind, balance, limit, active in _query(cursor, ACCOUNT, number)
    }
    loans = {
        key: Loan(key, balance, active != 0)
        for number in needs.loans
        for key, balance, active in _query(cursor, LOAN, number)
    }
    return Ledger(cards, accounts, loans)


def _decide(cursor: Any, domain: Domain, event: Event[Any], ledger: Ledger) -> Decision:
    try:
        return domain.decide(event, ledger)
    except MoreNeeded as more:
        for window in more.needs.windows:
            card, now = window.card, window.now
            ((recent, history),) = _query(cursor, SPENT, now - RECENT, now - RECENT, card, now - HISTORY, now)
            ledger.remember_windows({window: Spent(recent, history)})
        return domain.decide(event, ledger)


def _insert(cursor: Any, table: EventTable, row: Row) -> None:
    columns = ", ".join(f"`{column}`" for column in (*table.columns, "event_id"))
    cursor.execute(f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join(['%s'] * len(row))})", row)


def _query(cursor: Any, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    cursor.execute(sql, parameters)
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
