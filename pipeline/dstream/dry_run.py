"""`stream_consumer.py --dry-run`: the service with everything but its effects.

It goes on from copies of the leases, so whoever holds the real ones is not disturbed; it decides in transactions that
only read; and it keeps the dead letters to itself. Rows, letters, leases and mails: nothing is written anywhere.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from pipeline.applying.domain import Domain, StateStore
from pipeline.applying.partition import Partition
from pipeline.dstream.driver import Helper
from pipeline.dstream.dry_partition import DryPartition, DryReport, Example, Examples, keep
from pipeline.dstream.service import Service
from pipeline.dstream.stream import SparkBatch
from pipeline.kinesis.source import KinesisSource
from pipeline.leases.keeper import LeaseKeeper
from pipeline.leases.lease import Lease
from pipeline.leases.table import LeaseTable, TableMissing
from pipeline.messages.batch import gathered
from pipeline.messages.records import Range, Report
from pipeline.observability.polling import Poller
from pipeline.runtime.errors import Fatal
from pipeline.runtime.starting import wait_for
from pipeline.runtime.stopping import StopSignal
from pipeline.settings.stream import StreamSettings

TELL_EVERY = 2.0
"""Seconds between two lines of progress."""
NOTE = """\
How to read this: no part of the run (CHUNK_SIZE messages) has seen what an earlier part would have done. Balances,
deactivated accounts, the spending that the fraud score looks at and the ids already used are as they are in the
database now. So of two payments that overdraw an account together, both may be counted as accepted here; a payment out
of money that an earlier message would have brought counts as refused; a repeated message may be counted twice. What
only the database itself refuses (a foreign key, a check of another service) was not tried.
"""


@dataclass(frozen=True)
class LeaseCopy(LeaseTable):
    """The table's rows as they were at `ensure`, in memory, each free."""

    rows: dict[str, Lease] = field(default_factory=dict, compare=False)

    def ensure(self) -> None:
        """Copy the rows; a table that is not there has none. Raises `Transient`, `Halted`."""
        try:
            found = super().scan()
        except TableMissing:
            found = []
        self.rows.clear()
        self.rows.update((lease.shard, msgspec.structs.replace(lease, owner=None)) for lease in found)

    def scan(self) -> list[Lease]:
        return [lease for _, lease in sorted(self.rows.items())]

    def get(self, shard: str) -> Lease | None:
        return self.rows.get(shard)

    def create(self, lease: Lease) -> Lease:
        return self.rows.setdefault(lease.shard, lease)

    def delete(self, lease: Lease) -> None:
        self.rows.pop(lease.shard, None)

    def _update(self, old: Lease, **changes: Any) -> Lease:
        self.rows[old.shard] = msgspec.structs.replace(old, counter=old.counter + 1, **changes)
        return self.rows[old.shard]


class DrySource(KinesisSource):
    """A source whose shards nobody can mend on the way: one that cannot be read ends the run."""

    at_tip = False

    def caught_up_since_start(self) -> bool:
        self.at_tip = super().caught_up_since_start()
        return self.at_tip

    def stop_shard(self, shard: str, why: str) -> None:
        raise Fatal(f"shard {shard} cannot be read on: {why}; the service would wait for `accept-loss`")


class DryRunCounts:
    """What would have become of the messages so far; a line of progress now and then."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.examples: Examples = {}
        self._told = time.monotonic()

    def counted(
        self, run: Callable[[Sequence[Range]], list[Report]], partitions: int
    ) -> Callable[[Sequence[Range]], list[Report]]:
        """`run`, with its outcomes counted once the whole batch went well."""

        def counting(ranges: Sequence[Range]) -> list[Report]:
            reports = run(ranges)
            gathered(ranges, reports, partitions)
            for report in reports:
                self._add(report)
            return reports

        return counting

    def _add(self, report: Report) -> None:
        self.outcomes.update(report.outcomes)
        for kind, examples in report.examples.items() if isinstance(report, DryReport) else ():
            for example in examples:
                keep(self.examples, kind, example)
        if time.monotonic() - self._told >= TELL_EVERY:
            self._told = time.monotonic()
            sys.stderr.write(f"dry run: {self.outcomes.total():,} messages so far\n")

    def lines(self) -> Iterator[str]:
        """A table of type, outcome and messages, then the examples."""
        if not self.outcomes:
            return
        yield f"{'type':<18} {'outcome':<32} {'messages':>12}"
        for (kind, outcome), messages in sorted(self.outcomes.items()):
            yield f"{kind or '(none)':<18} {outcome:<32} {messages:>12,}"
        yield ""
        yield "Examples (shard, sequence number, sub-sequence, identity, fields without secrets):"
        for (kind, outcome), examples in sorted(self.examples.items()):
            yield f"{kind or '(none)'} {outcome}"
            yield from (f"  {_told(example)}" for example in examples)


class DryRun(Service):
    """The service, without effects. As a `Service` is made; it is not the service, so nobody's probes find it."""

    def __init__(
        self,
        settings: StreamSettings,
        routes: Mapping[str, Domain],
        store: StateStore,
        check_schema: Callable[[Any], object],
        outbox: Callable[[Any], Mapping[str, int]] = lambda _: {},
    ) -> None:
        unseen = settings.model_copy(update={"metrics_port": 0})
        super().__init__(unseen, routes, store, check_schema, outbox, LeaseCopy)
        self._counts = DryRunCounts()
        keeper = LeaseKeeper(self._leases, "dry run")
        self._origin = DrySource(self._reader, keeper, settings.initial_position, settings.max_records_per_shard)

    def run(self, stop: StopSignal, helpers: Sequence[Helper], *, until_caught_up: bool = True) -> None:
        """Run to what is the tip at the start, or until stopped, and print what was found. Raises `PipelineError`.

        No helper is started.
        """
        began = datetime.now(UTC)
        # The driver's lines tell of batches that were applied.
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
        try:
            super().run(stop, [], until_caught_up=True)
        finally:
            sys.stdout.write("".join(f"{line}\n" for line in self._summary(began)) + "\n" + NOTE)

    def _summary(self, began: datetime) -> Iterator[str]:
        how = "to the tip" if self._origin.at_tip else "NOT to the tip: the run was stopped before"
        stream, table = self._reader.stream, self._leases.name
        yield f"Dry run of stream {stream}, begun {began:%Y-%m-%d %H:%M:%S %Z}. Nothing was written."
        yield f"{self._counts.outcomes.total():,} messages after the positions in {table}, {how}."
        yield ""
        yield from self._counts.lines()

    def _batches(self, run: SparkBatch) -> Callable[[Sequence[Range]], list[Report]]:
        return self._counts.counted(run, self._settings.partitions)

    def _source(self) -> DrySource:
        return self._origin

    def _partition(self) -> Partition:
        real = super()._partition()
        return DryPartition(**{name: getattr(real, name) for name in real.__dataclass_fields__})

    def _poller(self) -> Poller:
        return Poller()

    def _answers(self, stop: StopSignal) -> bool:
        return (
            wait_for("the database", self._check_schema, stop)
            and wait_for("the stream", self._check_stream, stop)
            and wait_for("the lease table", self._leases.ensure, stop)
        )


def _told(example: Example) -> str:
    fields = json.dumps(example.fields, default=str, ensure_ascii=False)
    return f"{example.shard} {example.sequence} {example.sub_sequence} {example.identity} {fields}"
