"""The real job, `python stream_consumer.py`, as a process, followed by the lines of its log."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.workload import STREAM
from card_transactions.alerts import SENDER
from pipeline.aws import Aws
from tests.processes import Process
from tests.schema import Schema
from tests.servers import ROOT, Endpoint

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
PATIENCE = 600.0
"""Seconds without a line of the log."""
LOOK = 0.1


class Line(NamedTuple):
    """One line of the log. `at`: monotonic seconds, as this process counts them."""

    at: float
    event: str
    fields: dict[str, Any]


class Job:
    """A job that was started at `started` (monotonic seconds)."""

    def __init__(self, log: Path, started: float) -> None:
        self.started = started
        self._log = log

    def lines(self) -> list[Line]:
        """What it has logged so far."""
        to_monotonic = time.monotonic() - time.time()
        found = []
        for line in self._log.read_text(errors="replace").splitlines():
            if line.startswith("{") and line.endswith("}"):
                fields = json.loads(line)
                at = datetime.fromisoformat(fields["ts"]).timestamp() + to_monotonic
                found.append(Line(at, fields["event"], fields))
        return found

    def wait_for(self, event: str) -> Line:
        """The first line with this event. Raises `RuntimeError` where the job ends without it."""
        deadline, seen = time.monotonic() + PATIENCE, 0
        while time.monotonic() < deadline:
            lines = self.lines()
            if len(lines) > seen:
                deadline, seen = time.monotonic() + PATIENCE, len(lines)
            for line in lines:
                if line.event == event:
                    return line
            if lines and lines[-1].event == "ended":
                break
            time.sleep(LOOK)
        raise RuntimeError(f"the job has not come to {event!r}; the end of its log:\n{self._log.read_text()[-3000:]}")

    def batches(self) -> list[Line]:
        """The batches that moved something."""
        return [line for line in self.lines() if line.event == "batch"]


@contextmanager
def job(
    schema: Schema, kinesis: Endpoint, aws: Endpoint, settings: Mapping[str, str], *arguments: str
) -> Iterator[Job]:
    """A job with tables of its own in DynamoDB; `settings` are environment variables. Ended with the context."""
    client = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", aws.url),)).client("ses")
    client.verify_email_identity(EmailAddress=SENDER)
    run = uuid.uuid4().hex
    environment = {
        **schema.environment,
        **KEYS,
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ENDPOINT_URL_KINESIS": kinesis.url,
        "STREAM_NAME": STREAM,
        "CONSUMER_NAME": f"leases-{run}",
        "FAILOVER_TABLE": f"letters-{run}",
        **settings,
    }
    with TemporaryDirectory(prefix="job-") as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "stream_consumer.py", *arguments]
        process = Process("job", command, log, log.exists, environment, ROOT)
        started = time.monotonic()
        process.start()
        try:
            yield Job(log, started)
        finally:
            process.stop()
