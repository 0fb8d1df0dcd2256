"""Servers read a row's literals as the values that they were, whatever their sql_mode makes of a backslash."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.mysql.database import Connections, Database, Lane
from pipeline.mysql.literals import literals
from tests.schema import Schema

COLUMNS = ("number", "amount", "memo", "moment", "event")
TABLE = (
    "CREATE TEMPORARY TABLE said (number BIGINT NULL, amount DECIMAL(38,19) NULL, memo VARCHAR(300) NULL, "
    "moment DATETIME(6) NULL, event VARBINARY(64) NULL) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
)
AWKWARD = "'\\\"%_;`\0\n\r\t\x1a#-/*?:{}\u00bf\u5c5c\U0001f600"
TEXTS = st.text(st.sampled_from(AWKWARD) | st.characters(exclude_categories=["Cs"]), max_size=100)
AMOUNTS = st.decimals(min_value=-(10**18), max_value=10**18, places=19) | st.integers(-(10**9), 10**9).map(Decimal)
MOMENTS = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31))
VALUES = (st.integers(-(2**63), 2**63 - 1), AMOUNTS, TEXTS, MOMENTS, st.binary(max_size=64))
ROWS = st.tuples(*(st.none() | values for values in VALUES))


@pytest.fixture(scope="module", params=["", ",NO_BACKSLASH_ESCAPES", ",ANSI_QUOTES"])
def lane(request: pytest.FixtureRequest, database_server: Schema) -> Iterator[Lane]:
    server = database_server
    pool = Connections(Database(server.host, server.port, server.user, server.password, server.name), 1)
    lane = pool.lane()
    with lane.transaction() as transaction:
        transaction.execute(f"SET SESSION sql_mode = CONCAT(@@sql_mode, '{request.param}')")
        ((mode,),) = transaction.query("SELECT @@sql_mode")
        assert request.param.strip(",") in mode
        transaction.execute(TABLE)
    yield lane
    lane.close()
    pool.close()


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.lists(ROWS, min_size=1, max_size=5))
@example([(0, Decimal(0), memo, datetime(2021, 10, 6), memo.encode()) for memo in (*AWKWARD, AWKWARD, "''", "\\'", "")])
def test_a_server_reads_what_was_written(lane: Lane, rows: list[tuple[object, ...]]) -> None:
    with lane.transaction() as transaction:
        transaction.execute("DELETE FROM said")
        for row in rows:
            transaction.insert("said", COLUMNS, [literals(row)])
            found = transaction.query("SELECT number, amount, memo, moment, event FROM said")
            transaction.execute("DELETE FROM said")
            assert [(*one[:4], None if one[4] is None else bytes(one[4])) for one in found] == [row]
