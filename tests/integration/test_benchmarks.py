"""What the benchmark's figures rest on: the stand-in gives what was put, and the ceiling writes what was decided."""

from __future__ import annotations

from itertools import groupby

from benchmarks import applying, ceiling, old_way
from benchmarks.decided import decide
from benchmarks.machine import Watch
from benchmarks.parts import growth, percentiles
from benchmarks.stand_in import stand_in
from benchmarks.workload import STREAM, Workload, bank, shard_id
from pipeline.aggregation import EVERY_HASH
from pipeline.aws import Aws
from pipeline.kinesis import KinesisReader
from pipeline.records import START, Range, Record
from pipeline.shards import list_shards
from tests.schema import Schema

BEGAN_MS = 1_900_000_000_000
TABLES = ("transactions", "card_transactions", "loan_payments", "stocks", "fraud_alerts")


def test_the_stand_in_gives_every_record_once_and_in_order_however_it_is_asked() -> None:
    workload = Workload(700, BEGAN_MS, shards=2, accounts=50)
    with stand_in(workload) as stream:
        aws = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", stream.url),))
        read: list[Record] = []
        for shard in list_shards(aws, STREAM):
            reader, at, at_tip = KinesisReader(aws, STREAM), START, False
            while not at_tip:
                extent = reader.read(Range(shard.id, at, None, EVERY_HASH, max_records=97, max_bytes=10**7))
                read += extent.records
                at, at_tip = extent.through, extent.at_tip
        late = reader.read(Range(shard_id(0), START, BEGAN_MS + 600, EVERY_HASH, max_records=1000, max_bytes=10**7))
    put = sorted(workload.records(), key=lambda record: record.shard)
    assert [len(list(records)) for _, records in groupby(put, lambda record: record.shard)] != [700]
    assert read == put
    assert late.records == [r for r in put if r.shard == shard_id(0) and r.arrived_ms >= BEGAN_MS + 600]


def test_the_ceiling_writes_every_decided_row_and_moves_every_balance(database_server: Schema) -> None:
    workload = Workload(1_500, BEGAN_MS, accounts=300)
    with bank(database_server, workload, "ceiling") as schema, Watch() as watch:
        ceiling.run(schema, workload, 2, watch)
        written = sum(schema.query(f"SELECT COUNT(*) FROM {table}")[0][0] for table in TABLES)
        unmarked = sum(
            schema.query(f"SELECT COUNT(*) FROM {table} WHERE event_id IS NULL OR applied_at IS NULL")[0][0]
            for table in TABLES
        )
    assert (written, unmarked) == (decide(workload, 1).rows, 0)
    assert written > 1_000


def test_applying_alone_writes_the_rows_that_are_decided_one_after_the_other(database_server: Schema) -> None:
    workload = Workload(1_500, BEGAN_MS, accounts=300)
    with bank(database_server, workload, "applying") as schema, Watch() as watch:
        applied = applying.run(schema, workload, 1, 100, watch)
        written = sum(schema.query(f"SELECT COUNT(*) FROM {table}")[0][0] for table in TABLES)
    assert written == decide(workload, 1).rows
    assert 0 < applied.spans["lock accounts"] < applied.spans[applying.LOCKED] < applied.spans[applying.WHOLE]
    assert applied.spans[applying.WHOLE] < applied.seconds


def test_the_old_way_comes_to_the_rows_and_balances_that_are_decided_one_after_the_other(
    database_server: Schema,
) -> None:
    workload = Workload(400, BEGAN_MS, accounts=300)
    with bank(database_server, workload, "old") as schema:
        ((before,),) = schema.query(ceiling.BALANCES)
        assert old_way.run(schema, workload) > 0
        ((after,),) = schema.query(ceiling.BALANCES)
        written = sum(schema.query(f"SELECT COUNT(*) FROM {table}")[0][0] for table in TABLES)
    decided = decide(workload, 1)
    assert (written, after - before) == (decided.rows, decided.total)


def test_growth_is_what_the_last_third_has_more_than_the_second() -> None:
    assert growth([10.0, 90.0, 50.0, 50.0, 53.0, 53.0]) == 3.0
    assert growth([1.0, 2.0]) == 0.0


def test_percentiles_lie_within_what_was_measured() -> None:
    assert percentiles([float(number) for number in range(101)]) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
