"""A bank, a stream and its tables, the service's work on them in this process, and the command line pointed at them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import structlog
from typer.testing import CliRunner, Result

from bank_stream.operations import describe
from bank_stream.settings import Settings
from pipeline.__main__ import app
from pipeline.dead_letters.items import StoredLetter
from pipeline.leases.lease import Lease
from pipeline.messages.records import START, Position
from pipeline.operations.letters.redrive import apply_records
from pipeline.operations.workbench import Workbench
from tests.contract.streams import FIRST_SHARD, TestStream
from tests.schema import Schema
from tests.servers import ROOT

OWNER = "another process"


class Operated:
    """`stream`: a new one, unless several banks are to read the same. One lane, so that everything is in one order."""

    def __init__(self, schema: Schema, aws: str, stream: TestStream | None = None, **settings: str) -> None:
        self.schema = schema
        self.stream = stream or TestStream(aws)
        self.environment = {
            **schema.environment,
            "AWS_ENDPOINT_URL": aws,
            "STREAM_NAME": self.stream.name,
            "CONSUMER_NAME": f"leases-{schema.name}-{self.stream.name}",
            "FAILOVER_TABLE": f"letters-{schema.name}-{self.stream.name}",
            "MAX_THREADS": "1",
            **settings,
        }
        read = Settings.read({**os.environ, **self.environment})
        self.bench = Workbench(read, describe(read))

    def start(self) -> None:
        """Make the tables of DynamoDB, and a lease whose holder does nothing."""
        self.bench.dead_letters.ensure()
        self.bench.lease_table.ensure()
        self.bench.lease_table.create(Lease(FIRST_SHARD, owner=OWNER, counter=1))

    def consume(self, most: int = 100_000) -> Position:
        """Apply what the stream holds behind the checkpoint, as the service would, and move the checkpoint."""
        (lease,) = self.bench.lease_table.scan()
        after, left = lease.checkpoint, most
        while left > 0:
            extent = self.stream.read(after, max_records=min(2000, left))
            if extent.records:
                apply_records(self.bench.partition, extent.records, Counter())
            after, left = max(after, extent.through), left - len(extent.records)
            if extent.at_tip:
                break
        moment = int(time.time() * 1000)
        self.bench.lease_table.checkpoint(lease, after, caught_up_at=moment) if after != START else None
        return after

    def letters(self) -> dict[int, StoredLetter]:
        """Every letter by its key."""
        return {stored.key: stored for stored in self.bench.letters()}

    def run(self, *arguments: str, settings: Mapping[str, str | None] | None = None) -> Result:
        """Run a command in this process, with other settings on top; None takes one away."""
        environment = {**self.environment, **(settings or {}), "COLUMNS": "240", "NO_COLOR": "1"}
        result = CliRunner().invoke(app(), arguments, env=environment, prog_name="python -m pipeline")
        structlog.reset_defaults()  # its stderr is closed by now
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def json(self, *arguments: str, code: int = 0, settings: Mapping[str, str | None] | None = None) -> Any:
        """What a command answers with --json; its exit code has to be `code`."""
        result = self.run(*arguments, "--json", settings=settings)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        """A command as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
