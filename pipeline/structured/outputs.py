"""What the writes to an output have to know of one another, and keeping its marks from being forgotten.

Brokers forget the offsets of a group that has no members, each so long after it was committed
(`offsets.retention.minutes`, 7 days unless told otherwise). So marks are committed again now and then, also where no
records come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from pipeline.kafka.lanes import Lanes, Written
from pipeline.kafka.places import Place

SETTLE = 10.0
"""Seconds after which lanes say how far they are also where they have no rows."""
KEEP = 3600.0
"""Seconds after which marks are committed again that have not moved."""


class Output:
    """Writes to one output, one after another. `name`: of service, flow and output. `run`: this driver's own."""

    def __init__(self, name: str, client: Mapping[str, object], run: str, clock: Callable[[], float]) -> None:
        self._name, self._client, self._run, self._clock = name, client, run, clock
        self._number = 0
        self._ours: frozenset[int] = frozenset()
        self._settled = self._kept = float("-inf")
        self._newest: tuple[Mapping[str, str], Mapping[Place, int], int] | None = None

    def lanes(self, identities: Mapping[str, str], through: Mapping[Place, int], count: int) -> Lanes:
        """The next write."""
        self._number += 1
        self._newest = (identities, through, count)
        now = self._clock()
        keep = now >= self._kept + KEEP
        return Lanes(
            self._name,
            self._client,
            self._run,
            self._number,
            self._ours,
            identities,
            through,
            settle=keep or now >= self._settled + SETTLE,
            keep=keep,
            count=count,
        )

    def wrote(self, lanes: Lanes, written: Sequence[Written]) -> None:
        """What the lanes of a write say."""
        committed = {lane.lane for lane in written if lane.committed}
        self._ours |= committed
        if len(committed) == lanes.count:
            self._settled = self._clock()
            self._kept = self._settled if lanes.keep else self._kept

    def keep_marks(self) -> None:
        """Commit the marks again where that is due. Raises as `Lanes.write`."""
        if self._newest is not None and self._clock() >= self._kept + KEEP:
            lanes = self.lanes(*self._newest)
            self.wrote(lanes, [lanes.write(lane, ()) for lane in range(lanes.count)])


class Outputs:
    """The outputs of a flow, by their names. `name`: of service and flow."""

    def __init__(
        self,
        name: str,
        client: Mapping[str, object],
        run: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._client, self._run, self._clock = name, client, run, clock
        self._outputs: dict[str, Output] = {}

    def __getitem__(self, name: str) -> Output:
        if name not in self._outputs:
            self._outputs[name] = Output(f"{self._name}.{name}", self._client, self._run, self._clock)
        return self._outputs[name]

    def keep_marks(self) -> None:
        """Of all outputs that were written to."""
        for output in self._outputs.values():
            output.keep_marks()
