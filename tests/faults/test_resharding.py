"""One shard becomes four, then two, then eight, by splits and merges, while producers go on and drivers are killed."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.kinesis.shards import Shard, list_shards
from pipeline.messages.records import END
from tests.contract.misbehaving import Forward, Message, misbehaving
from tests.faults.facts import Facts
from tests.faults.job import Job, until
from tests.faults.reached import ahead
from tests.faults.rigged import Rig
from tests.faults.trial import Trial
from tests.schema import Schema

RESHARDS = (
    *(("split", number) for number in (0, 0, 2)),
    *(("merge", number) for number in (0, 1)),
    *(("split", number) for number in (0, 0, 2, 4, 4, 6)),
)
"""1 → 4 → 2 → 8: what is done to the open shard with that number."""
OF_ALL_TIMES = 1 + 3 * 2 + 2 + 6 * 2
A_GENERATION = 60
"""Messages put at least between two reshards."""
KILL_CHANCE = 0.3
EXPIRING_SOON = Rig(spark=False, fail_over=2.5)


@pytest.mark.parametrize(
    "seed", [7, *(pytest.param(seed, marks=[pytest.mark.soak, pytest.mark.timeout(600)]) for seed in range(8, 13))]
)
def test_shards_come_and_go_under_drivers_that_die(
    moto: str, kinesis_local: str, database: Schema, tmp_path: Path, seed: int
) -> None:
    with (
        misbehaving(kinesis_local) as proxy,
        Trial(database, moto, tmp_path, seed, kinesis=proxy.url, odd=0.0, partition_key="account", slow=0) as trial,
    ):
        drivers = [begin(trial), begin(trial)]
        leading(drivers)
        with producing(trial):
            for what, number in RESHARDS:
                put_more(trial, A_GENERATION)
                getattr(trial.stream, what)(number)
                trial.look()
                if trial.random.random() < KILL_CHANCE:
                    drivers.append(begin(trial))
                    leading(drivers).kill9()
            put_more(trial, A_GENERATION)
        until(lambda: not ahead(trial.sent, trial.checkpoints()), f"all is applied: {drivers[-1].tail}")
        living = [driver for driver in drivers if driver.running]
        for driver in living:
            driver.terminate()
        assert [driver.exit_code() for driver in living] == [0, 0]
        trial.check()
        listed = {shard.id: shard for shard in list_shards(trial.stream.aws, trial.stream.name)}
        assert len(listed) == OF_ALL_TIMES
        assert len({put.shard for put in trial.sent}) > OF_ALL_TIMES * 0.8
        assert trial.checkpoints().keys() == listed.keys()
        assert all((at == END) == listed[shard].closed for shard, at in trial.checkpoints().items())
        assert not list(early_children(trial, listed))

        proxy.around = forgetful
        last = trial.start("--until-caught-up", rig=EXPIRING_SOON)
        assert last.exit_code() == 0, last.tail
        assert trial.checkpoints().keys() == {shard for shard in listed if not listed[shard].closed}
        print(f"{len(trial.sent)} messages, {len(listed)} shards, {len(drivers) - 2} drivers killed")


@pytest.mark.soak
def test_a_job_on_spark_follows_a_stream_that_is_scaled(
    moto: str, kinesis_local: str, database: Schema, tmp_path: Path
) -> None:
    with Trial(
        database, moto, tmp_path, seed=4, kinesis=kinesis_local, odd=0.0, partition_key="account", slow=0
    ) as trial:
        trial.send(250)
        job = trial.start(batch=40)
        job.wait_for("batch")
        with producing(trial):
            for shards in (2, 4, 2):
                put_more(trial, 250)
                trial.stream.client.update_shard_count(
                    StreamName=trial.stream.name, TargetShardCount=shards, ScalingType="UNIFORM_SCALING"
                )
                trial.stream.settle()
                trial.look()
            put_more(trial, 250)
        until(lambda: applied(job) >= len(trial.sent) or not job.running, f"all is applied: {job.tail}")
        job.terminate()
        assert job.exit_code() == 0, job.tail
        assert applied(job) == len(trial.sent), "nothing was read twice"
        assert len(job.lines("leading")) == 1
        trial.check()
        assert len({put.shard for put in trial.sent}) == 1 + 2 + 4 + 2


def begin(trial: Trial) -> Job:
    return trial.start(batch=40, rig=EXPIRING_SOON)


def leading(drivers: Sequence[Job]) -> Job:
    until(lambda: any(driver.leads for driver in drivers), "one of the drivers works")
    return next(driver for driver in drivers if driver.leads)


@contextmanager
def producing(trial: Trial) -> Iterator[None]:
    enough = threading.Event()

    def produce() -> None:
        while not enough.wait(0.02):
            trial.send(10)

    producer = threading.Thread(target=produce)
    producer.start()
    try:
        yield
    finally:
        enough.set()
        producer.join()


def put_more(trial: Trial, messages: int) -> None:
    wanted = len(trial.sent) + messages
    until(lambda: len(trial.sent) >= wanted, "producers go on")


def applied(job: Job) -> int:
    """Messages of all batches that have ended; those read twice count twice."""
    return sum(batch["records"] for batch in job.batches)


def early_children(trial: Trial, listed: Mapping[str, Shard]) -> Iterator[str]:
    """Every shard of which something was applied before its parents were drained."""
    facts = Facts(trial.run())
    applied = defaultdict[str, list[datetime]](list)
    for event, (sighting, *repeats) in facts.events.items():
        if not repeats:
            applied[sighting.record.shard] += [row["applied_at"] for _, row in facts.rows_of.get(event, [])]
    for shard in listed.values():
        for parent in shard.parents:
            if applied[shard.id] and applied[parent] and min(applied[shard.id]) < max(applied[parent]):
                yield f"{shard.id} was begun before {parent} was drained"


def forgetful(operation: str, request: Message, forward: Forward) -> Message:
    """A stream that has forgotten its closed shards, as Kinesis does once all they held is trimmed."""
    answer = forward(request)
    if operation == "ListShards":
        answer["Shards"] = [
            shard for shard in answer["Shards"] if shard["SequenceNumberRange"].get("EndingSequenceNumber") is None
        ]
    return answer
