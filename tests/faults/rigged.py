"""stream_consumer.py, rigged: without Spark, with leases that expire sooner, dying at an exact point, or otherwise.

`python -m tests.faults.rigged RIG` takes the arguments of stream_consumer.py after the rig, a `Rig` in JSON. Nothing of
the service knows of it: names of its modules are replaced before it begins.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial, wraps
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import msgspec

PRELOADED = ["tests.faults.workers", "stream_consumer", "card_transactions.consumer", "bank.tables", "migrations"]
POINTS = (
    "before the effects",
    "among the effects",
    "before the letters",
    "before the checkpoint",
    "after the checkpoint",
)


class Rig(msgspec.Struct, frozen=True):
    """`spark`: whether batches run on Spark. `fail_over`: seconds after which leases expire. `dies`: one of `POINTS`,
    at which the process and all it has started are killed, the `at`-th time that one process gets there. `replays`:
    every second batch is run twice, as if its first reports had been lost. `clock`: file with the seconds that the
    clock is ahead, read whenever somebody asks for the time. `mail_pause`: seconds between two rounds of mails.
    `cramped`: without Spark, a task reads one shard at a time and has room for one at its caps, so it leaves others.
    """

    spark: bool = True
    fail_over: float | None = None
    dies: str = ""
    at: int = 1
    replays: bool = False
    clock: str = ""
    mail_pause: float | None = None
    cramped: bool = False


def say(event: str, **facts: object) -> None:
    """One line in the job's log, whichever process says it."""
    os.write(2, json.dumps({"event": event, **facts}).encode() + b"\n")


class Deaths:
    """Kills all of the job the `at`-th time that this process gets to the point named."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._reached = Counter[str]()

    def reach(self, point: str) -> None:
        self._reached[point] += 1
        if point == self._rig.dies and self._reached[point] == self._rig.at:
            say("killed", point=point)
            os.killpg(0, signal.SIGKILL)


class RiggedBatch:
    """Runs batches by `run`, which is Spark's way or another."""

    def __init__(self, run: Any, rig: Rig, deaths: Deaths) -> None:
        self._run, self._rig, self._deaths = run, rig, deaths
        self._number = 0
        self.warm_up = run.warm_up

    def __call__(self, ranges: Sequence[Any]) -> Any:
        self._deaths.reach("before the effects")
        reports = self._run(ranges)
        self._number += 1
        if self._rig.replays and self._number % 2 == 0:
            say("replayed", number=self._number)
            reports = self._run(ranges)
        return reports


def install(rig: Rig) -> None:
    """Replace what the rig says, in this process."""
    import card_transactions.alerts as alerts
    import pipeline.dstream.service as service
    from pipeline.dead_letters.table import DeadLetters
    from pipeline.dstream import tasks
    from pipeline.leases.table import LeaseTable
    from pipeline.mysql.database import Transaction
    from tests.faults import workers

    deaths, names = Deaths(rig), vars(service)
    if rig.fail_over:
        names["LeaseKeeper"] = partial(names["LeaseKeeper"], failover_seconds=rig.fail_over)
    if rig.cramped:
        vars(tasks).update(READERS=1, CAPS_A_TASK=1)
    if rig.mail_pause:
        vars(alerts)["AlertSender"] = partial(alerts.AlertSender, pause=rig.mail_pause)
    run = names["SparkBatch"]
    if not rig.spark:
        names["build_context"], names["run"] = (lambda *_, **__: None), workers.run
        run = partial(workers.WorkerBatch, prepare=partial(in_worker, rig))
    names["SparkBatch"] = lambda *given: RiggedBatch(run(*given), rig, deaths)
    _around(Transaction, "commit", after=lambda *_: deaths.reach("among the effects"))
    _around(DeadLetters, "write", before=lambda *_: deaths.reach("before the letters"))

    def at(point: str) -> Callable[..., None]:
        def reach(table: Any, lease: Any, position: Any, *_: Any, **__: Any) -> None:
            if position > lease.checkpoint:
                deaths.reach(point)

        return reach

    _around(LeaseTable, "checkpoint", before=at("before the checkpoint"), after=at("after the checkpoint"))


def in_worker(rig: Rig) -> None:
    """The same in a worker, which has a log line of its own."""
    say("worker", pid=os.getpid())
    if rig.clock:
        shift_clock(Path(rig.clock))
    install(rig)


def shift_clock(ahead: Path) -> None:
    """Let `time.time` be as many seconds ahead as the file says, from now on. `time.monotonic` is not moved."""
    real, last = time.time, [0.0]

    def shifted() -> float:
        seconds = float(ahead.read_text() or 0)
        if seconds != last[0]:
            last[0] = seconds
            say("clock stepped", ahead=seconds)
        return real() + seconds

    vars(time)["time"] = shifted


def _around(
    kind: type,
    name: str,
    before: Callable[..., object] = lambda *_: None,
    after: Callable[..., object] = lambda *_: None,
) -> None:
    method = getattr(kind, name)

    @wraps(method)
    def wrapped(*given: Any, **named: Any) -> Any:
        before(*given)
        result = method(*given, **named)
        after(*given)
        return result

    setattr(kind, name, wrapped)


def main() -> int:
    rig = msgspec.json.decode(sys.argv.pop(1), type=Rig)
    if not rig.spark:  # it loads what workers need while this process loads the same
        multiprocessing.set_forkserver_preload(PRELOADED)
        forkserver.ensure_running()
    if rig.clock:
        shift_clock(Path(rig.clock))
    import stream_consumer

    install(rig)
    return stream_consumer.main()


if __name__ == "__main__":
    from tests.faults import rigged  # what it defines is pickled for workers, by this name

    sys.exit(rigged.main())
