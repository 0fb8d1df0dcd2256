"""One trial of the job: a bank, a stream and tables of its own, traffic, jobs, and the check in the end."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random
from typing import Literal, Self

from card_transactions.alerts import SENDER
from card_transactions.fraud import sampled
from pipeline.aws import Aws
from pipeline.kinesis.shards import list_shards
from pipeline.messages.records import Position
from producers.bank import BankShape, fill
from producers.kinesis import Put, put
from producers.traffic import Message, Traffic
from tests.contract.streams import TestStream
from tests.faults.checker import Report, check
from tests.faults.facts import DriverLog, Run, Told
from tests.faults.job import Job, until
from tests.faults.rigged import Rig
from tests.faults.tables import WRITTEN, Snapshot, read_arrivals, read_checkpoints, read_letters, read_tables
from tests.schema import Schema
from tests.servers import ROOT

ACCOUNTS = 300
MUST_HAPPEN = (
    *((kind, "1") for kind in ("transaction", "card_transaction", "loan_payment", "stock")),
    *(("transaction", "-1"), ("card_transaction", "-4"), ("stock", "letter:illegal_null")),
)
SLOW = 0.008
SMALL = {"BATCH_LENGTH": "0.3", "PARTITIONS": "2", "MAX_THREADS": "2", "CHUNK_SIZE": "5"}
"""Small chunks: a batch is many transactions, so that most moments lie within one."""
QUICK = {
    "JAVA_TOOL_OPTIONS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": str(ROOT / ".cache" / "pycache"),
}
"""Starting is most of what these jobs do: Spark does it with half the work, and Python compiles its libraries once."""


class Trial:
    """`seed` decides bank, traffic and moments. `aws`: endpoint of DynamoDB and SES, and of Kinesis unless `kinesis`.

    `odd`: share of unusual messages. `slow`: seconds that the insertion of a row takes longer, so that batches last.
    """

    def __init__(
        self,
        schema: Schema,
        aws: str,
        folder: Path,
        seed: int,
        *,
        kinesis: str | None = None,
        shards: int = 1,
        odd: float = 0.12,
        partition_key: Literal["constant", "account"] = "constant",
        slow: float = SLOW,
    ) -> None:
        self.schema = schema
        self.random = Random(seed)
        self.stream = TestStream(kinesis or aws, shards)
        self.jobs: list[Job] = []
        self.sent: list[Put] = []
        self._putting = threading.Lock()
        self._instead: dict[str, Told] = {}
        self._odd = odd
        self._endpoints = {"AWS_ENDPOINT_URL": aws, "AWS_ENDPOINT_URL_KINESIS": kinesis or aws}
        self._folder = folder
        self._aws = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", aws),))
        self._aws.client("ses").verify_email_identity(EmailAddress=SENDER)
        self._snapshots: list[Snapshot] = []
        shape = BankShape(ACCOUNTS)
        with closing(schema.connect()) as connection:
            fill(connection, shape, seed)
            self._opening = read_tables(connection)
        self._traffic = Traffic(seed, shape, odd=odd, ids=0.2, partition_key=partition_key)
        for table in WRITTEN if slow else ():
            schema.execute(f"CREATE TRIGGER slow_{table} BEFORE INSERT ON {table} FOR EACH ROW DO SLEEP({slow})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for job in self.jobs:
            job.kill9()

    def send(self, messages: int) -> None:
        """Put so many messages of the traffic, all durable when this returns."""
        self.put(islice(self._traffic, messages))

    def put(self, messages: Iterable[Message]) -> None:
        """Put these messages, all durable when this returns. May be called by several threads."""
        with self._putting:
            self.sent += put(self.stream.client, self.stream.name, messages).records

    def start(
        self,
        *arguments: str,
        batch: int = 200,
        through: Schema | None = None,
        rig: Rig | None = None,
        settings: Mapping[str, str] = {},
    ) -> Job:
        """A job that runs. `batch`: most messages of one batch. `through`: another way to the database.

        `rig`: what is other than deployed. `settings`: of the service, before all others.
        """
        environment = {
            **(through or self.schema).environment,
            **self._endpoints,
            "STREAM_NAME": self.stream.name,
            "CONSUMER_NAME": self._leases,
            "FAILOVER_TABLE": self._letters,
            "MAX_RECORDS_PER_SHARD": str(batch),
            **SMALL,
            **QUICK,
            **settings,
        }
        log = self._folder / f"job{len(self.jobs) + 1}.log"
        job = Job(log, environment, *arguments, rig=rig)
        self.jobs.append(job)
        job.start()
        return job

    def were_lost(self, job: Job, instead: Told) -> None:
        """All rows of the job were lost; `instead` tells of those that came in their place.

        Some may have another status: between keys there is no order, and what one moves another finds or does not.
        """
        self._instead[job.name] = instead

    def start_two(self, *arguments: str, batch: int) -> tuple[Job, Job]:
        """Two jobs at once: the one that works after a while, and the one that stands by."""
        first, second = self.start(*arguments, batch=batch), self.start(*arguments, batch=batch)
        until(lambda: first.batches or second.batches, "one of two jobs works")
        assert bool(first.batches) != bool(second.batches), "both of them work"
        return (first, second) if first.batches else (second, first)

    def rows(self) -> int:
        """How many rows the job has written."""
        counts = " + ".join(f"(SELECT COUNT(*) FROM {table})" for table in WRITTEN)
        ((rows,),) = self.schema.query(f"SELECT {counts}")
        return int(rows)

    def wait_for_mid_batch(self, job: Job, rows: int) -> None:
        """Wait until a batch that has not ended has committed `rows` rows, which must be fewer than it can have."""

        def begun() -> bool:
            batches, before = len(job.batches), self.rows()
            until(lambda: self.rows() >= before + rows or len(job.batches) > batches, f"{job.name} works: {job.tail}")
            return len(job.batches) == batches

        until(begun, f"{job.name} is in mid-batch")

    def look(self) -> Snapshot:
        """Take a snapshot, which is checked in the end."""
        checkpoints = self.checkpoints()
        letters = frozenset(read_letters(self._aws.client("dynamodb"), self._letters))
        with closing(self.schema.connect()) as connection:
            snapshot = Snapshot(read_tables(connection), checkpoints, letters)
        self._snapshots.append(snapshot)
        return snapshot

    def owners(self) -> set[str | None]:
        """Who holds leases; None: some lease is free."""
        rows = self._aws.client("dynamodb").scan(TableName=self._leases, ConsistentRead=True)["Items"]
        return {row["leaseOwner"]["S"] if "leaseOwner" in row else None for row in rows}

    def checkpoints(self) -> dict[str, Position]:
        """Shard → how far everything is durable."""
        return read_checkpoints(self._aws.client("dynamodb"), self._leases)

    def letters(self) -> int:
        """How many dead letters there are."""
        return len(read_letters(self._aws.client("dynamodb"), self._letters))

    def check(self) -> Report:
        """Check every invariant of the run, which has to be over. AssertionError where one fails."""
        report = check(self.run())
        assert report.ok, report
        assert report.outcomes.total() == len(self.sent)
        assert self._snapshots, "nobody looked while it ran"
        assert not any("refused_by_database" in outcome for _, outcome in report.outcomes)
        return report

    def run(self) -> Run:
        """All that the checker asks for, as it stands now."""
        with closing(self.schema.connect()) as connection:
            final = read_tables(connection)
        return Run(
            self.stream.name,
            read_arrivals(self.stream.client, self.stream.name, self.sent),
            self._opening,
            final,
            read_letters(self._aws.client("dynamodb"), self._letters),
            self._snapshots,
            secrets={str(card) for card in self._opening.bank.cards},
            texts={job.name: job.log.read_bytes() for job in self.jobs},
            must_happen=MUST_HAPPEN if self._odd else MUST_HAPPEN[:4],
            sampled=lambda event: sampled(event, Decimal("0.1")),
            parents={shard.id: shard.parents for shard in list_shards(self.stream.aws, self.stream.name)},
            checkpoints=self.checkpoints(),
            drivers=[self._told(job) for job in self.jobs],
        )

    def _told(self, job: Job) -> DriverLog:
        return replace(job.told, batches=[self._instead[job.name]]) if job.name in self._instead else job.told

    @property
    def _leases(self) -> str:
        return f"leases-{self.stream.name}"

    @property
    def _letters(self) -> str:
        return f"letters-{self.stream.name}"
