"""One batch of a flow, as `Service.Batch` promises it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.kafka.lanes import COUNT, Lanes, Written
from pipeline.kafka.letters import OUTPUT
from pipeline.kafka.places import Place
from pipeline.kafka.reading import EARLIEST, Range
from pipeline.structured import sink
from pipeline.structured.checkpoint import Planned
from pipeline.structured.outputs import Outputs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass
class RunningBatch:
    """`Service.Batch`. `identities`: of the topics that are read and written.

    `reread`: the records of a batch. `since`: where one begins, by number. `observing`: what was observed of the one
    that runs.
    """

    frame: DataFrame
    planned: Planned
    identities: Mapping[str, str]
    outputs: Outputs
    reread: Callable[[Planned], DataFrame]
    since: Callable[[int], Mapping[Place, int]]
    observing: Callable[[str], Mapping[str, int]]
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    kept: int | None = None

    @property
    def number(self) -> int:
        return self.planned.number

    @property
    def through(self) -> Mapping[Place, int]:
        return self.planned.through

    @property
    def watermark(self) -> int:
        return self.planned.watermark

    def write(self, topic: str, rows: DataFrame, through: Mapping[Place, int] | None = None) -> None:
        lanes = self.lanes(topic, through)
        self.wrote(topic, lanes, sink.write(rows, lanes, topic))

    def letters(self, rows: DataFrame) -> None:
        lanes = self.lanes(OUTPUT, count=1)
        self.wrote(OUTPUT, lanes, sink.write_letters(rows, lanes))

    def lanes(self, output: str, through: Mapping[Place, int] | None = None, count: int = COUNT) -> Lanes:
        return self.outputs[output].lanes(self.identities, self.through if through is None else through, count)

    def wrote(self, output: str, lanes: Lanes, written: Sequence[Written]) -> None:
        self.outputs[output].wrote(lanes, written)
        for lane in written:
            self.repeated += lane.repeated
            for reason, rows in lane.rows.items():
                if reason:
                    self.reasons[reason] += rows
                else:
                    self.counts[output] += rows

    def observed(self, name: str) -> Mapping[str, int]:
        return self.observing(name)

    def records(self) -> DataFrame:
        return self.reread(self.planned)

    def ranges(self) -> Mapping[Place, Range]:
        since = self.since(self.number)
        found = {place: Range(since.get(place, EARLIEST), end) for place, end in self.through.items()}
        return {place: one for place, one in found.items() if one.begin < one.end and one.end > 0}

    def keeps(self, rows: int) -> None:
        self.kept = rows

    def count(self, name: str, amount: int = 1) -> None:
        self.counts[name] += amount
