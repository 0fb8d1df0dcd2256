"""What a stream's service tells Prometheus: every name, unit and meaning is here or in the two files beside this one.

What every service tells besides is in `observability/instruments.py`.

Gauges that only the driver that leads can know are absent on a standby, and so is what could not be looked up: an
alarm on such a gauge asks for its absence too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.dstream.monitoring.batch_metrics import BatchMetrics
from pipeline.dstream.monitoring.polled_metrics import PolledMetrics
from pipeline.messages.records import ShardTimes
from pipeline.observability.instruments import Instruments
from pipeline.runtime.waiting import Waits


class Metrics:
    """All metrics of this process; `service`: its name, with which theirs begin.

    `shards`: the moments of every shard held now. `stopped`: the shards that are not read on → why. `retention`: how
    long the stream keeps a record, in seconds; None where not known. All of them are called by the thread that
    collects. `waits`: what is waited for. `clock`: seconds since the epoch.
    """

    def __init__(self, service: str, waits: Waits, clock: Callable[[], float]) -> None:
        make = Instruments(service, waits, clock)
        self.shards: Callable[[], Mapping[str, ShardTimes]] = dict
        self.stopped: Callable[[], Mapping[str, str]] = dict
        self.retention: Callable[[], float | None] = lambda: None
        self.leading = make.gauge("leading", "1: this process holds the leases and works; 0: it stands by")
        self.batch = BatchMetrics(make)
        self.polled = PolledMetrics(make)
        self.registry: CollectorRegistry = make.registry
        self.registry.register(_Asked(self, make, clock))

    def forget(self) -> None:
        """Drop what only the driver that leads knows."""
        self.polled.forget()
        self.batch.connections.labels("used").set(0)


class _Asked(Collector):
    """Computed when asked for: ages, which grow while nothing happens, and what others keep."""

    def __init__(self, metrics: Metrics, make: Instruments, clock: Callable[[], float]) -> None:
        self._metrics, self._make, self._clock = metrics, make, clock

    def collect(self) -> Iterable[GaugeMetricFamily]:
        now, shards = self._clock(), self._metrics.shards()
        applied = {shard: moments.applied / 1000 for shard, moments in shards.items() if moments.applied is not None}
        durable = {shard: moments.durable / 1000 for shard, moments in shards.items() if moments.durable is not None}
        oldest = self._metrics.polled.oldest_letter
        yield self._make.ages(
            "lag_seconds",
            "Everything that arrived in the shard so long ago is applied; grows while nothing is read. Absent until "
            "the first batch of a shard that no driver had read, and for shards read to their end",
            now,
            applied,
            "shard",
        )
        yield self._make.ages(
            "checkpoint_age_seconds",
            "As lag_seconds, but applied and in the lease table: so much is read again if the process dies now",
            now,
            durable,
            "shard",
        )
        yield self._make.ages(
            "oldest_letter_age_seconds",
            "Seconds since the record of the oldest dead letter arrived, looked up with letters; past the stream's "
            "retention it can no longer be read again",
            now,
            {} if oldest is None else {"": oldest},
        )
        audit = self._metrics.polled.audit
        yield self._make.ages(
            "audit_age_seconds",
            "Seconds since the last `python -m pipeline audit` ended, looked up with letters; absent before the first",
            now,
            {} if audit is None else {"": audit.ended},
        )
        yield self._make.values(
            "audit_findings",
            "What did not hold in the last audit: messages without their outcome, rows, balances. 0: all holds",
            {} if audit is None else {"": audit.findings},
        )
        yield self._make.values(
            "shard_stopped",
            "1: this shard is not read on, since records of it were trimmed unread; an operator decides (accept-loss)",
            dict.fromkeys(self._metrics.stopped(), 1),
            "shard",
        )
        retention = self._metrics.retention()
        yield self._make.values(
            "retention_seconds",
            "How long the stream keeps a record: a lag beyond it is a loss",
            {} if retention is None else {"": retention},
        )
