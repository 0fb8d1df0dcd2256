"""Written tables that are old and big already, as after months of service, so that a run shows what that costs.

The rows are as the service would have written them in the 100 days before: in the benchmark's mix, with ascending event
ids of positions, every account, card and loan equally often, so that fraud windows find a history. The schema is filled
once per server, and its indexes read into the buffer pool as far as they fit, as a server that runs for long has them.
Before each use the bank's balances are as at first, and after it the rows that were added are deleted, so no run sees
what another has spent; nor does it begin before all that is purged and flushed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import migrations
from benchmarks.workload import Workload
from producers.bank import CARD_STEP, COLUMNS, FIRST_CARD, BankShape, fill
from producers.messages import TICKERS
from producers.traffic import MIX
from tests.schema import Schema

TABLES = {
    "transaction": "transactions",
    "card_transaction": "card_transactions",
    "loan_payment": "loan_payments",
    "stock": "stocks",
}
DAYS_MS = 100 * 24 * 3600 * 1000
AGO_MS = 3600 * 1000
"""The newest of them arrived so long ago."""
AT_ONCE = 100_000
"""Rows of one statement."""
GROWN = 70
"""Percent of a page that an index uses which has grown row by row; one built at once has no room in its pages."""
PATIENCE = 120.0
"""Seconds for which a run waits for what the one before has left to be written."""
INDEX = re.compile(r"^ *((UNIQUE )?KEY (`\w+`) \((`\w+`).*?),?$", re.MULTILINE)
"""A secondary index in SHOW CREATE TABLE."""


class Index(NamedTuple):
    """A secondary index. `column`: its first."""

    definition: str
    unique: str
    name: str
    column: str


Tell = Callable[[str], object]


@contextmanager
def older_bank(server: Schema, workload: Workload, rows: int, tell: Tell) -> Iterator[Schema]:
    """A schema with the workload's bank and `rows` older rows. `tell` hears of progress."""
    schema = server.another(f"{server.name}_{rows}_rows")
    migrations.upgrade(schema.url)
    with closing(schema.connect(autocommit=True)) as connection, closing(connection.cursor()) as cursor:
        for table in COLUMNS:
            cursor.execute(f"TRUNCATE TABLE {table}")
        fill(connection, workload.shape, workload.seed)
        cursor.execute("SELECT COUNT(*) FROM (SELECT 1 FROM stocks LIMIT 1) AS filled")
        if cursor.fetchall() == [(0,)]:
            _fill(cursor, workload.shape, rows, tell)
        tell("purging and flushing …")
        _settle(cursor)
        tell("…")
    try:
        yield schema
    finally:
        for table, count in counts(rows).items():
            schema.execute(f"DELETE FROM {table} WHERE id > {count}")
        schema.execute("TRUNCATE TABLE fraud_alerts")


def counts(rows: int) -> dict[str, int]:
    """How many of them are in each table."""
    whole = sum(MIX.values())
    return {table: int(rows * MIX[kind] / whole) for kind, table in TABLES.items()}


def _fill(cursor: Any, shape: BankShape, rows: int, tell: Tell) -> None:
    """Fill the empty tables, the secondary indexes last. At the end the buffer pool is warm."""
    cursor.execute("SET SESSION sql_log_bin = 0")
    cursor.execute(f"SET GLOBAL innodb_fill_factor = {GROWN}")
    cursor.execute("CREATE TABLE older (n INT NOT NULL PRIMARY KEY)")
    cursor.execute(f"INSERT INTO older VALUES {', '.join(f'({n})' for n in range(1, AT_ONCE + 1))}")
    columns = _columns(cursor, shape)
    until_ms = int(time.time() * 1000) - AGO_MS
    for table, count in counts(rows).items():
        indexes = _indexes(cursor, table)
        cursor.execute(f"ALTER TABLE {table} {', '.join(f'DROP KEY {index.name}' for index in indexes)}")
        for first in range(0, count, AT_ONCE):
            tell(f"{table}: {first:,} of {count:,} older rows …")
            cursor.execute(_insert(table, columns[table], first, count, until_ms))
        tell(f"{table}: indexes of {count:,} older rows …")
        cursor.execute(f"ALTER TABLE {table} {', '.join(f'ADD {index.definition}' for index in indexes)}")
        cursor.execute(f"ANALYZE TABLE {table}")
        cursor.fetchall()
    cursor.execute("DROP TABLE older")
    tell("reading indexes …")
    _warm(cursor)
    cursor.execute("SET SESSION sql_log_bin = 1")


def _settle(cursor: Any) -> None:
    """Wait until what was deleted is purged and what was changed is flushed: a run pays for its own writes only."""
    cursor.execute("SELECT @@GLOBAL.innodb_max_dirty_pages_pct")
    ((before,),) = cursor.fetchall()
    cursor.execute("SET GLOBAL innodb_max_dirty_pages_pct = 0")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and (_purges(cursor) or _dirty(cursor)):
        time.sleep(0.2)
    cursor.execute(f"SET GLOBAL innodb_max_dirty_pages_pct = {before}")


