"""One batch of a flow, as `Service.Batch` promises it, and what an output's writes have to know of one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.kafka.lanes import COUNT, Lanes, Written
from pipeline.kafka.letters import OUTPUT
from pipeline.kafka.places import Place
from pipeline.structured import sink
from pipeline.structured.checkpoint import Planned
from pipeline.structured.letters import as_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SETTLE = 10.0
"""Seconds after which lanes say how far they are also where they have no rows."""


class Output:
    """Writes to one output, one after another. `name`: of service, flow and output. `run`: this driver's own."""

    def __init__(self, name: str, client: Mapping[str, object], run: str, clock: Callable[[], float]) -> None:
        self._name, self._client, self._run, self._clock = name, client, run, clock
        self._number = 0
        self._ours: frozenset[int] = frozenset()
        self._settled = float("-inf")

    def lanes(self, identities: Mapping[str, str], through: Mapping[Place, int], count: int) -> Lanes:
        """The next write."""
        self._number += 1
        settle = self._clock() >= self._settled + SETTLE
        return Lanes(
            self._name, self._client, self._run, self._number, self._ours, identities, through, settle, count=count
        )

    def wrote(self, written: Sequence[Written], count: int) -> None:
        """What the lanes of a write say."""
        committed = {lane.lane for lane in written if lane.committed}
        self._ours |= committed
        if len(committed) == count:
            self._settled = self._clock()


@dataclass
class RunningBatch:
    """`Service.Batch`. `output`: the output of a name. `identities`: of the topics that are read and written.

    `reread`: the records of a batch. `observing`: what was observed of the batch that runs.
    """

    frame: DataFrame
    planned: Planned
    identities: Mapping[str, str]
    output: Callable[[str], Output]
    reread: Callable[[Planned], DataFrame]
    observing: Callable[[str], Mapping[str, int]]
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    repeated: int = 0

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
        self.wrote(OUTPUT, lanes, sink.write_anywhere(as_rows(rows), lanes))

    def lanes(self, output: str, through: Mapping[Place, int] | None = None, count: int = COUNT) -> Lanes:
        return self.output(output).lanes(self.identities, self.through if through is None else through, count)

    def wrote(self, output: str, lanes: Lanes, written: Sequence[Written]) -> None:
        self.output(output).wrote(written, lanes.count)
        for lane in written:
            self.repeated += lane.repeated
            if output == OUTPUT:
                self.reasons.update(lane.rows)
            else:
                self.counts[output] += sum(lane.rows.values())

    def observed(self, name: str) -> Mapping[str, int]:
        return self.observing(name)

    def records(self) -> DataFrame:
        return self.reread(self.planned)

    def count(self, name: str, amount: int = 1) -> None:
        self.counts[name] += amount
