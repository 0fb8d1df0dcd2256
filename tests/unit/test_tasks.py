"""What a task reads: no more than its memory is meant for, however many shards it has."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from pipeline.dstream import tasks
from pipeline.dstream.tasks import CAPS_A_TASK, READERS, ReadAndApply, assigned
from pipeline.messages.batch import gathered
from pipeline.messages.records import Block, Extent, Range, Report, unblock
from tests.fakes import MemoryReader, MemorySource, everything, report_of, split

CAP = 80


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker does to its process, once, is not done to this one."""
    monkeypatch.setattr(tasks, "_prepare_worker", lambda _: None)
    monkeypatch.setattr(tasks, "tidy", lambda _: None)


@dataclass
class Applied:
    """Every record that was applied, and how many at one time."""

    records: Counter[tuple[str, int]] = field(default_factory=Counter)
    batches: list[int] = field(default_factory=list)

    def apply(self, blocks: Iterable[Block]) -> Report:
        given = list(blocks)
        records = [(record.shard, int(record.sequence)) for one in given for record in unblock(one)]
        self.records.update(records)
        self.batches.append(len(records))
        return report_of(given)


def batches_until_caught_up(source: MemorySource, applied: Applied) -> list[list[str]]:
    """Batches of one task; of each, the shards that it left."""
    read_and_apply = ReadAndApply(source.reader, split, applied.apply, None)
    left = []
    while not source.caught_up_since_start():
        ranges = source.plan()
        reports = list(read_and_apply(assigned(ranges, 1)))
        batch = gathered(ranges, reports, 1)
        source.commit(batch.progress)
        left.append(sorted(batch.deferred))
    return left


@pytest.mark.parametrize("count", [1, 2, 3, READERS, 2 * READERS, 2 * READERS + 1, 5 * READERS])
def test_a_task_reads_what_it_has_memory_for_and_leaves_the_rest_to_the_next_batches(count: int) -> None:
    held = {f"s{number:02}": CAP + number for number in range(count)}
    source, applied = MemorySource(MemoryReader(held), max_records=CAP), Applied()
    left = batches_until_caught_up(source, applied)
    assert applied.records == everything(held)
    assert max(applied.batches) <= 2 * CAPS_A_TASK * CAP  # threads that had begun may have read as much again
    if count <= READERS:
        assert not any(left)
    if count > 2 * READERS:  # so many parts are the budget, and as many again may have begun
        assert left[0]


def test_a_task_with_large_records_leaves_shards_as_well() -> None:
    held = dict.fromkeys((f"s{number:02}" for number in range(40)), 3)
    source, applied = MemorySource(MemoryReader(held, size=10**6), max_records=1_000), Applied()
    assert batches_until_caught_up(source, applied)[0]
    assert applied.records == everything(held)
    assert max(applied.batches) <= 3 * (READERS + CAPS_A_TASK)  # a range has a megabyte, a record as well


def test_a_shard_that_was_left_is_not_owed_and_stays_where_it_is() -> None:
    held = {f"s{number:02}": CAP for number in range(5 * READERS)}
    source = MemorySource(MemoryReader(held), max_records=CAP)
    ranges = source.plan()
    (report,) = ReadAndApply(source.reader, split, report_of, None)([ranges])
    batch = gathered(ranges, [report], 1)
    assert batch.deferred
    assert batch.deferred == {wanted.shard for wanted in ranges} - set(batch.progress)


def test_of_the_ranges_that_come_first_every_partition_has_one() -> None:
    ranges = MemorySource(MemoryReader(dict.fromkeys("abcdefg", 1))).plan()
    assert [[one.shard for one in share] for share in assigned(ranges, 3)] == [list("adg"), list("be"), list("cf")]


@dataclass
class Meeting:
    """Gives an answer only to so many who ask at one time."""

    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(READERS, timeout=20))

    def read(self, wanted: Range) -> Extent:
        self.barrier.wait()
        return MemoryReader({wanted.shard: 1}).read(wanted)


def test_shards_are_read_side_by_side() -> None:
    ranges = MemorySource(MemoryReader(dict.fromkeys((f"s{number:02}" for number in range(3 * READERS)), 1))).plan()
    (report,) = ReadAndApply(Meeting(), split, report_of, None)([ranges])
    assert len(report.reads) == 3 * READERS
