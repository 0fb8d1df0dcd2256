"""Processes that are clocked: a service of the analytics as it is, and what it is held against."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.job import Job
from tests.processes import Process
from tests.servers import ROOT

SERVICE = (sys.executable, "stream_analytics.py")


class Run(Job):
    """A job that can be held still."""

    def __init__(self, log: Path, started: float, process: Process) -> None:
        super().__init__(log, started)
        self._process = process

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing of it runs within."""
        self._process.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.signal(signal.SIGCONT)


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Run]:
    """A process that logs a line for each event; ended with the context."""
    with TemporaryDirectory(prefix="run-") as folder:
        log = Path(folder) / "log"
        given = {"CHECKPOINT_DIR": f"{folder}/checkpoint", **environment}
        process = Process("run", command, log, log.exists, given, ROOT)
        started = time.monotonic()
        process.start()
        try:
            yield Run(log, started, process)
        finally:
            process.stop()


def caught_up(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Run until caught up: when its first batch could begin, and when its last had ended (monotonic seconds)."""
    with running([*command, "--until-caught-up"], environment) as job:
        begun = job.wait_for("running").at
        job.wait_for("ended")
        return begun, job.batches()[-1].at


def ended(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """The same, up to when the process had nothing left to do."""
    with running([*command, "--until-caught-up"], environment) as job:
        return job.wait_for("running").at, job.wait_for("ended").at


def alone(kind: str, environment: Mapping[str, str]) -> tuple[float, float]:
    """The same for Spark alone (benchmarks/analytics/alone.py)."""
    with running([sys.executable, "-m", "benchmarks.analytics.alone", kind], environment) as job:
        told = job.wait_for("ended")
        return told.at - float(told.fields["seconds"]), told.at
