"""Executors go while there is nothing to do and come while the stream is ahead, on a real cluster."""

from __future__ import annotations

from pathlib import Path

from bank_stream.settings import Settings
from pipeline.dstream.cluster import options
from tests import servers
from tests.fake_job import FakeJob, Options
from tests.faults.job import until

SETTINGS = {
    "MYSQL_LOC": "mysql://u:p@127.0.0.1/x",
    "AWS_DEFAULT_REGION": "us-east-1",
    "MAX_EXECUTORS": "2",
    "NUM_CORES": "1",
    "EXECUTOR_MEMORY": "512m",
    "SCALING_INTERVAL": "6",
}
INTERVAL = 3.0
"""Seconds; a tick that finds nothing takes some 0.2 of them."""
BACKLOG = {"a": 100_000}
"""Records; 100 in a batch that takes a fifth of a second: more than are applied before the second executor is there."""


def test_executors_go_while_the_stream_is_idle_and_come_while_it_is_ahead(tmp_path: Path) -> None:
    spark = options(Settings.read(SETTINGS))
    wanted = Options(BACKLOG, seconds=0.2, cap=100, batch_length=INTERVAL, spark=spark, waits=True)
    with servers.spark_cluster(workers=2, cores=1) as cluster:
        job = FakeJob(tmp_path, wanted, environment={"SPARK_MASTER": cluster.url})
        job.start()
        until(lambda: cluster.busy_cores == 2, "a standalone cluster gives all that it has at first")
        until(lambda: cluster.busy_cores == 1, "nothing to do: one executor goes")
        (tmp_path / "go").touch()
        until(lambda: cluster.busy_cores == 2, "the stream is ahead: one comes")
        job.stop()
