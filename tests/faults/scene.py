"""Where a fault strikes: servers that may be killed, a job behind proxies, traffic and looks that go on meanwhile."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Literal, Self
from urllib.request import urlopen

import msgspec
import mysql.connector

import migrations
from tests import servers
from tests.contract.misbehaving import Misbehaving, misbehaving
from tests.faults.facts import Run
from tests.faults.job import Job, until
from tests.faults.mailbox import mailbox
from tests.faults.proxy import Cut, cutting
from tests.faults.rigged import Rig
from tests.faults.tables import with_unsaid
from tests.faults.trial import Trial
from tests.integration.watched import Sample, parsed
from tests.processes import free_port
from tests.schema import Schema
from tests.servers import HERE, DatabaseServer

LEAST = 1_000
"""Messages of a round."""
FAIL_OVER = 1.0
"""Seconds; deployed: 10."""
A_BATCH = 150
"""Messages at most."""
MORE_SHARDS = 3
"""More than the job has partitions."""
SLOW = 0.0015
"""Seconds that a row takes longer."""
CLERK = "clerk"
"""The job's user, who may do nothing that an administrator may."""
ONE_FILE = ("--innodb-file-per-table=0", "--innodb-autoextend-increment=1")
"""All tables in one file, whose size can be limited."""
LOGIN = {"AWS_DEFAULT_REGION": "us-east-1", "ACCESS_KEY": "test", "SECRET_KEY": "test"}
_numbers = count()


@dataclass(frozen=True)
class Ground:
    """Servers for many rounds, each of which has a schema and a stream of its own."""

    database: DatabaseServer
    aws: str
    template: Schema


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """The database that TEST_DATABASE chooses, and moto."""
    with ExitStack() as running, ThreadPoolExecutor(2) as together:
        made = together.submit(running.enter_context, servers.database(folder / "database", options=ONE_FILE))
        aws = together.submit(running.enter_context, servers.moto())
        database = made.result()
        template = database.another("template")
        migrations.upgrade(template.url)
        database.add_user(CLERK, "secret")
        database.execute(f"GRANT SELECT, INSERT, UPDATE ON *.* TO {CLERK}")
        yield Ground(database, aws.result().url, template)


