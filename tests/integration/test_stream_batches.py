"""One batch on Spark: what the driver gets to know of it, whatever happens to its tasks and its shuffle files."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pyspark import SparkContext

from pipeline.dstream.stream import SparkBatch
from pipeline.messages.batch import gathered
from pipeline.messages.records import START, Block, Extent, Position, Range, Report
from pipeline.runtime.errors import TaskDied
from pipeline.runtime.garbage import freeze_heap
from pipeline.spark.context import build_context
from tests.fakes import MemoryReader, MemorySource, Recorder, everything, noted, report_of, split
from tests.faults.job import until
from tests.own_jvm import end_jvm

FIRST, SECOND = 100, 60
MARK = b"4929163750284716"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkContext]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_MASTER", "local[2]")
        patch.setenv("SPARK_LOCAL_DIRS", str(tmp_path_factory.mktemp("local")))
        context = build_context("batches", ["pipeline", "tests"])
        yield context
        context.stop()
        end_jvm()


def batch_of(context: SparkContext, reader: MemoryReader, folder: Path) -> SparkBatch:
    return SparkBatch(context, reader, split, Recorder(folder).apply, 3)


def test_every_partition_reports_on_every_shard_also_on_empty_ones(context: SparkContext, tmp_path: Path) -> None:
    source = MemorySource(MemoryReader({"a": 10, "b": 0}))
    reports = batch_of(context, source.reader, tmp_path)(source.plan())
    assert [(set(report.reads), report.alone) for report in reports] == [({"a", "b"}, False)] * 3
    progress = gathered(source.plan(), reports, 3).progress
    assert {s: reached.through for s, reached in progress.items()} == {"a": Position(9), "b": START}
    assert noted(tmp_path) == everything({"a": 10})


def test_shuffle_files_go_although_the_driver_spares_what_is_there_from_garbage_collection(
    context: SparkContext, tmp_path: Path
) -> None:
    source = MemorySource(MemoryReader({"a": 10}))
    batch = batch_of(context, source.reader, tmp_path)
    before = _shuffle_files(context)
    freeze_heap()
    try:
        for _ in range(60):
            batch(source.plan())
        until(lambda: _shuffle_files(context) < before + 40, "shuffle files go", seconds=30)
    finally:
        gc.unfreeze()


def _shuffle_files(context: SparkContext) -> int:
    jvm: Any = context._jvm
    jvm.System.gc()  # in the service every minute
    return len(list(Path(os.environ["SPARK_LOCAL_DIRS"]).rglob("shuffle_*.data")))


def test_with_a_shard_for_every_partition_each_reads_and_applies_its_own(context: SparkContext, tmp_path: Path) -> None:
    shards = {"a": 10, "b": 1, "c": 0, "d": 3}
    source = MemorySource(MemoryReader(shards))
    reports = batch_of(context, source.reader, tmp_path)(source.plan())
    assert [(set(report.reads), report.alone) for report in reports] == [
        ({"a", "d"}, True),
        ({"b"}, True),
        ({"c"}, True),
    ]
    progress = gathered(source.plan(), reports, 3).progress
    ends = {"a": Position(9), "b": Position(0), "c": START, "d": Position(2)}
    assert {s: reached.through for s, reached in progress.items()} == ends
    assert noted(tmp_path) == everything({"a": 10, "b": 1, "d": 3})


def test_a_trimmed_shard_among_those_of_a_partition_does_not_hold_the_others(
    context: SparkContext, tmp_path: Path
) -> None:
    source = MemorySource(MemoryReader({"gone": -1, "a": 10, "b": 1, "c": 2}))
    done = gathered(source.plan(), batch_of(context, source.reader, tmp_path)(source.plan()), 3)
    assert done.unread == {"gone": ("Trimmed", "shard gone was trimmed")}
    assert {s: reached.through for s, reached in done.progress.items()} == {
        "a": Position(9),
        "b": Position(0),
        "c": Position(1),
    }


def test_a_trimmed_shard_does_not_hold_the_others(context: SparkContext, tmp_path: Path) -> None:
    source = MemorySource(MemoryReader({"a": 10, "gone": -1}))
    done = gathered(source.plan(), batch_of(context, source.reader, tmp_path)(source.plan()), 3)
    assert done.unread == {"gone": ("Trimmed", "shard gone was trimmed")}
    assert set(done.progress) == {"a"}


def test_a_failing_partition_says_why_and_with_which_fate(context: SparkContext, tmp_path: Path) -> None:
    (tmp_path / "fail").touch()
    source = MemorySource(MemoryReader({"a": 10}))
    reports = batch_of(context, source.reader, tmp_path)(source.plan())
    assert [(r.failure, r.fate) for r in reports if r.failure] == [("the database is away", "Transient")]


def test_a_killed_worker_is_a_dead_task_and_the_next_batch_runs(context: SparkContext, tmp_path: Path) -> None:
    (tmp_path / "kill").touch()
    source = MemorySource(MemoryReader({"a": 10}))
    batch = batch_of(context, source.reader, tmp_path)
    with pytest.raises(TaskDied, match="Python worker exited unexpectedly"):
        batch(source.plan())
    assert gathered(source.plan(), batch(source.plan()), 3).progress["a"].through == Position(9)


@dataclass(frozen=True)
class Dying:
    """Notes how many blocks it was given, and its worker dies."""

    folder: Path

    def apply(self, blocks: Iterable[Block]) -> Report:
        (self.folder / f"given {len(list(blocks))}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
        return Report()


def test_a_warm_up_reaches_the_workers_with_no_work_and_outlives_their_death(
    context: SparkContext, tmp_path: Path
) -> None:
    SparkBatch(context, MemoryReader({"a": 10}), split, Dying(tmp_path).apply, 3).warm_up()
    assert [path.name for path in tmp_path.iterdir()] == ["given 0"]


@dataclass(frozen=True)
class Noting:
    """Notes each process that it is called in, and each call."""

    folder: Path

    def prepare(self) -> None:
        with (self.folder / str(os.getpid())).open("a") as notes:
            notes.write("prepared\n")


def test_a_worker_is_prepared_once_before_its_first_task(context: SparkContext, tmp_path: Path) -> None:
    notes, work = tmp_path / "notes", tmp_path / "work"
    notes.mkdir()
    work.mkdir()
    reader = MemoryReader({"a": 10})
    batch = SparkBatch(context, reader, split, Recorder(work).apply, 3, Noting(notes))
    batch.warm_up()
    assert list(notes.iterdir()), "the warm-up prepared nobody"
    batch(MemorySource(reader).plan())
    assert [path.read_text() for path in notes.iterdir()] == ["prepared\n"] * len(list(notes.iterdir()))


def test_a_worker_keeps_what_it_has_imported_out_of_garbage_collection(context: SparkContext, tmp_path: Path) -> None:
    batch_of(context, MemoryReader({"a": 10}), tmp_path).warm_up()
    kept = context.parallelize(range(2), 2).map(lambda _: gc.get_freeze_count()).collect()
    assert max(kept) > 10_000


@dataclass(frozen=True)
class Shrinking:
    """A reader whose second read ends earlier, as where a read is repeated and throttled."""

    folder: Path

    def read(self, wanted: Range) -> Extent:
        again = self.folder / "again"
        held = SECOND if again.exists() else FIRST
        again.touch()
        return MemoryReader({wanted.shard: held}).read(wanted)


@dataclass(frozen=True)
class Losing:
    """Applies, and deletes the shuffle files as the disk of a lost executor would."""

    folder: Path

    def apply(self, blocks: Iterable[Block]) -> Report:
        given = list(blocks)
        try:
            (self.folder / "lose").unlink()
        except FileNotFoundError:
            return report_of(given)
        for path in Path(os.environ["SPARK_LOCAL_DIRS"]).rglob("shuffle_*"):
            path.unlink()
        return report_of(given)


def test_a_stage_that_is_computed_again_commits_no_further_than_every_partition_has_come(
    context: SparkContext, tmp_path: Path
) -> None:
    # Spark forgets its one executor here, and cleans up no shuffle files of this context from now on.
    (tmp_path / "lose").touch()
    wanted = [Range("a", START, None, (0, 1), 1_000, 10**6)]
    reports = SparkBatch(context, Shrinking(tmp_path), split, Losing(tmp_path).apply, 9)(wanted)
    ends = [report.reads["a"].through for report in reports]
    assert set(ends) == {Position(FIRST - 1), Position(SECOND - 1)}
    assert gathered(wanted, reports, 9).progress["a"].through == Position(SECOND - 1)


@dataclass(frozen=True)
class Marked:
    """A reader of records that are recognised wherever they lie."""

    def read(self, wanted: Range) -> Extent:
        extent = MemoryReader({wanted.shard: 2_000}).read(wanted)
        marked = [msgspec.structs.replace(record, data=MARK) for record in extent.records]
        return msgspec.structs.replace(extent, records=marked)


@dataclass(frozen=True)
class Searching:
    """Looks for the mark in Spark's files while the batch runs: (files, files with the mark) as outcomes."""

    def apply(self, blocks: Iterable[Block]) -> Report:
        report = report_of(list(blocks))
        found = [path.read_bytes() for path in Path(os.environ["SPARK_LOCAL_DIRS"]).rglob("shuffle_*.data")]
        report.outcomes = {("files", "all"): len(found), ("files", "marked"): sum(MARK in text for text in found)}
        return report


def test_shuffle_files_show_nothing(context: SparkContext) -> None:
    wanted = [Range("a", START, None, (0, 1), 2_000, 10**6)]
    reports = SparkBatch(context, Marked(), split, Searching().apply, 2)(wanted)
    assert reports[0].outcomes["files", "all"] > 0
    assert reports[0].outcomes["files", "marked"] == 0


def test_workers_are_kept_from_batch_to_batch(context: SparkContext, tmp_path: Path) -> None:
    source = MemorySource(MemoryReader({"a": 10}))
    workers = {pid for _ in range(5) for pid in _pids(context, source)}
    assert len(workers) <= 4


def _pids(context: SparkContext, source: MemorySource) -> set[int]:
    reports = SparkBatch(context, source.reader, split, _by_process, 2)(source.plan())
    return {int(outcome) for report in reports for _, outcome in report.outcomes}


def _by_process(blocks: Iterable[Block]) -> Report:
    report = report_of(list(blocks))
    report.outcomes = {("pid", str(os.getpid())): 1}
    return report
