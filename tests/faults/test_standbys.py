"""Three drivers on one stream: one works and two stand by, whichever of them is killed or stands still meanwhile."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.job import Job, until
from tests.faults.reached import ahead
from tests.faults.rigged import Rig
from tests.faults.trial import Trial
from tests.schema import Schema

A_BATCH = 60
"""Messages of one shard at most."""
BACKLOG = 700
"""Messages that wait at least, so that there is a batch to stop in the middle."""


class Drivers:
    """Three of them; a new one takes the place of each that is killed. `fail_over`: seconds."""

    def __init__(self, trial: Trial, fail_over: float) -> None:
        self.trial, self.fail_over = trial, fail_over
        self.living: list[Job] = []
        self.took: list[float] = []
        for _ in range(3):
            self.begin()

    def begin(self) -> None:
        """One more driver."""
        self.living.append(self.trial.start(batch=A_BATCH, rig=Rig(spark=False, fail_over=self.fail_over)))

    def leader(self) -> Job:
        """The one that works. AssertionError where it is not exactly one."""
        return self._only(self.living)

    def successor(self, old: Job, since: datetime) -> Job:
        """The one that works now in place of `old`, which has been silent `since` then."""
        others = [driver for driver in self.living if driver is not old]
        new = self._only(others)
        took = datetime.fromisoformat(new.lines("leading")[-1]["ts"]) - since
        self.took.append(took.total_seconds())
        assert self.took[-1] < 2 * self.fail_over
        return new

    def _only(self, drivers: Sequence[Job]) -> Job:
        until(lambda: any(driver.leads for driver in drivers), f"one of {[driver.name for driver in drivers]} works")
        leaders = [driver for driver in drivers if driver.leads]
        assert len(leaders) == 1, f"{[driver.name for driver in leaders]} work at the same time"
        return leaders[0]


def replace_killed(drivers: Drivers, leader: Job) -> None:
    leader.kill9()
    new = drivers.successor(leader, datetime.now(UTC))
    drivers.living.remove(leader)
    works(new)
    drivers.begin()


def stop_and_wake(drivers: Drivers, leader: Job, *, long: bool) -> None:
    """`long`: until the database has given up the stopped driver's transactions, and the new one has got past them."""
    leader.signal(signal.SIGSTOP)
    ended, stood_by = len(leader.batches), len(leader.lines("standing by"))
    new = drivers.successor(leader, datetime.now(UTC))
    if long:
        works(new)
    owners = drivers.trial.owners()
    leader.signal(signal.SIGCONT)
    leader.wait_for("standing by", stood_by + 1)
    works(new)
    assert len(leader.batches) <= ended + 1, "nothing was planned after the pause"
    assert drivers.trial.owners() == owners, "and no lease was taken back"


def works(driver: Job) -> None:
    done = len(driver.batches)
    until(lambda: len(driver.batches) > done or not driver.running, f"it works: {driver.tail}")


@contextmanager
def backlog(trial: Trial) -> Iterator[None]:
    """Messages wait all the time."""
    enough = threading.Event()

    def produce() -> None:
        while not enough.wait(0.02):
            if len(trial.sent) - trial.rows() < BACKLOG:
                trial.send(100)

    producer = threading.Thread(target=produce)
    producer.start()
    try:
        yield
    finally:
        enough.set()
        producer.join()


SOAK = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("seed", "rounds", "fail_over"),
    [(6, 2, 4.0), pytest.param(7, 10, 5.0, marks=SOAK), pytest.param(8, 10, 5.0, marks=SOAK)],
)
def test_one_of_three_works_whatever_becomes_of_it(
    moto: str, kinesis_local: str, database: Schema, tmp_path: Path, seed: int, rounds: int, fail_over: float
) -> None:
    with Trial(database, moto, tmp_path, seed, kinesis=kinesis_local, odd=0.0, partition_key="account") as trial:
        for number in (0, 0, 2):
            trial.stream.split(number)
        trial.send(BACKLOG)
        with backlog(trial):
            drivers = Drivers(trial, fail_over)
            for number in range(rounds):
                leader = drivers.leader()
                trial.wait_for_mid_batch(leader, 5)
                if number % 2:
                    stop_and_wake(drivers, leader, long=number % 4 == 3)
                else:
                    replace_killed(drivers, leader)
                trial.look()
                assert len(trial.owners() - {None}) == 1, "the leases are never split"
        leader = drivers.leader()
        until(lambda: not ahead(trial.sent, trial.checkpoints()), f"all is applied: {leader.tail}")
        for driver in drivers.living:
            driver.terminate()
        assert [driver.exit_code() for driver in drivers.living] == [0, 0, 0]
        assert trial.owners() == {None}
        trial.check()
        print(
            f"{len(trial.sent)} messages, taken over after {max(drivers.took):.1f} s at most, fail-over {fail_over} s"
        )
