"""The service and AWS' Kinesis Client Library by turns on one stream and one lease table, while its shards change."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from pipeline.messages.records import START
from tests.faults.job import Job, until
from tests.faults.reached import ahead, at_of
from tests.faults.rigged import Rig
from tests.interop.kcl import Kcl
from tests.interop.shared import SharedTrial
from tests.schema import Schema
from tests.servers import ROOT

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]

FAIL_OVER = 10.0
"""Seconds; what both have unless told otherwise."""


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    subprocess.run(["bash", "scripts/setup_kcl.sh"], cwd=ROOT, check=True)


@pytest.fixture
def trial(moto: str, kinesis_local: str, database: Schema, tmp_path: Path) -> SharedTrial:
    return SharedTrial(database, moto, tmp_path, seed=5, kinesis=kinesis_local, partition_key="account")


def test_each_continues_exactly_where_the_other_stopped(trial: SharedTrial) -> None:
    with trial:
        trial.send_packed(800)
        first = trial.kcl(most=237, every=50)
        until(lambda: len(first.taken()) == 237, "KCL takes its share")
        first.terminate()
        [cut] = trial.turn_of(first).after.values()
        assert (max(put.sub_sequence for put in trial.sent if int(put.sequence) == cut.sequence)) > cut.sub_sequence > 0

        trial.stream.split()
        trial.send_packed(1200)
        second = trial.start(batch=100)
        until(lambda: applied(second) >= 800, f"the service is in the children: {second.tail}")
        second.terminate()
        assert second.exit_code() == 0, second.tail
        trial.turn_of(second)
        trial.look()

        trial.stream.merge()
        trial.send_packed(600)
        trial.send(200)
        third = trial.kcl(every=70)
        until(lambda: third.taken() >= trial.unread(), "KCL has drained the stream")
        third.kill9()
        trial.turn_of(third)
        repeated = trial.unread()

        trial.stream.split()
        trial.send_packed(400)
        last = trial.start("--until-caught-up")
        assert last.exit_code() == 0, last.tail
        trial.turn_of(last)
        print(f"KCL had taken {len(repeated)} more than it had checkpointed")
        assert 0 < len(repeated) < 70 * 4
        check(trial)


def test_neither_takes_a_lease_from_the_other_while_it_lives(trial: SharedTrial) -> None:
    with trial:
        trial.send_packed(600)
        first = trial.kcl(every=70, fail_over=FAIL_OVER)
        until(lambda: first.taken(), "KCL works")
        second = trial.start(rig=Rig(spark=False))
        trial.send(400)
        until(lambda: len(first.taken()) == len(trial.sent), "KCL has drained the stream")
        stay(trial, 4 * FAIL_OVER / 3)
        assert not second.lines("leading")
        first.terminate()
        trial.turn_of(first)

        before = trial.rows()
        trial.send_packed(1100)
        until(lambda: trial.rows() > before, f"the service takes over: {second.tail}")
        trial.look()
        until(lambda: not ahead(trial.sent, trial.checkpoints()), f"the service has taken over: {second.tail}")
        third = trial.kcl(every=70, fail_over=FAIL_OVER)
        third.wait_for_log("is a leader, performing assignment")
        stay(trial, 4 * FAIL_OVER / 3)
        assert not third.taken()
        assert not second.lines("standing by")
        second.kill9()
        trial.turn_of(second)

        trial.send(300)
        until(lambda: third.taken() >= trial.unread(), "KCL takes over")
        third.terminate()
        trial.turn_of(third)
        check(trial)


def stay(trial: SharedTrial, renewals: float) -> None:
    """Wait until the one lease was renewed so often."""
    before = trial.renewals()
    until(lambda: trial.renewals() >= before + renewals, "the holder of the lease renews it")


def applied(job: Job) -> int:
    return sum(batch["records"] for batch in job.batches)


def check(trial: SharedTrial) -> None:
    """Every message was consumed in exactly one turn; the fleets took theirs, and the service has applied its own."""
    owners = Counter(at for turn in trial.turns for at in map(at_of, trial.sent) if turn.owns(at))
    assert owners == Counter(map(at_of, trial.sent)), "no message was lost at a cut, and none is in two turns"
    for turn in trial.turns:
        if isinstance(turn.consumer, Kcl):
            took = turn.consumer.taken()
            assert took >= {at for at in owners if turn.owns(at)}, "KCL has passed nothing by"
            assert all(position > turn.before.get(shard, START) for shard, position in took), "nor repeated ours"
    fleets = [turn for turn in trial.turns if isinstance(turn.consumer, Kcl)]
    everything = trial.sent
    trial.sent = [put for put in everything if not any(fleet.owns(at_of(put)) for fleet in fleets)]
    trial.check()
    print(f"{len(everything)} messages, {len(trial.sent)} of them the service's")
