"""The driver's loop without Spark: what is committed, what is dropped, who waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from pipeline.dstream.driver import MOST_DEATHS, Driver
from pipeline.dstream.monitoring.health import Health
from pipeline.messages.records import Position, Range, Report
from pipeline.runtime.errors import Fatal, LeaseLost, TaskDied, Transient
from tests.fakes import Helping, MemoryReader, MemorySource, run_here

PARTITIONS = 2
SHARDS = {"a": 2_500, "b": 10, "c": 0}
DONE = {"a": Position(2_499), "b": Position(9)}

Run = Callable[[Sequence[Range]], list[Report]]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Trial:
    """A driver on a stream in memory. Leads in a thread between `leading`'s ends."""

    def __init__(self, shards: dict[str, int] | None = None, run: Run | None = None, **options: Any) -> None:
        self.source = MemorySource(MemoryReader(dict(SHARDS if shards is None else shards)))
        self.clock, self.helper = Clock(), Helping()
        self.run = run or self.well
        self.driver = Driver(
            self.source,
            lambda ranges: self.run(ranges),
            partitions=PARTITIONS,
            batch_length=1.0,
            health=Health("bank-stream", 1.0, self.clock),
            helpers=[self.helper],
            clock=self.clock,
            **options,
        )
        self.raised: list[BaseException] = []

    def well(self, ranges: Sequence[Range]) -> list[Report]:
        return run_here(self.source.reader, ranges, PARTITIONS)

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock.now += 1.0
            self.driver.tick(self.clock.now)

    @contextmanager
    def leading(self) -> Iterator[None]:
        thread = threading.Thread(target=self._lead)
        thread.start()
        try:
            self.wait_until(self.driver._leading.is_set)
            yield
        finally:
            self.driver.stop()
            thread.join()

    def _lead(self) -> None:
        try:
            self.driver.lead()
        except Fatal as error:
            self.raised.append(error)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.005)


def failing(*errors: Exception) -> Run:
    waiting = list(errors)

    def run(ranges: Sequence[Range]) -> list[Report]:
        raise waiting.pop(0)

    return run


def test_one_tick_goes_on_until_every_shard_is_at_its_tip() -> None:
    trial = Trial()
    with trial.leading():
        trial.tick()
        assert trial.source.committed == DONE
        assert [batch.get("a") for batch in trial.source.commits] == [Position(999), Position(1_999), Position(2_499)]


def test_a_tick_goes_on_with_the_shards_that_a_batch_had_no_room_for() -> None:
    trial = Trial()

    def roomless(ranges: Sequence[Range]) -> list[Report]:
        reports = trial.well([wanted for wanted in ranges if wanted.shard != "a" or trial.source.committed])
        reports[0].deferred = [] if trial.source.committed else ["a"]
        return reports

    trial.run = roomless
    with trial.leading():
        trial.tick()
        assert trial.source.committed == DONE
        assert "a" not in trial.source.commits[0]


def test_a_tick_ends_after_the_batch_length_although_the_stream_is_ahead() -> None:
    trial = Trial()

    def slow(ranges: Sequence[Range]) -> list[Report]:
        trial.clock.now += 1.5
        return trial.well(ranges)

    trial.run = slow
    with trial.leading():
        trial.tick()
        assert len(trial.source.commits) == 1


def test_a_tick_behind_which_the_next_one_waits_is_dropped() -> None:
    trial = Trial()
    with trial.leading():
        trial.clock.now = 50.0
        for batch_time in range(40, 50):
            trial.driver.tick(float(batch_time))
        assert "plan" not in trial.source.calls
        trial.driver.tick(50.0)
        assert trial.source.committed == DONE


def test_nothing_is_planned_without_the_leases() -> None:
    trial = Trial()
    trial.tick()
    assert trial.source.calls == []


def test_a_partition_that_is_silent_on_a_shard_keeps_every_position() -> None:
    trial = Trial({"a": 10, "b": 10})

    def silent(ranges: Sequence[Range]) -> list[Report]:
        reports = trial.well(ranges)
        del reports[1].reads["b"]
        return reports

    trial.run = silent
    with trial.leading(), capture_logs() as lines:
        trial.tick()
        assert trial.source.committed == {}
    assert lines[0]["reason"] == "shard b: reports of 1 partitions, not of 2"