def _purges(cursor: Any) -> bool:
    """Whether transactions are waiting to be purged; the newest few always do."""
    cursor.execute("SELECT `count` FROM information_schema.innodb_metrics WHERE name = 'trx_rseg_history_len'")
    return bool(cursor.fetchall()[0][0] > 100)


def _dirty(cursor: Any) -> bool:
    """Whether pages wait to be written; those that the server itself needs always do."""
    cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")
    return int(cursor.fetchall()[0][1]) > 100


def _warm(cursor: Any) -> None:
    """Read the indexes in which new rows go to any place, as far as the buffer pool holds them, to its young end."""
    cursor.execute("SET GLOBAL innodb_old_blocks_time = 0")
    for table in TABLES.values():
        for index in _indexes(cursor, table):
            if not index.unique:
                cursor.execute(f"SELECT COUNT(*) FROM {table} FORCE INDEX ({index.name}) WHERE {index.column} >= 0")
                cursor.fetchall()
    cursor.execute("SET GLOBAL innodb_old_blocks_time = 1000")


def _indexes(cursor: Any, table: str) -> list[Index]:
    cursor.execute(f"SHOW CREATE TABLE {table}")
    ((_, definition),) = cursor.fetchall()
    return [Index(*found) for found in INDEX.findall(definition)]


def _insert(table: str, columns: dict[str, str], first: int, count: int, until_ms: int) -> str:
    """The rows `first` + 1 to `first` + AT_ONCE of `count`, evenly spread over the time until `until_ms`."""
    at_ms = f"{until_ms} - ({count - first} - n) * {DAYS_MS} DIV {count}"
    numbered = f"SELECT n + {first} AS id, {at_ms} AS at_ms FROM older WHERE n <= {count - first}"
    return (
        f"INSERT INTO {table} (id, {', '.join(columns)}, event_id, applied_at) "
        f"SELECT id, {', '.join(columns.values())}, UNHEX(CONCAT(LPAD(HEX(at_ms), 12, '0'), LEFT(SHA2(id, 256), 20))), "
        f"FROM_UNIXTIME((at_ms + 500) / 1000) FROM ({numbered}) AS numbered ORDER BY id"
    )


def _columns(cursor: Any, shape: BankShape) -> dict[str, dict[str, str]]:
    """Of each table the columns, as expressions of `id` and `at_ms`."""
    cursor.execute("SELECT MIN(accounts_id), COUNT(*), (SELECT COUNT(*) FROM loans) FROM cards")
    ((first_holder, cards, loans),) = cursor.fetchall()
    common = {
        "time_stamp": "FROM_UNIXTIME(at_ms DIV 1000)",
        "status": f"IF({_below(20, 'status')}, 1, -1)",
    }
    paid = {
        "memo": f"ELT(1 + {_below(4, 'memo')}, 'rent', 'groceries', '', 'thank you')",
        "transfer_value": _amount(),
        **common,
    }
    ticker = f"ELT(1 + {_below(len(TICKERS), 'ticker')}, {', '.join(repr(ticker) for ticker in TICKERS)})"
    price = f"({_below(400_000_000, 'price')} + 500000) / 1000000"
    step = f"1 + {_below(shape.accounts - 1, 'step')}"
    return {
        "transactions": {
            "origin_account": f"1 + {_below(shape.accounts, 'origin')}",
            "destination_account": f"1 + ({_below(shape.accounts, 'origin')} + {step}) % {shape.accounts}",
            **paid,
        },
        "card_transactions": {
            "card_num": f"{FIRST_CARD} + ({first_holder} + {_below(cards, 'card')}) * {CARD_STEP}",
            "merchant_account_id": f"1 + {_below(shape.merchant_count, 'merchant')}",
            "location": "'US'",
            **paid,
        },
        "loan_payments": {
            "loan_id": f"1 + {_below(loans, 'loan')}",
            "account_id": f"1 + {_below(shape.accounts, 'account')}",
            "amount": _amount(),
            **common,
        },
        "stocks": {
            "ticker": ticker,
            "name": f"CONCAT({ticker}, ' Holdings Inc.')",
            "price": price,
            "market_cap": f"{price} * 1234567",
            "volume": _below(5_000_000, "volume"),
            "high": f"{price} * 1.05",
            "low": f"{price} * 0.95",
            "timestamp": common["time_stamp"],
            "status": "1",
        },
    }


def _below(count: int, of: str) -> str:
    """A whole number from 0 on below `count`, the same for the same row and name, all of them equally often."""
    return f"CRC32(CONCAT('{of}', id)) % {count}"


def _amount() -> str:
    """Mostly small, as the producers' are: a cent to 250."""
    return "ROUND(POW(CRC32(CONCAT('amount', id)) / 4294967296, 4) * 250 + 0.01, 2)"
