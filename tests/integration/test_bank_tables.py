"""The statements of the ledger: what they lock, and how the server finds the rows, on whatever server the tests run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from bank import tables
from bank.needs import HISTORY, RECENT, Needs, Spent, Window, WindowBelow
from bank.tables import BankStore
from pipeline.applying.domain import MoreNeeded
from pipeline.mysql.database import Connections, Database
from pipeline.mysql.literals import literals
from pipeline.runtime.errors import Transient
from tests.schema import Schema


@pytest.fixture
def pool(database: Schema) -> Iterator[Connections]:
    database.execute("INSERT INTO users (id, username, email, first_name, last_name) VALUES (1, 'u', 'u@x', 'U', 'X')")
    for key in range(1, 9):
        database.execute(
            "INSERT INTO accounts (id, users_id, account_type, balance, payment_due, debt_interest, active, approved,"
            " confirmed) VALUES (%s, 1, 'Checking', 100, 0, 0, 1, 1, 1)",
            (key,),
        )
    connections = Connections(
        Database(database.host, database.port, database.user, database.password, database.name), 2
    )
    yield connections
    connections.close()


def test_exactly_the_named_rows_are_locked_until_the_commit(pool: Connections, database: Schema) -> None:
    lane = pool.lane()
    with lane.transaction() as transaction:
        ledger = BankStore().load(transaction, [Needs(accounts=(7, 2)), Needs(accounts=(2, 4_294_967_295))])
        assert str(ledger.account(2, "x").balance) == "100.00"
        free = [key for (key,) in database.query("SELECT id FROM accounts ORDER BY id FOR UPDATE SKIP LOCKED")]
        assert free == [1, 3, 4, 5, 6, 8]
    assert len(database.query("SELECT id FROM accounts FOR UPDATE SKIP LOCKED")) == 8
    lane.close()


def test_a_row_that_another_holds_is_waited_for(pool: Connections) -> None:
    first, second = pool.lane(), pool.lane()
    with first.transaction() as holder, second.transaction() as other:
        BankStore().load(holder, [Needs(accounts=(5,))])
        other.execute("SET SESSION innodb_lock_wait_timeout = 1")
        with pytest.raises(Transient, match="1205"):
            BankStore().load(other, [Needs(accounts=(4, 5))])
        other.execute("SET SESSION innodb_lock_wait_timeout = 5")
    first.close()
    second.close()


def test_the_clock_of_a_chunk_is_read_when_its_last_row_is_locked(pool: Connections, database: Schema) -> None:
    database.execute(
        "INSERT INTO loans (id, users_id, balance, interest_rate, due_date, payment_due, loan_type, monthly_payment,"
        " active, approved, confirmed) VALUES (3, 1, -50, 0, '2039-01-01', 0, 'Auto', 0, 1, 1, 1)"
    )
    for needs, last in (
        (Needs(accounts=(1, 5)), "accounts WHERE id = 5"),
        (Needs(accounts=(1, 5), loans=(3,)), "loans WHERE id = 3"),
    ):
        first, second = pool.lane(), pool.lane()
        with ThreadPoolExecutor(1) as thread, second.transaction() as waiting, first.transaction() as holder:
            holder.query(f"SELECT id FROM {last} FOR UPDATE")
            loading = thread.submit(BankStore().load, waiting, [needs])
            time.sleep(0.2)
            ((released,),) = holder.query("SELECT SYSDATE(6)")
            holder.commit()
            locked_at = loading.result().locked_at
            ((later,),) = waiting.query("SELECT SYSDATE(6)")
        assert locked_at is not None
        assert released < locked_at <= later
        first.close()
        second.close()


def test_where_the_last_row_is_not_there_no_clock_is_told(pool: Connections) -> None:
    lane = pool.lane()
    with lane.transaction() as transaction:
        for needs in (Needs(accounts=(1, 99)), Needs(accounts=(1,), loans=(99,)), Needs(cards=(1,))):
            assert BankStore().load(transaction, [needs]).locked_at is None
    lane.close()


def test_a_window_for_poorer_accounts_is_read_with_the_first_look_where_the_funds_are_less(
    pool: Connections, database: Schema
) -> None:
    database.execute("INSERT INTO cards VALUES (3, 4000000000000000, NULL, NULL, NULL, '2039-01-01')")
    now = datetime(2031, 1, 1)
    known, unknown = Window(4_000_000_000_000_000, now), Window(4_000_000_000_000_001, now)
    lane = pool.lane()
    for window, funds, read in ((known, "100.01", True), (known, "100.00", False), (unknown, "100.01", False)):
        with lane.transaction() as transaction:
            needs = Needs(cards=(window.card,), below=(WindowBelow(window, Decimal(funds)),))
            ledger = BankStore().load(transaction, [needs])
            with nullcontext() if read else pytest.raises(MoreNeeded):
                assert ledger.spent(window) == Spent(None, None)
    lane.close()


def _sum(amounts: list[Decimal]) -> Decimal | None:
    return sum(amounts, Decimal(0)) if amounts else None


@pytest.mark.parametrize("cards_a_statement", [200, 1])
@pytest.mark.parametrize("apart", [(0,), (0, 0.001), (0, 1), (0, 2.5, 3), (0, 29, 33), (0, 20, 50)], ids=str)
@pytest.mark.parametrize("fraction", [0, 250_000])
def test_what_windows_that_end_apart_see_is_what_lies_in_each(
    pool: Connections,
    database: Schema,
    monkeypatch: pytest.MonkeyPatch,
    apart: tuple[float, ...],
    fraction: int,
    cards_a_statement: int,
) -> None:
    monkeypatch.setattr(tables, "CARDS_A_STATEMENT", cards_a_statement)
    first = datetime(2031, 1, 1, 12, 0, 0, fraction)
    windows = [Window(card, first + timedelta(days=days)) for card in (41, 42) for days in apart]
    edges = {window.now - before for window in windows for before in (timedelta(0), RECENT, HISTORY)}
    moments = sorted({edge.replace(microsecond=0) + timedelta(seconds=by) for edge in edges for by in (-1, 0, 1)})
    spendings = [(card, moment, Decimal(2**n) / 100) for card in (41, 43) for n, moment in enumerate(moments)]
    lane = pool.lane()
    with lane.transaction() as transaction:
        rows = [literals((card, 1, "m", amount, moment, 1)) for card, moment, amount in spendings]
        columns = ("card_num", "merchant_account_id", "memo", "transfer_value", "time_stamp", "status")
        transaction.insert("card_transactions", columns, rows)
        ledger = BankStore().load(transaction, [Needs(windows=tuple(windows))])
        for window in windows:
            mine = [(moment, amount) for card, moment, amount in spendings if card == window.card]
            split = window.now - RECENT
            recent = [amount for moment, amount in mine if split < moment <= window.now]
            history = [amount for moment, amount in mine if window.now - HISTORY < moment <= split]
            assert ledger.spent(window) == Spent(_sum(recent), _sum(history))
    lane.close()


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        (tables.LOCK_ACCOUNTS, (2, "[1, 2]")),
        (tables.LOCK_CARDS, ("[4000000000000001]",)),
        (tables.LOCK_LOANS, (2, "[1, 2]")),
        (tables.SAVE_ACCOUNTS, ('[[1, "5.00", 1]]',)),
        (tables.SAVE_LOANS, ('[[1, "5.00"]]',)),
    ],
)
def test_no_statement_scans_a_table(pool: Connections, sql: str, parameters: tuple[object, ...]) -> None:
    lane = pool.lane()
    with lane.transaction() as transaction:
        ((text,),) = transaction.query("EXPLAIN FORMAT=JSON " + sql, parameters)
    lane.close()
    plan = str(text)
    assert "eq_ref" in plan or "Single-row index lookup" in plan, plan
    assert "able scan on a" not in plan