def test_a_shard_that_a_partition_has_read_alone_is_committed_without_the_others() -> None:
    trial = Trial({"a": 10, "b": 20})

    def alone(ranges: Sequence[Range]) -> list[Report]:
        return [msgspec.structs.replace(run_here(trial.source.reader, [one], 1)[0], alone=True) for one in ranges]

    trial.run = alone
    with trial.leading():
        trial.tick()
        assert trial.source.committed == {"a": Position(9), "b": Position(19)}


def test_a_shard_that_two_partitions_have_read_each_alone_keeps_every_position() -> None:
    trial = Trial({"a": 10, "b": 10})

    def twice(ranges: Sequence[Range]) -> list[Report]:
        return [msgspec.structs.replace(report, alone=True) for report in trial.well(ranges)]

    trial.run = twice
    with trial.leading(), capture_logs() as lines:
        trial.tick()
        assert trial.source.committed == {}
    assert lines[0]["reason"] == "shard a: reports of 2 partitions, not of 1"


def test_the_smallest_position_of_all_partitions_is_committed() -> None:
    trial = Trial({"a": 100})

    def recomputed(ranges: Sequence[Range]) -> list[Report]:
        nearer = run_here(MemoryReader({"a": 60}), ranges, PARTITIONS)
        return [trial.well(ranges)[0], nearer[1]]

    trial.run = recomputed
    with trial.leading():
        trial.tick()
        assert trial.source.commits[0] == {"a": Position(59)}


def test_a_partition_that_does_not_report_keeps_every_position() -> None:
    trial = Trial()
    trial.run = lambda ranges: trial.well(ranges)[:1]
    with trial.leading():
        trial.tick()
        assert trial.source.committed == {}


@pytest.mark.parametrize("fate", ["Transient", "Halted"])
def test_a_failed_partition_keeps_every_position_and_the_next_tick_reads_the_same(fate: str) -> None:
    trial = Trial({"a": 10, "b": 10})

    def half(ranges: Sequence[Range]) -> list[Report]:
        reports = trial.well(ranges)
        reports[0].failure, reports[0].fate = "database error 2003", fate
        return reports

    trial.run = half
    with trial.leading():
        trial.tick()
        assert trial.source.committed == {}
        trial.run = trial.well
        trial.tick()
        assert trial.source.committed == {"a": Position(9), "b": Position(9)}


def test_what_is_waited_for_is_said_once_a_minute_and_once_more_when_it_is_over() -> None:
    trial = Trial(run=failing(*[Transient("database error 2003")] * 90))
    with trial.leading(), capture_logs() as lines:
        trial.tick(90)
        trial.run = trial.well
        trial.tick()
    waiting = [line for line in lines if line["event"] == "waiting"]
    assert [line["since"] for line in waiting] == ["1970-01-01T00:16:41+00:00"] * 2
    assert [line["waited"] for line in lines if line["event"] == "going on"] == [90.0]


def test_a_lost_lease_drops_the_batch_and_the_driver_stands_by_again() -> None:
    trial = Trial({"a": 10})
    trial.source.raises["commit"] = [LeaseLost("another driver holds a")]
    with trial.leading():
        trial.tick()
        assert trial.source.committed == {}
        trial.wait_until(lambda: trial.helper.log == ["start", "stop", "start"])
        trial.wait_until(trial.driver._leading.is_set)
        trial.tick()
        assert trial.source.committed == {"a": Position(9)}
    assert trial.helper.log == ["start", "stop", "start", "stop"]


def test_leases_that_cannot_be_reached_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.dstream.driver.PAUSE", 0.01)
    trial = Trial()
    trial.source.raises["acquire"] = [Transient("DynamoDB is away")] * 3
    with trial.leading():
        trial.tick()
        assert trial.source.committed == DONE
    assert trial.source.calls[:4] == ["acquire"] * 4


def test_tasks_that_die_ten_times_in_a_row_end_the_driver() -> None:
    trial = Trial(run=failing(*[TaskDied("worker lost")] * MOST_DEATHS))
    with trial.leading():
        trial.tick(MOST_DEATHS - 1)
        assert trial.helper.log == ["start"]
        trial.tick()
        trial.wait_until(lambda: bool(trial.raised))
    assert str(trial.raised[0]) == "10 batches in a row have died: worker lost"
    assert trial.source.calls[-1] == "release"


