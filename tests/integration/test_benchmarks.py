"""What the benchmark's figures rest on: the stand-in gives what was put, and the ceiling writes what was decided."""

from __future__ import annotations

import json
import time
from itertools import groupby
from typing import Any

import pytest

from benchmarks import applying, ceiling, latency, old_way, stages
from benchmarks.decided import decide
from benchmarks.machine import Watch
from benchmarks.older_rows import INDEX, older_bank
from benchmarks.parts import Bench, growth, percentiles
from benchmarks.stand_in import Shard, begin, stand_in, tally
from benchmarks.workload import STREAM, Workload, bank, shard_id
from pipeline.aws import Aws
from pipeline.kinesis.aggregation import EVERY_HASH
from pipeline.kinesis.reader import KinesisReader
from pipeline.kinesis.shards import list_shards
from pipeline.messages.records import START, Range, Record
from tests.schema import Schema
from tests.servers import moto

BEGAN_MS = 1_700_000_000_000
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


def test_a_record_of_the_stand_in_is_there_from_its_arrival_on_at_the_rate_of_its_workload() -> None:
    workload = Workload(600, BEGAN_MS, accounts=50, rate=200)
    with stand_in(workload) as stream:
        client = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", stream.url),)).client("kinesis")
        began = time.time() + 0.3
        begin(stream, began)
        place = {"StreamName": STREAM, "ShardId": shard_id(0)}
        first = client.get_shard_iterator(**place, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        none = client.get_records(ShardIterator=first)
        time.sleep(max(0.0, began + 1.0 - time.time()))
        latest = client.get_shard_iterator(**place, ShardIteratorType="LATEST")["ShardIterator"]
        before = time.time()
        some = client.get_records(ShardIterator=first)
        after = time.time()
        few = client.get_records(ShardIterator=first, Limit=100)
        time.sleep(0.2)
        newer = client.get_records(ShardIterator=latest)
        since = client.get_shard_iterator(**place, ShardIteratorType="AT_TIMESTAMP", Timestamp=began + 0.5)
        late = client.get_records(ShardIterator=since["ShardIterator"])
    assert (none["Records"], none["MillisBehindLatest"]) == ([], 0)
    assert 200 * (before - began) - 1 <= len(some["Records"]) <= 200 * (after - began) + 1
    assert some["MillisBehindLatest"] == 0
    assert 450 <= few["MillisBehindLatest"] < 200 + 1000 * (after - began)
    assert [record["Data"] for record in some["Records"]] == [record.data for record in workload.records()][
        : len(some["Records"])
    ]
    arrivals = [record["ApproximateArrivalTimestamp"].timestamp() - began for record in some["Records"]]
    assert all(abs(arrived - index / 200) < 0.002 for index, arrived in enumerate(arrivals))
    assert newer["Records"][0]["ApproximateArrivalTimestamp"].timestamp() >= before - 0.1
    assert abs(late["Records"][0]["ApproximateArrivalTimestamp"].timestamp() - began - 0.5) < 0.01


def test_the_stand_in_lets_no_more_out_of_a_shard_than_kinesis_does() -> None:
    workload = Workload(9_000, BEGAN_MS, accounts=50, limits=True)
    with stand_in(workload) as stream:
        client = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", stream.url),)).client("kinesis", attempts=1)
        place = {"StreamName": STREAM, "ShardId": shard_id(0), "ShardIteratorType": "TRIM_HORIZON"}
        iterator = client.get_shard_iterator(**place)["ShardIterator"]
        for _ in range(5):
            client.get_records(ShardIterator=iterator, Limit=1)
        with pytest.raises(client.exceptions.ProvisionedThroughputExceededException, match="5 calls"):
            client.get_records(ShardIterator=iterator, Limit=1)
        tries, refused = 0, ""
        while not refused and tries < 10:  # a busy machine may take longer over an answer than the shard is in debt for
            tries += 1
            time.sleep(1.0)
            given = client.get_records(ShardIterator=iterator)
            owed = sum(len(record["Data"]) for record in given["Records"]) / (2 * 1024 * 1024)
            try:
                client.get_records(ShardIterator=given["NextShardIterator"])
            except client.exceptions.ProvisionedThroughputExceededException as error:
                refused = str(error)
        assert "2 MB" in refused
        time.sleep(owed + 0.1)
        client.get_records(ShardIterator=given["NextShardIterator"])
        calls = tally(stream).calls
    assert owed > 0.5
    assert calls == {
        "GetShardIterator answered": 1,
        "GetRecords answered": 5 + 2 * tries,
        "GetRecords refused: 5 calls a second": 1,
        "GetRecords refused: 2 MB a second": 1,
    }


def test_an_answer_of_the_stand_in_has_at_most_ten_megabytes() -> None:
    shard, data = Shard(None), b"x" * 2**20
    for index in range(12):
        shard.add(Record(shard_id(0), str(index), 0, BEGAN_MS, data))
    first, rest = (json.loads(shard.answer("shard", start, 10_000, BEGAN_MS + 50)) for start in (0, 9))
    assert (len(first["Records"]), first["NextShardIterator"], first["MillisBehindLatest"]) == (9, "shard 9", 50)
    assert (len(rest["Records"]), rest["NextShardIterator"], rest["MillisBehindLatest"]) == (3, "shard 12", 0)


def test_shards_with_limits_refuse_a_rate_that_they_would_not_take() -> None:
    assert Workload(1, BEGAN_MS, shards=5, rate=5_000, limits=True)
    with pytest.raises(ValueError, match="5,000 messages a second take 5 shards"):
        Workload(1, BEGAN_MS, shards=4, rate=5_000, limits=True)


def test_latency_is_of_every_message_that_arrives_after_the_warm_up(
    database_server: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "WARM_UP", 2)
    workload = Workload(1_000, BEGAN_MS, shards=2, accounts=300, rate=200)
    settings = {"BATCH_LENGTH": "0.2", "PARTITIONS": "1", "MAX_THREADS": "1"}
    with bank(database_server, workload, "latency") as schema, moto() as aws, Watch() as watch:
        found = latency.run(schema, aws, workload, settings, watch)
        written = sum(schema.query(f"SELECT COUNT(*) FROM {table}")[0][0] for table in TABLES[:4])
    assert 0.9 * written * 3 / 5 < len(found.taken) < 1.1 * written * 3 / 5
    assert 0 < min(found.taken) < percentiles(found.taken)["p50"] < 10
    assert found.seen
    assert min(found.seen) > 0


def test_the_path_on_an_emulator_applies_every_message_and_tells_what_the_emulator_took(
    database_server: Schema,
) -> None:
    with moto() as aws, Watch() as watch:
        settings = {"PARTITIONS": "1"}
        found = Bench(database_server, aws, watch, 600, shards=2, odd=0.1, settings=settings, accounts=300).emulator()
    outcomes: Any = found.facts["outcomes"]
    assert sum(outcomes.values()) == 600
    assert 0 < found.use.used["emulator"] < sum(found.use.used.values())


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


def test_the_stages_of_a_worker_have_all_of_its_work_and_write_every_row(database_server: Schema) -> None:
    workload = Workload(1_500, int(time.time() * 1000) - 1_500, shards=2, accounts=300)
    with bank(database_server, workload, "stages") as schema:
        before = time.thread_time()
        spent = stages.run(schema, workload, 100)
        taken = time.thread_time() - before
        written = sum(schema.query(f"SELECT COUNT(*) FROM {table}")[0][0] for table in TABLES)
    assert written == decide(workload, 1).rows
    assert len(spent) == 8
    assert min(spent.values()) > 0
    assert sum(spent.values()) < taken


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


def test_older_rows_are_as_the_service_writes_them_and_outlive_the_rows_and_balances_of_a_run(
    database_server: Schema, migrated: Schema
) -> None:
    workload, told = Workload(400, int(time.time() * 1000) - 400, accounts=300), list[str]()
    with older_bank(database_server, workload, 20_000, told.append) as schema, Watch() as watch:
        before = _state(schema)
        assert before[:4] == (8_000, 6_000, 2_000, 4_000)
        for table in TABLES[:4]:
            _check_older(schema, migrated, table)
        ((cards, least, most, own),) = schema.query(
            "SELECT COUNT(*), MIN(n), MAX(n), SUM(own) FROM (SELECT COUNT(*) AS n, SUM(c.accounts_id IS NOT NULL) = "
            "COUNT(*) AS own FROM card_transactions AS t LEFT JOIN cards AS c USING (card_num) GROUP BY card_num) AS x"
        )
        assert (cards, own) == (180, 180)
        assert 10 < least < 6_000 / 180 < most < 70
        assert schema.query("SELECT COUNT(*) FROM transactions WHERE origin_account = destination_account") == [(0,)]
        applying.run(schema, workload, 1, 100, watch)
        assert _state(schema) != before
    assert "transactions: 0 of 8,000 older rows …" in told
    told.clear()
    with older_bank(database_server, workload, 20_000, told.append) as again:
        assert (again.name, _state(again)) == (schema.name, before)
    schema.drop()
    assert not any("older rows" in one for one in told)


def _state(schema: Schema) -> tuple[Any, ...]:
    """Rows by table and the money of the bank."""
    rows = (schema.query(f"SELECT COUNT(*) FROM {table}")[0][0] for table in TABLES)
    return *rows, schema.query(ceiling.BALANCES)


def _check_older(schema: Schema, migrated: Schema, table: str) -> None:
    time_stamp = "timestamp" if table == "stocks" else "time_stamp"
    ids = [bytes(row[0]) for row in schema.query(f"SELECT event_id FROM {table} ORDER BY id")]
    arrived = [int.from_bytes(event[:6], "big") / 1000 for event in ids]
    assert ids == sorted(set(ids))
    assert arrived[-1] < time.time() - 3_000
    assert abs(arrived[-1] - arrived[0] - 100 * 24 * 3600) < 7_200
    assert 0 < arrived[1] - arrived[0] == pytest.approx(arrived[-1] - arrived[-2], abs=0.01)
    apart = f"FROM {table} WHERE ABS(TIMESTAMPDIFF(SECOND, `{time_stamp}`, applied_at)) > 2 OR applied_at IS NULL"
    assert schema.query(f"SELECT COUNT(*) {apart}") == [(0,)]
    made, meant = (one.query(f"SHOW CREATE TABLE {table}")[0][1] for one in (schema, migrated))
    assert INDEX.findall(made) == INDEX.findall(meant) != []


def test_growth_is_what_the_last_third_has_more_than_the_second() -> None:
    assert growth([10.0, 90.0, 50.0, 50.0, 53.0, 53.0]) == 3.0
    assert growth([1.0, 2.0]) == 0.0


def test_percentiles_lie_within_what_was_measured() -> None:
    assert percentiles([float(number) for number in range(101)]) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
