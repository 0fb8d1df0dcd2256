"""A trial whose stream is consumed by turns: by the Kinesis Client Library and by the service, on one lease table."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

from pipeline.messages.records import START, Position
from producers.kinesis import put
from tests.faults.job import Job
from tests.faults.reached import At, ahead
from tests.faults.trial import Trial
from tests.interop.kcl import Kcl


class Turn(NamedTuple):
    """One consumer's turn: from the checkpoints `before` to those `after`."""

    consumer: Kcl | Job
    before: Mapping[str, Position]
    after: Mapping[str, Position]

    def owns(self, at: At) -> bool:
        """Whether this consumer has brought the checkpoint past this message, so that nobody else will read it."""
        shard, position = at
        return self.before.get(shard, START) < position <= self.after.get(shard, START)


class SharedTrial(Trial):
    """`turns`: every turn that has ended, the first one first."""

    def __enter__(self) -> SharedTrial:
        self.turns: list[Turn] = []
        self._fleets: list[Kcl] = []
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        for fleet in self._fleets:
            fleet.kill9()

    def send_packed(self, messages: int) -> None:
        """Put so many messages as KPL aggregates."""
        some = islice(self._traffic, messages)
        self.sent += put(self.stream.client, self.stream.name, some, aggregate=True).records

    def kcl(self, *, most: int = 10**9, every: int, fail_over: float = 3.0) -> Kcl:
        """A KCL fleet that runs. Not for beside the service: that renews an idle lease once in more than 3 s."""
        folder = self._folder / f"kcl{len(self._fleets) + 1}"
        kinesis, dynamodb = self._endpoints["AWS_ENDPOINT_URL_KINESIS"], self._endpoints["AWS_ENDPOINT_URL"]
        fleet = Kcl(
            folder, self.stream.name, self._leases, kinesis, dynamodb, most=most, every=every, fail_over=fail_over
        )
        self._fleets.append(fleet)
        fleet.start()
        return fleet

    def turn_of(self, consumer: Kcl | Job) -> Turn:
        """Note that the turn of this consumer, which has ended, is over."""
        before = self.turns[-1].after if self.turns else {}
        self.turns.append(Turn(consumer, before, {**before, **self.checkpoints()}))
        return self.turns[-1]

    def renewals(self) -> int:
        """How often all leases together were written since the stream was new."""
        rows = self._aws.client("dynamodb").scan(TableName=self._leases, ConsistentRead=True)["Items"]
        return sum(int(row["leaseCounter"]["N"]) for row in rows if "leaseCounter" in row)

    def unread(self) -> set[At]:
        """What lies ahead of the checkpoints of the last turn."""
        return ahead(self.sent, self.turns[-1].after)
