"""What the processes of a run take, from /proc: processor seconds and resident memory, by kind of process."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from types import TracebackType
from typing import NamedTuple, Self

import psutil

EVERY = 0.25
"""Seconds between two looks."""
MIB = 1024 * 1024

KINDS = {
    "benchmarks.stand_in": "stream",
    "pyspark.daemon": "worker",
    "kafka.Kafka": "broker",
    "mongo.groovy": "database",
    "market.dashboard": "server",
    "chromium": "browser",
    "java": "JVM",
    "stream_consumer.py": "driver",
    "stream_analytics.py": "driver",
    "mariadb": "database",
    "mysqld": "database",
    "moto.server": "moto",
    "kinesis-local": "emulator",
}
"""Part of a command line → kind; the first that fits. Anything else that the benchmark started is "benchmark"."""


class Look(NamedTuple):
    """`at`: monotonic seconds. `used`: processor seconds so far by kind. `busy`: by the whole machine.

    `resident`: bytes, by (kind, process id).
    """

    at: float
    used: dict[str, float]
    busy: float
    resident: dict[tuple[str, int], int]


class Use(NamedTuple):
    """Of a window: its length, the processor seconds of our processes by kind, and of everybody else's."""

    seconds: float
    used: dict[str, float]
    others: float


class Watch:
    """Looks at this process and all that descend from it, in a thread, while the context is open."""

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self._last: dict[int, tuple[str, float]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def wait_for_look(self, at: float) -> None:
        """Wait until there is a look later than `at`: processes whose use counts have to live until then."""
        while self.looks[-1].at <= at:
            time.sleep(EVERY / 5)

    def use(self, start: float, end: float) -> Use:
        """What was taken between two moments (monotonic seconds), to the nearest looks."""
        self.wait_for_look(end)
        first, last = self._nearest(start), self._nearest(end)
        used = {kind: spent - first.used.get(kind, 0.0) for kind, spent in last.used.items()}
        return Use(last.at - first.at, used, max(0.0, last.busy - first.busy - sum(used.values())))

    def resident(self, start: float, end: float) -> dict[str, list[float]]:
        """MiB of each kind's largest process, look by look."""
        series: defaultdict[str, list[float]] = defaultdict(list)
        for look in self.looks:
            if start <= look.at <= end:
                for kind in {kind for kind, _ in look.resident}:
                    series[kind].append(max(size for (k, _), size in look.resident.items() if k == kind) / MIB)
        return dict(series)

    def _nearest(self, at: float) -> Look:
        index = bisect_left(self.looks, at, key=lambda look: look.at)
        near = self.looks[max(0, index - 1) : index + 1]
        return min(near, key=lambda look: abs(look.at - at))

    def _run(self) -> None:
        while not self._over.wait(EVERY):
            self._look()

    def _look(self) -> None:
        me = psutil.Process()
        resident: dict[tuple[str, int], int] = {}
        for process in (me, *me.children(recursive=True)):
            try:
                with process.oneshot():
                    spent = process.cpu_times()
                    kind = _kind(process)
                    resident[kind, process.pid] = process.memory_info().rss
                    self._last[process.pid] = kind, spent.user + spent.system
            except psutil.NoSuchProcess:
                continue
        used: defaultdict[str, float] = defaultdict(float)
        for kind, seconds in self._last.values():
            used[kind] += seconds
        times = psutil.cpu_times()
        busy = sum(times) - times.idle - times.iowait - times.guest - times.guest_nice
        self.looks.append(Look(time.monotonic(), dict(used), busy, resident))


def _kind(process: psutil.Process) -> str:
    if process.pid == os.getpid():
        return "benchmark"
    line = " ".join(process.cmdline())
    return next((kind for part, kind in KINDS.items() if part in line), "benchmark")