class Scene(Trial):
    """One round. `aws`, `proxy`, `mailbox`: what stands between the job and its servers.

    Where the seed is odd the stream has one shard, whose records are spread over all partitions; where it is even each
    partition reads and applies whole shards, and has not always room for all of them.

    `spark`: whether the job runs on Spark. `long`: whether a strike takes the time that an operator would call long.
    `hits`: fault → how often it fired.
    """

    def __init__(self, ground: Ground, folder: Path, seed: int, *, spark: bool = False, long: bool = False) -> None:
        self.database = ground.database
        schema = ground.template.copy(f"scene_{next(_numbers)}")
        key: Literal["constant", "account"] = "constant" if seed % 2 else "account"
        self.shards = 1 if seed % 2 else MORE_SHARDS
        super().__init__(schema, ground.aws, folder, seed, shards=self.shards, partition_key=key, slow=SLOW)
        self.spark, self.long = spark, long
        self.hits = Counter[str]()
        self.kills = 0
        self.clock = folder / "clock"
        self.clock.write_text("0")
        self._rig = Rig(spark=spark, fail_over=FAIL_OVER, mail_pause=0.3, cramped=self.shards > 1)
        self._port = 0
        self._heard = Counter[Sample]()
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self.aws: Misbehaving = self._running.enter_context(misbehaving(self._endpoints["AWS_ENDPOINT_URL"]))
        self.proxy = self._running.enter_context(cutting(self.schema.port, lambda _: Cut.NONE))
        self.mailbox = self._running.enter_context(mailbox())
        self._endpoints = {"AWS_ENDPOINT_URL": self.aws.url, "AWS_ENDPOINT_URL_SES": self.mailbox.url}
        self._through = Schema(HERE, self.proxy.port, CLERK, "secret", self.schema.name)
        return self

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        self._running.close()
        self.schema.drop()

    @property
    def job(self) -> Job:
        """The job that runs; one is started where none does."""
        return self.jobs[-1] if self.jobs and self.jobs[-1].running else self.launch()

    def launch(self, *, settings: Mapping[str, str] = {}, **rig: Any) -> Job:
        """Start a job. `rig`: changes of its rig."""
        rigged = msgspec.structs.replace(self._rig, **rig)
        self._port = free_port()
        own = {"METRICS_PORT": str(self._port), "METRICS_ADDRESS": HERE, "CHUNK_SIZE": "10", **LOGIN}
        return self.start(batch=A_BATCH // self.shards, through=self._through, rig=rigged, settings={**own, **settings})

    def relaunch(self, *, settings: Mapping[str, str] = {}, **rig: Any) -> Job:
        """Ask the job to stop, and start another, rigged otherwise."""
        self.end()
        return self.launch(settings=settings, **rig)

    def end(self) -> None:
        """Ask the job to stop, where one runs; it ends in good order."""
        if self.jobs and self.jobs[-1].running:
            self._hear()
            self.jobs[-1].terminate()
            assert self.jobs[-1].exit_code() == 0, self.jobs[-1].tail

    def shows(self, metric: str, label: str, value: str) -> bool:
        """Whether the jobs that were listened to have told of this: a sample above zero."""
        return any(
            name == f"bank_stream_{metric}" and (label, value) in labels and number > 0
            for (name, labels), number in self._heard.items()
        )

    def hear(self) -> None:
        """Listen to what the job tells of its batches up to now: of one that goes on, once it has ended."""
        self.more("batch")
        self._hear()

    def _hear(self) -> None:
        with suppress(OSError), urlopen(f"http://{HERE}:{self._port}/metrics", timeout=10) as page:
            self._heard.update(parsed(page.read().decode()))

    def working(self) -> Job:
        """The job in mid-batch, with enough to do for another one."""
        job = self.job
        self.send(2 * A_BATCH)
        self.wait_for_mid_batch(job, self.random.randrange(5, 40))
        return job

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for it; the end of the job's log is shown where it does not come."""
        until(condition, f"{what}:\n{self.jobs[-1].tail if self.jobs else ''}")

    def more(self, event: str, number: int = 1) -> None:
        """Wait until the job that runs has logged so many more lines of this event."""
        job = self.job
        wanted = len(job.lines(event)) + number
        self.until(lambda: len(job.lines(event)) >= wanted or not job.running, f"{number} more lines {event!r}")
        assert job.running, job.tail

    @contextmanager
    def traffic(self) -> Iterator[None]:
        """The job works, producers go on, and somebody looks into the tables; in the end enough was put."""
        self.send(100)
        self.job.wait_for("batch")
        enough = threading.Event()
        with ThreadPoolExecutor(2) as threads:
            working = [threads.submit(self._produce, enough), threads.submit(self._watch, enough)]
            try:
                yield
            finally:
                enough.set()
        for one in working:
            one.result()

    def _produce(self, enough: threading.Event) -> None:
        """At least enough for a round."""
        while len(self.sent) < LEAST or not enough.is_set():
            self.send(25)
            enough.wait(0.25)

    def _watch(self, enough: threading.Event) -> None:
        while not enough.wait(0.7):
            with suppress(mysql.connector.Error):  # it may be away
                self.look()

    def back_to_zero(self) -> float:
        """Seconds from now until all that was put lies behind the checkpoints, and every mail was tried."""
        began = time.monotonic()
        job = self.job
        last = {put.shard: int(put.sequence) for put in self.sent}
        self.until(lambda: self._is_behind(last) or not job.running, "the lag goes back to zero")
        back = time.monotonic() - began
        waiting = "SELECT COUNT(*) FROM fraud_alerts WHERE sent_at IS NULL AND attempts = 0"
        self.until(lambda: self.schema.query(waiting) == [(0,)] or not job.running, "mails are sent")
        assert job.running, job.tail
        return back

    def _is_behind(self, last: Mapping[str, int]) -> bool:
        checkpoints = self.checkpoints()
        return all(shard in checkpoints and checkpoints[shard].sequence >= number for shard, number in last.items())

    def run(self) -> Run:
        """All that the checker asks for."""
        run = super().run()
        return replace(
            run,
            messages=with_unsaid(self.stream.client, self.stream.name, list(run.messages)),
            hits=dict(self.hits),
            mails=list(self.mailbox.mails),
            may_repeat=self.kills,
            least=LEAST,
        )
