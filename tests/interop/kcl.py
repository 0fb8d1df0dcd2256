"""The real Kinesis Client Library as a process: AWS' MultiLangDaemon, with worker.py as its record processor."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from pipeline.messages.records import END, Position
from tests.faults.job import until
from tests.faults.reached import At
from tests.processes import Process, program
from tests.servers import ROOT

KCL = ROOT / ".cache" / "kcl"
"""Where scripts/setup_kcl.sh installs it."""
WORKER = Path(__file__).with_name("worker.py")
QUICK = {
    "leaseAssignmentIntervalMillis": 2000,
    "shardSyncIntervalMillis": 5000,
    "parentShardPollIntervalMillis": 2000,
    "idleTimeBetweenReadsInMillis": 250,
    "shutdownGraceMillis": 8000,
}
"""What KCL would do within a minute is done within seconds."""


class Kcl(Process):
    """A KCL fleet of one, on `stream`; its leases are in the table `leases`, its journals in `folder`.

    `most`, `every`: as in worker.py, for each shard. `fail_over`: seconds.
    """

    def __init__(
        self,
        folder: Path,
        stream: str,
        leases: str,
        kinesis: str,
        dynamodb: str,
        *,
        most: int,
        every: int,
        fail_over: float,
    ) -> None:
        self._journals = folder / "journals"
        self._journals.mkdir(parents=True)
        properties = folder / "kcl.properties"
        settings = {
            "executableName": f"{KCL / 'bin' / 'python'} {WORKER} {self._journals} {most} {every}",
            "streamName": stream,
            "applicationName": leases,
            "regionName": "us-east-1",
            "AwsCredentialsProvider": "DefaultCredentialsProvider",
            "initialPositionInStream": "TRIM_HORIZON",
            "kinesisEndpoint": kinesis,
            "dynamoDBEndpoint": dynamodb,
            "retrievalMode": "POLLING",
            "metricsLevel": "NONE",
            "failoverTimeMillis": round(fail_over * 1000),
            **QUICK,
        }
        properties.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        [jars] = KCL.glob("lib/python*/site-packages/amazon_kclpy/jars")
        command = [program("java", "openjdk-17-jre-headless"), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command += ["-cp", f"{jars}/*", "software.amazon.kinesis.multilang.MultiLangDaemon"]
        log = folder / "kcl.log"
        super().__init__(folder.name, [*command, "--properties-file", str(properties)], log, log.exists, {}, folder)

    def taken(self) -> set[At]:
        """Every message that it has taken."""
        return {at for at, _ in self._events()}

    def deliveries(self) -> int:
        """How many messages it has taken, each as often as it came."""
        return sum(1 for _ in self._events())

    def durable(self) -> set[At]:
        """The messages behind a checkpoint that KCL said was durable."""
        last: dict[str, Position] = defaultdict(lambda: Position(0))
        for shard, words in self._lines():
            if words[0] == "checkpoint":
                last[shard] = END if words[1] == "end" else Position(int(words[1]), int(words[2]))
        return {(shard, position) for (shard, position), _ in self._events() if position <= last[shard]}

    def wait_for_log(self, text: str) -> None:
        """Wait until its log says so."""
        until(lambda: text in self.log.read_text(errors="replace"), f"{self.name}: {text}")

    def terminate(self) -> None:
        """SIGTERM to the daemon, which asks its workers for a last checkpoint; return when it has ended."""
        os.kill(self.pid, signal.SIGTERM)
        until(lambda: self._child is None or self._child.poll() is not None, f"{self.name} ends")
        self.kill9()

    def _events(self) -> Iterator[tuple[At, int]]:
        for number, (shard, words) in enumerate(self._lines()):
            if words[0] == "took":
                yield (shard, Position(int(words[1]), int(words[2]))), number

    def _lines(self) -> Iterator[tuple[str, list[str]]]:
        for journal in sorted(self._journals.iterdir()):
            for line in journal.read_text().splitlines(keepends=True):
                if line.endswith("\n"):
                    yield journal.name, line.split()
