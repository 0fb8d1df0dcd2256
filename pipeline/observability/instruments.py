"""Metrics with a service's name in front of theirs, in a registry of its own.

Counters begin at 0 with the process, those that alarms look at with all their labels: Prometheus takes what it sees
first of a series for where it began, and would not see an event that its series came with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.runtime.background import unforeseen
from pipeline.runtime.waiting import Waits


class Instruments:
    """Makes the metrics of a service: of `bank-stream`, every name begins with `bank_stream_`.

    Every service tells when it began, what it waits for, and what went wrong beside its batches. `clock`: seconds since
    the epoch.
    """

    def __init__(self, service: str, waits: Waits, clock: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self.prefix = service.replace("-", "_")
        began = self.gauge("start_time_seconds", "When this process began, in seconds since the epoch")
        began.set(clock())
        self.registry.register(_OfEveryService(self, waits, clock))

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """One that is set."""
        return Gauge(f"{self.prefix}_{name}", text, labels, registry=self.registry)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """One that only grows; its name gets `_total`."""
        return Counter(f"{self.prefix}_{name}", text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        """How often values were up to each of `buckets`."""
        return Histogram(f"{self.prefix}_{name}", text, labels, buckets=buckets, registry=self.registry)

    def values(self, name: str, text: str, values: Mapping[str, float], label: str | None = None) -> GaugeMetricFamily:
        """For a collector that computes when asked: `values` of the label, or one of "" where there is no label."""
        family = GaugeMetricFamily(f"{self.prefix}_{name}", text, labels=[label] if label else [])
        for value, number in values.items():
            family.add_metric([value] if label else [], number)
        return family

    def ages(
        self, name: str, text: str, now: float, since: Mapping[str, float], label: str | None = None
    ) -> GaugeMetricFamily:
        """As `values`: how long ago these moments are. `now` and they: seconds since the epoch."""
        return self.values(name, text, {value: max(0.0, now - moment) for value, moment in since.items()}, label)


def counted(gauge: Gauge) -> dict[str, int]:
    """A gauge with one label: its label's values → numbers."""
    samples = [sample for family in gauge.collect() for sample in family.samples]
    return {next(iter(sample.labels.values())): int(sample.value) for sample in samples}


class _OfEveryService(Collector):
    def __init__(self, make: Instruments, waits: Waits, clock: Callable[[], float]) -> None:
        self._make, self._waits, self._clock = make, waits, clock

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        yield self._make.ages(
            "waiting_seconds",
            "Seconds for which the driver has waited for this (the database, the stream, …); absent if it does not",
            self._clock(),
            {what: wait.since for what, wait in self._waits.current().items()},
            "for",
        )
        failures = CounterMetricFamily(
            f"{self._make.prefix}_background_failures",
            "Errors that nobody foresaw in work that goes on beside the batches, and has gone on since, by that work",
            labels=["work"],
        )
        for work, number in unforeseen().items():
            failures.add_metric([work], number)
        yield failures
