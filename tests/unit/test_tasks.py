"""What a task reads: no more than its memory is meant for, however many shards it has."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from pipeline import tasks
from pipeline.batch import gathered
from pipeline.records import Block, Extent, Range, Report, unblock
from pipeline.tasks import READERS, SHARDS_A_TASK, Straight, dealt
from tests.fakes import MemoryReader, MemorySource, everything, report_of, split

CAP = 80


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker does to its process, once, is not done to this one."""
    monkeypatch.setattr(tasks, "_prepare_worker", lambda _: None)
    monkeypatch.setattr(tasks, "_tidy", lambda *_: None)


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
    straight = Straight(source.reader, split, applied.apply, None)
    left = []
    while not source.caught_up_since_start():
        ranges = source.plan()
        reports = list(straight(dealt(ranges, 1)))
        batch = gathered(ranges, reports, 1)
        source.commit(batch.progress)
        left.append(sorted(batch.left))
    return left


@pytest.mark.parametrize("count", [1, 2, 3, READERS, 5 * READERS])
def test_a_task_reads_what_it_has_memory_for_and_leaves_the_rest_to_the_next_batches(count: int) -> None:
    held = {f"s{number:02}": CAP + number for number in range(count)}
    source, applied = MemorySource(MemoryReader(held), max_records=CAP), Applied()
    left = batches_until_caught_up(source, applied)
    assert applied.records == everything(held)
    parts = CAP * SHARDS_A_TASK  # what threads that had begun may still have read
    assert max(applied.batches) <= SHARDS_A_TASK * CAP + parts
    assert bool(left[0]) == (count > 2 * READERS)


def test_a_task_with_large_records_leaves_shards_as_well() -> None:
    held = dict.fromkeys((f"s{number:02}" for number in range(40)), 3)
    source, applied = MemorySource(MemoryReader(held, size=10**6), max_records=1_000), Applied()
    assert batches_until_caught_up(source, applied)[0]  # a range has a megabyte
    assert applied.records == everything(held)


def test_a_shard_that_was_left_is_not_owed_and_stays_where_it_is() -> None:
    held = {f"s{number:02}": CAP for number in range(5 * READERS)}
    source = MemorySource(MemoryReader(held), max_records=CAP)
    ranges = source.plan()
    (report,) = Straight(source.reader, split, report_of, None)([ranges])
    batch = gathered(ranges, [report], 1)
    assert batch.left
    assert batch.left == {wanted.shard for wanted in ranges} - set(batch.progress)


@dataclass
class Slow:
    """Reads no two shards at one time by one thread, and knows how many it reads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    now: int = 0
    most: int = 0

    def read(self, wanted: Range) -> Extent:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.02)
        with self.lock:
            self.now -= 1
        return MemoryReader({wanted.shard: 1}).read(wanted)


def test_shards_are_read_side_by_side() -> None:
    slow = Slow()
    ranges = MemorySource(MemoryReader(dict.fromkeys((f"s{number:02}" for number in range(24)), 1))).plan()
    (report,) = Straight(slow, split, report_of, None)([ranges])
    assert not report.left
    assert slow.most == READERS
