"""SIGTERM and Ctrl-C: the batch in flight is finished and committed, then Spark stops and the exit code is 0."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from demo.job import Job
from tests import servers
from tests.fake_job import FakeJob, Options
from tests.fakes import everything, noted
from tests.faults.job import until
from tests.processes import Process
from tests.servers import ROOT

SHARDS = {"a": 500}
CAP = 100
LONG_BATCH = 36.0
"""Seconds: longer than the 30 after which Spark cuts its own shutdown hooks off."""

Stop = Callable[[FakeJob], None]


def python(job: FakeJob) -> None:
    os.kill(job.pid, signal.SIGTERM)


def python_twice(job: FakeJob) -> None:
    python(job)
    time.sleep(0.2)
    python(job)


def python_and_all_its_children(job: FakeJob) -> None:
    job.signal(signal.SIGTERM)


def ctrl_c(job: FakeJob) -> None:
    job.signal(signal.SIGINT)


def jvm(job: FakeJob) -> None:
    os.kill(int((job.folder / "jvm").read_text()), signal.SIGTERM)


def drained(job: FakeJob, stop: Stop) -> None:
    """Stop in the first batch, and expect that batch and no other."""
    job.start()
    job.wait_for("applying")
    stop(job)
    assert job.ended() == 0, job.text[-3000:]
    assert job.committed == {"a": CAP - 1}
    assert noted(job.folder) == everything({"a": CAP})


@pytest.mark.parametrize("stop", [python, python_twice, python_and_all_its_children, ctrl_c, jvm])
def test_a_stop_finishes_the_batch_in_flight_and_no_other(tmp_path: Path, stop: Stop) -> None:
    job = FakeJob(tmp_path, Options(SHARDS, seconds=2.0, cap=CAP), environment={"SPARK_MASTER": "local[2]"})
    drained(job, stop)


@pytest.mark.parametrize("stop", [jvm, ctrl_c])
def test_a_stop_of_spark_submit_finishes_the_batch_in_flight(tmp_path: Path, stop: Stop) -> None:
    drained(FakeJob(tmp_path, Options(SHARDS, seconds=2.0, cap=CAP), submit=["--master", "local[2]"]), stop)


def test_a_stop_while_nothing_moves_ends_at_once(tmp_path: Path) -> None:
    job = FakeJob(tmp_path, Options({"a": 0}), environment={"SPARK_MASTER": "local[2]"})
    job.start()
    job.wait_for("jvm")
    python(job)
    assert job.ended() == 0
    assert job.committed == {}


def submitted(url: str) -> Sequence[str]:
    return ["--master", url, "--conf", "spark.executor.memory=512m", "--conf", "spark.driver.host=127.0.0.1"]


def test_a_cluster_drains_a_batch_that_takes_longer_than_sparks_own_hooks_may(tmp_path: Path) -> None:
    with servers.spark_cluster(workers=1, cores=2) as cluster:
        job = FakeJob(tmp_path, Options(SHARDS, seconds=LONG_BATCH, cap=CAP), submit=submitted(cluster.url))
        began = time.monotonic()
        drained(job, jvm)
        assert time.monotonic() - began > LONG_BATCH


def caught(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


GATE = """
import os, sys, time

class Gate:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "_mysql_connector":
            while not os.path.exists({open!r}):
                time.sleep(0.01)

sys.meta_path.insert(0, Gate)
"""
"""Python runs it before anything else: the database's library is not loaded before the file `open` is there."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("waits", [False, True], ids=["while it loads", "while it waits for its database"])
def test_a_stop_before_anything_is_there_ends_it_in_good_order(
    tmp_path: Path, number: signal.Signals, waits: bool
) -> None:
    opened, log = tmp_path / "opened", tmp_path / "log"
    (tmp_path / "sitecustomize.py").write_text(GATE.format(open=str(opened)))
    away = {"MYSQL_LOC": "mysql://127.0.0.1:1/x", "MYSQL_USER": "u", "MYSQL_PASS": "p", "METRICS_PORT": "0"}
    environment = {**away, "AWS_DEFAULT_REGION": "us-east-1", "PYTHONPATH": str(tmp_path)}
    service = Process("service", [sys.executable, "stream_consumer.py"], log, log.exists, environment, ROOT)
    service.start()
    until(lambda: caught(service.pid, signal.SIGTERM), "it heeds signals before its libraries are loaded")
    if waits:
        opened.touch()
        until(lambda: "waiting" in log.read_text(), "it waits")
    os.kill(service.pid, number)
    opened.touch()
    until(lambda: Job(service).status() is not None, "it ends")
    assert Job(service).status() == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    service.stop()
