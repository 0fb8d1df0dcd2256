"""A stream in memory and something that applies it, for the driver with Spark and without.

Shards hold numbered records: what is in the stream is known, and so is what must come out.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.messages.records import START, Block, Extent, Position, Range, Reached, Record, Report, block, unblock
from pipeline.runtime.errors import PipelineError, Transient, Trimmed

MOST = 1_000


@dataclass(frozen=True)
class MemoryReader:
    """Shard → number of records; sequences count from 0. A negative number: trimmed before it was read.

    `gate`: nothing is in the stream before there is such a file.
    """

    shards: dict[str, int]
    size: int = 10
    gate: Path | None = None

    def read(self, wanted: Range) -> Extent:
        held = self.shards[wanted.shard] if self.gate is None or self.gate.exists() else 0
        if held < 0:
            raise Trimmed(f"shard {wanted.shard} was trimmed")
        first = wanted.after.sequence + 1
        last = min(held, first + wanted.max_records)
        records = [Record(wanted.shard, str(n), 0, 0, b"x" * self.size) for n in range(first, last)]
        through = Position(last - 1) if records else START
        return Extent(wanted.shard, records, through, held - last, last == held)


@dataclass
class MemorySource:
    """The driver's half. `commits`: every position that was committed, in order. `raises`: for the next calls."""

    reader: MemoryReader
    committed: dict[str, Position] = field(default_factory=dict)
    commits: list[dict[str, Position]] = field(default_factory=list)
    stopped: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    raises: dict[str, list[PipelineError]] = field(default_factory=dict)
    max_records: int = MOST

    def acquire(self, stop: threading.Event) -> bool:
        self._call("acquire")
        return not stop.is_set()

    def plan(self) -> list[Range]:
        self._call("plan")
        return [
            Range(shard, self.committed.get(shard, START), None, (0, 1), self.max_records, 10**6)
            for shard in self.reader.shards
            if shard not in self.stopped
        ]

    def commit(self, progress: Mapping[str, Reached]) -> None:
        self._call("commit")
        moved = {shard: reached.through for shard, reached in progress.items() if reached.through != START}
        for shard, through in moved.items():
            assert through > self.committed.get(shard, START), "a position went back"
        self.committed.update(moved)
        self.commits.append(moved)

    def stop_shard(self, shard: str, why: str) -> None:
        self.stopped[shard] = why

    def caught_up_since_start(self) -> bool:
        return all(self.committed.get(s, START).sequence + 1 >= held for s, held in self.reader.shards.items())

    def release(self) -> None:
        self._call("release")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if waiting := self.raises.get(name):
            raise waiting.pop(0)


def split(extent: Extent, partitions: int) -> list[tuple[int, Block]]:
    """By sequence number, one block per partition."""
    return [
        (p, block(extent, [r for r in extent.records if int(r.sequence) % partitions == p])) for p in range(partitions)
    ]


def run_here(reader: MemoryReader, ranges: Sequence[Range], partitions: int) -> list[Report]:
    """A batch without Spark: every partition reports what it was given."""
    shares = [split(reader.read(wanted), partitions) for wanted in ranges]
    return [report_of([blocks[p][1] for blocks in shares]) for p in range(partitions)]


def report_of(blocks: Iterable[Block]) -> Report:
    given = list(blocks)
    number = sum(len(unblock(one)) for one in given)
    outcomes = {("counted", "1"): number} if number else {}
    return Report({one.shard: one.progress for one in given}, outcomes=outcomes)


@dataclass(frozen=True)
class Recorder:
    """Applies in tasks: notes every record in a file of its own in `folder`, which takes `seconds` per batch with any.

    What is told by a file of that name happens once: `kill` (this worker dies by SIGKILL after noting), `fail`,
    `unforeseen`; while there is a file `away`, every batch fails.
    """

    folder: Path
    seconds: float = 0.0

    def apply(self, blocks: Iterable[Block]) -> Report:
        given = list(blocks)
        noted = [(record.shard, int(record.sequence)) for one in given for record in unblock(one)]
        if noted:
            (self.folder / "applying").touch()
            time.sleep(self.seconds)
            self._note(noted)
            self._told()
        return report_of(given)

    def _note(self, noted: Sequence[tuple[str, int]]) -> None:
        unseen = self.folder / f"{uuid.uuid4()}.part"
        unseen.write_text(json.dumps(noted))
        unseen.rename(unseen.with_suffix(".noted"))

    def _told(self) -> None:
        if self._once("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._once("fail") or (self.folder / "away").exists():
            raise Transient("the database is away")
        if self._once("unforeseen"):
            raise ValueError("secret 4111111111111111")

    def _once(self, name: str) -> bool:
        try:
            (self.folder / name).unlink()
        except FileNotFoundError:
            return False
        return True


def noted(folder: Path) -> Counter[tuple[str, int]]:
    """(shard, sequence) → how often it was applied."""
    return Counter((shard, n) for path in folder.glob("*.noted") for shard, n in json.loads(path.read_text()))


def everything(shards: Mapping[str, int]) -> Counter[tuple[str, int]]:
    """What `noted` gives where every record was applied once."""
    return Counter((shard, n) for shard, held in shards.items() for n in range(held))


class Helping:
    """A helper that counts its starts and stops."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def start(self) -> None:
        self.log.append("start")

    def stop(self) -> None:
        self.log.append("stop")
