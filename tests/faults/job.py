"""The real job, `python stream_consumer.py`, as processes that a test watches by their logs, stops and kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tests.faults.facts import DriverLog, Told
from tests.faults.rigged import Rig
from tests.processes import Process
from tests.servers import ROOT

PATIENCE = 240.0
"""Seconds that something may take on a machine that is busy with other things."""
LOOK = 0.04

Line = Mapping[str, Any]


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE, *, pause: float = LOOK) -> None:
    """Wait for a condition. AssertionError, saying what did not happen, after `seconds`. `pause`: between two looks."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(pause)


class Job(Process):
    """One run of the job, or of another `program`, as it is or, with a `rig`, rigged."""

    def __init__(
        self,
        log: Path,
        environment: Mapping[str, str],
        *arguments: str,
        rig: Rig | None = None,
        program: Sequence[str] = ("stream_consumer.py",),
    ) -> None:
        if rig is not None:
            program = ["-m", "tests.faults.rigged", msgspec.json.encode(rig).decode()]
        command = [sys.executable, *program, *arguments]
        super().__init__(log.stem, command, log, log.exists, environment, ROOT)
        self._lines: list[Line] = []
        self._read_to = 0
        self._reading = threading.Lock()

    def lines(self, event: str) -> list[Line]:
        """What it has logged of this event so far."""
        with self._reading:
            self._read()
            return [line for line in self._lines if line["event"] == event]

    def _read(self) -> None:
        """Take in what it has logged since the last look; the line that it is writing is left for the next one."""
        if not self.log.exists():
            return
        with self.log.open("rb") as log:
            log.seek(self._read_to)
            whole, newline, _ = log.read().rpartition(b"\n")
        self._read_to += len(whole) + len(newline)
        lines = [line for line in whole.decode(errors="replace").splitlines() if line.startswith("{")]
        self._lines += [json.loads(line) for line in lines if line.endswith("}")]

    @property
    def batches(self) -> list[Line]:
        """The batches that have ended and moved something."""
        return self.lines("batch")

    @property
    def outcomes(self) -> Counter[str]:
        """Outcome → messages, of all batches that have ended."""
        counted = Counter[str]()
        for batch in self.batches:
            for counts in batch["outcomes"].values():
                counted.update(counts)
        return counted

    @property
    def told(self) -> DriverLog:
        """What its log tells the checker."""
        leading = [datetime.fromisoformat(line["ts"]) for line in self.lines("leading")]
        batches = [Told(datetime.fromisoformat(line["ts"]), line["outcomes"]) for line in self.batches]
        return DriverLog(self.name, leading, batches)

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def leads(self) -> bool:
        """Whether it runs and, by its own words, holds the leases."""
        return self.running and len(self.lines("leading")) > len(self.lines("standing by"))

    def wait_for(self, event: str, count: int = 1, seconds: float = PATIENCE) -> datetime:
        """When it logged the `count`-th line of this event, which may be yet to come."""
        until(lambda: len(self.lines(event)) >= count or not self.running, f"{self.name}: {event}", seconds)
        found = self.lines(event)
        assert len(found) >= count, f"{self.name} ended without {event!r}:\n{self.tail}"
        return datetime.fromisoformat(found[count - 1]["ts"])

    def terminate(self) -> None:
        """SIGTERM to the job's own process, as a scheduler sends it."""
        os.kill(self.pid, signal.SIGTERM)

    def kill9_driver(self) -> None:
        """SIGKILL to the Python process alone: Spark's JVM and its workers see that it has gone, and end."""
        os.kill(self.pid, signal.SIGKILL)
        self.exit_code()

    def exit_code(self, seconds: float = PATIENCE) -> int:
        """Wait until it has ended."""
        assert self._child is not None
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} has not ended within {seconds:g} s:\n{self.tail}") from None

    @property
    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]