def test_a_batch_that_goes_well_forgives_the_deaths_before_it() -> None:
    trial = Trial()
    with trial.leading():
        for _ in range(3):
            trial.run = failing(*[TaskDied("worker lost")] * (MOST_DEATHS - 1))
            trial.tick(MOST_DEATHS - 1)
            trial.run = trial.well
            trial.tick()
    assert trial.raised == []


@pytest.mark.parametrize("call", ["plan", "commit"])
def test_a_fatal_error_ends_the_driver_and_gives_the_leases_back(call: str) -> None:
    trial = Trial()
    trial.source.raises[call] = [Fatal("there is no stream")]
    with trial.leading():
        trial.tick()
        trial.wait_until(lambda: bool(trial.raised))
    assert trial.source.calls[-1] == "release"
    assert trial.source.committed == {}


def test_an_unforeseen_error_leaves_the_tick_and_no_tick_works_after_it() -> None:
    trial = Trial(run=failing(KeyError("x")))
    with trial.leading():
        with pytest.raises(KeyError):
            trial.tick()
        trial.run = trial.well
        trial.tick()
        assert trial.source.committed == {}
    assert trial.source.calls[-1] == "release"


def test_a_trimmed_shard_is_stopped_and_the_others_go_on() -> None:
    trial = Trial({"a": 10, "b": 10})

    def trimmed(ranges: Sequence[Range]) -> list[Report]:
        reports = trial.well([wanted for wanted in ranges if wanted.shard != "b"])
        for report in reports:
            report.unread["b"] = ("Trimmed", "trimmed")
        return reports

    trial.run = trimmed
    with trial.leading():
        trial.tick()
    assert trial.source.committed == {"a": Position(9)}
    assert trial.source.stopped == {"b": "trimmed"}


def test_a_shard_that_cannot_be_read_waits_and_the_others_go_on() -> None:
    trial = Trial({"a": 10, "b": 10})

    def away(ranges: Sequence[Range]) -> list[Report]:
        reports = trial.well([wanted for wanted in ranges if wanted.shard != "b"])
        reports[0].unread["b"] = ("Transient", "GetRecords of b: throttled")
        return reports

    trial.run = away
    with trial.leading(), capture_logs() as lines:
        trial.tick(5)
        trial.run = trial.well
        trial.tick()
    assert trial.source.committed == {"a": Position(9), "b": Position(9)}
    assert [line["event"] for line in lines if "reason" in line] == ["waiting", "going on"]


def test_a_stop_finishes_the_batch_in_flight_and_then_gives_the_leases_back() -> None:
    trial, running, go_on = Trial({"a": 2_500}), threading.Event(), threading.Event()

    def slow(ranges: Sequence[Range]) -> list[Report]:
        running.set()
        assert go_on.wait(20)
        return trial.well(ranges)

    trial.run = slow
    with trial.leading():
        tick = threading.Thread(target=partial(trial.tick, 1))
        tick.start()
        assert running.wait(20)
        trial.driver.stop()
        trial.driver.stop()
        assert "release" not in trial.source.calls
        go_on.set()
        tick.join()
    assert trial.source.committed == {"a": Position(999)}
    assert trial.source.calls == ["acquire", "plan", "commit", "release"]
    assert trial.helper.log == ["start", "stop"]


def test_until_caught_up_ends_by_itself() -> None:
    trial = Trial(until_caught_up=True)
    with trial.leading():
        trial.tick()
        trial.wait_until(lambda: trial.source.calls[-1] == "release")
    assert trial.source.committed == DONE


def test_a_batch_that_moved_something_is_one_line_and_an_idle_stream_one_a_minute() -> None:
    trial = Trial({"a": 10, "b": 0})
    with trial.leading(), capture_logs() as lines:
        trial.tick(150)
    batches = [line for line in lines if line["event"] == "batch"]
    assert len(batches) == 1
    assert {name: batches[0][name] for name in ("number", "records", "applied", "outcomes", "shards", "behind_ms")} == {
        "number": 1,
        "records": 10,
        "applied": 10,
        "outcomes": {"counted": {"1": 10}},
        "shards": 2,
        "behind_ms": 0,
    }
    assert {"plan", "run", "commit"} <= batches[0]["seconds"].keys()
    assert [line["event"] for line in lines if line is not batches[0]] == ["idle", "idle"]
