"""(c) The whole path: the real job works off a backlog, from the first plan to the last commit."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from benchmarks.job import Job, job
from benchmarks.latency import TABLES
from benchmarks.machine import Use, Watch
from benchmarks.stand_in import stand_in, tally
from benchmarks.workload import STREAM, Workload
from pipeline.aws import Aws
from producers.kinesis import put
from tests.schema import Schema
from tests.servers import Endpoint, kinesis_local

FIRST_APPLIED = (
    "SELECT MIN(applied_at) FROM (SELECT applied_at FROM {table} ORDER BY id DESC LIMIT %s) AS newest "
    "WHERE applied_at >= %s"
)


class Passed(NamedTuple):
    """`seconds`: from the first plan to the last batch's end. `first_commit`, `first_batch`: seconds from the start of
    the process to the first transaction, and to the end of the first batch. `stages`: seconds of all batches, by stage.
    `resident`: MiB of the largest process by kind, look by look. `calls`: of the stream, let through and refused."""

    messages: int
    seconds: float
    first_commit: float
    first_batch: float
    batches: int
    outcomes: Counter[str]
    stages: Counter[str]
    use: Use
    resident: dict[str, list[float]]
    calls: dict[str, int]


def run(schema: Schema, aws: Endpoint, workload: Workload, settings: Mapping[str, str], watch: Watch) -> Passed:
    """Apply the whole workload. Raises `RuntimeError` where a message has no outcome, or a letter was not written."""
    with stand_in(workload, aws.url) as stream:
        settings = {"AWS_ENDPOINT_URL_DYNAMODB": stream.url, **settings}
        passed = _work_off(schema, stream, aws, workload, settings, watch)
        told = tally(stream)
    owed = sum(count for outcome, count in passed.outcomes.items() if outcome.startswith("letter:"))
    if told.letters != owed:
        raise RuntimeError(f"{told.letters} of {owed} letters were written")
    return passed._replace(calls=told.calls)


def run_on_emulator(
    schema: Schema, aws: Endpoint, workload: Workload, settings: Mapping[str, str], watch: Watch
) -> Passed:
    """The same with kinesis-local as the stream and moto for the letters. Raises `RuntimeError` as `run` does."""
    with kinesis_local() as stream:
        client = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", stream.url),)).client("kinesis")
        client.create_stream(StreamName=STREAM, ShardCount=workload.shards)
        client.get_waiter("stream_exists").wait(StreamName=STREAM, WaiterConfig={"Delay": 1})
        put(client, STREAM, islice(workload.traffic(), workload.count), aggregate=workload.aggregate > 0)
        return _work_off(schema, stream, aws, workload, settings, watch)


def _work_off(
    schema: Schema, stream: Endpoint, aws: Endpoint, workload: Workload, settings: Mapping[str, str], watch: Watch
) -> Passed:
    with job(schema, stream, aws, settings, "--until-caught-up") as running:
        running.wait_for("caught up")
        passed = _passed(running, watch, _first_commit(schema, running, workload.count))
    if passed.messages != workload.count:
        raise RuntimeError(f"{passed.messages} of {workload.count} messages have an outcome")
    return passed


def _first_commit(schema: Schema, running: Job, most: int) -> float:
    """Seconds from the start of the process to the clock of its first chunk, which was committed some 30 ms later."""
    started = datetime.fromtimestamp(time.time() - (time.monotonic() - running.started), UTC).replace(tzinfo=None)
    found = [schema.query(FIRST_APPLIED.format(table=table), (most, started))[0][0] for table in TABLES]
    return float((min(first for first in found if first) - started).total_seconds())


def _passed(running: Job, watch: Watch, first_commit: float) -> Passed:
    batches = running.batches()
    first = batches[0]
    start, end = first.at - sum(first.fields["seconds"][stage] for stage in ("plan", "run", "commit")), batches[-1].at
    outcomes: Counter[str] = Counter()
    stages: Counter[str] = Counter()
    for batch in batches:
        for counts in batch.fields["outcomes"].values():
            outcomes.update(counts)
        stages.update(batch.fields["seconds"])
    return Passed(
        outcomes.total(),
        end - start,
        first_commit,
        first.at - running.started,
        len(batches),
        outcomes,
        stages,
        watch.use(start, end),
        watch.resident(start, end),
        {},
    )
