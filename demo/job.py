"""The real job, `python stream_consumer.py --until-caught-up`, as a process, and what its log tells."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.processes import Process, program
from tests.servers import ROOT

COMMAND = ("stream_consumer.py", "--until-caught-up")
LOOK = 0.1
"""Seconds between two looks at the log."""

Line = dict[str, Any]


class JobFailed(RuntimeError):
    """The job has ended otherwise than it should; the text is its own reason, or the end of its log."""


class Job:
    """The running job and its log, which is Spark's as well."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.log = process.log

    def follow(self) -> Iterator[list[Line]]:
        """The lines logged since the last look, look by look, until the job has ended. Raises `JobFailed`."""
        rest, last = "", dict[str, Any]()
        with self.log.open(errors="replace") as log:
            while True:
                status = self.status()  # before reading, so that the last lines are not missed
                *whole, rest = (rest + log.read()).split("\n")
                lines = [parsed for line in whole if (parsed := _parsed(line))]
                last = lines[-1] if lines else last
                yield lines
                if status is not None:
                    break
                time.sleep(LOOK)
        if status:
            tail = self.log.read_text(errors="replace")[-2000:].strip()
            raise JobFailed(f"the job has ended with {status}: {last.get('reason') or tail}")

    def terminate(self) -> None:
        """Ask it to finish what it does and end, as Kubernetes does; `follow` tells when it has."""
        os.kill(self._process.pid, signal.SIGTERM)

    def kill9(self) -> None:
        """End it, and all that it started, in the middle of whatever it does."""
        self._process.kill9()

    def status(self) -> int | None:
        """The exit code, or the number of the signal that ended it; left for the process' owner to collect."""
        ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return None if ended is None else ended.si_status


def _parsed(line: str) -> Line:
    """A line of ours; empty where it is one of Spark's, or torn by one."""
    with suppress(ValueError):
        return dict(json.loads(line)) if line.startswith("{") else {}
    return {}


@contextmanager
def job(
    environment: Mapping[str, str], folder: Path, command: Sequence[str] = COMMAND, name: str = "job"
) -> Iterator[Job]:
    """A job with these settings, its log `name` and Spark's files in `folder`; ended with the context."""
    if "JAVA_HOME" not in os.environ:
        program("java", "openjdk-17-jre-headless")
    log = folder / f"{name}.log"
    everything = {**environment, "SPARK_LOCAL_DIRS": str(folder)}
    process = Process("the job", [sys.executable, *command], log, log.exists, everything, ROOT)
    process.start()
    try:
        yield Job(process)
    finally:
        process.stop(patience=10)


@dataclass
class Progress:
    """What the job has told so far. `outcomes`: (type, outcome) → messages, as `Report.outcomes` of the checker."""

    total: int
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    batches: int = 0
    behind_ms: int = 0
    seconds: float = 0.0
    """From holding the leases to the end of the last batch."""
    complaints: list[str] = field(default_factory=list)
    _leading: datetime | None = None

    @property
    def messages(self) -> int:
        return self.outcomes.total()

    @property
    def per_second(self) -> float:
        return self.messages / self.seconds if self.seconds else 0.0

    def hear(self, line: Line) -> None:
        """Take a line of the log into account."""
        if line["level"] in ("warning", "error"):
            self.complaints.append(f"{line['event']} {line.get('reason', '')}".strip())
        if line["event"] == "leading":
            self._leading = datetime.fromisoformat(line["ts"])
        if line["event"] == "caught up":
            self.behind_ms = 0
        if line["event"] == "batch":
            self._hear_batch(line)

    def _hear_batch(self, line: Line) -> None:
        self.batches += 1
        self.behind_ms = line["behind_ms"]
        if self._leading:
            self.seconds = (datetime.fromisoformat(line["ts"]) - self._leading).total_seconds()
        for kind, outcomes in line["outcomes"].items():
            for outcome, count in outcomes.items():
                self.outcomes[kind, "repeat" if outcome == "duplicate" else outcome] += count
