"""Shards split and merge while the job runs and producers go on: parents before children, everything once."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from tests.faults.job import Job, until
from tests.faults.trial import Trial
from tests.schema import Schema

SHARDS_OF_ALL_TIMES = 1 + 2 + 4 + 2
A_GENERATION = 250
"""Messages put at least between two reshards."""


def test_keys_keep_their_order_while_one_shard_becomes_two_then_four_then_two(
    moto: str, kinesis_local: str, database: Schema, tmp_path: Path
) -> None:
    with Trial(
        database, moto, tmp_path, seed=4, kinesis=kinesis_local, odd=0.0, partition_key="account", slow=0
    ) as trial:
        trial.send(A_GENERATION)
        job = trial.start(batch=40)
        job.wait_for("batch")
        enough = threading.Event()
        producer = threading.Thread(target=lambda: produce(trial, enough))
        producer.start()
        try:
            for shards in (2, 4, 2):
                put_more(trial)
                trial.stream.client.update_shard_count(
                    StreamName=trial.stream.name, TargetShardCount=shards, ScalingType="UNIFORM_SCALING"
                )
                trial.stream.settle()
                trial.look()
            put_more(trial)
        finally:
            enough.set()
            producer.join()
        until(lambda: applied(job) >= len(trial.sent) or not job.running, f"all is applied: {job.tail}")
        job.terminate()
        assert job.exit_code() == 0, job.tail
        assert applied(job) == len(trial.sent), "nothing was read twice"
        assert len(job.lines("leading")) == 1
        trial.check()
        by_shard = Counter(put.shard for put in trial.sent)
        assert len(by_shard) == SHARDS_OF_ALL_TIMES, by_shard


def produce(trial: Trial, enough: threading.Event) -> None:
    while not enough.is_set():
        trial.send(25)


def put_more(trial: Trial) -> None:
    wanted = len(trial.sent) + A_GENERATION
    until(lambda: len(trial.sent) >= wanted, "producers go on")


def applied(job: Job) -> int:
    """Messages of all batches that have ended; those read twice count twice."""
    return sum(batch["records"] for batch in job.batches)
