"""The stream as a process of its own: what is delivered, and what a death in mid-batch leaves."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec

from tests import servers
from tests.fake_job import FakeJob, Options
from tests.fakes import everything, noted

LOCAL = {"SPARK_MASTER": "local[2]"}


def test_every_record_is_delivered_once_although_batches_are_longer_than_the_interval(tmp_path: Path) -> None:
    shards = {"a": 250, "b": 90, "c": 0}
    job = FakeJob(
        tmp_path, Options(shards, seconds=0.6, cap=50, batch_length=0.2, until_caught_up=True), environment=LOCAL
    )
    assert job.run() == 0
    assert noted(tmp_path) == everything(shards)
    assert job.committed == {"a": 249, "b": 89}
    batches = [line for line in job.lines if line["event"] == "batch"]
    assert [batch["records"] for batch in batches] == [100, 90, 50, 50, 50]
    assert batches[0]["behind_ms"] == 200
    said = [line for line in job.text.splitlines() if not line.startswith("{")]
    assert said == ["WARNING: Using incubator modules: jdk.incubator.vector"]  # of java itself, for Spark's own flags


def test_a_killed_worker_costs_a_batch_and_no_record(tmp_path: Path) -> None:
    (tmp_path / "kill").touch()
    job = FakeJob(tmp_path, Options({"a": 100}, until_caught_up=True), environment=LOCAL)
    assert job.run() == 0
    assert noted(tmp_path).keys() == everything({"a": 100}).keys()
    assert max(noted(tmp_path).values()) > 1
    assert job.committed == {"a": 99}
    assert [line["waits_for"] for line in job.lines if line["event"] == "waiting"] == ["Spark"]


def test_an_error_that_nobody_foresaw_holds_the_stream_and_shows_no_value(tmp_path: Path) -> None:
    (tmp_path / "unforeseen").touch()
    job = FakeJob(tmp_path, Options({"a": 100}, until_caught_up=True), environment=LOCAL)
    assert job.run() == 0
    assert job.committed == {"a": 99}
    (waiting,) = (line for line in job.lines if line["event"] == "waiting")
    assert waiting["waits_for"] == "Halted"
    assert waiting["reason"].startswith("ValueError at fakes.py:")
    assert "4111111111111111" not in job.text


def test_the_death_of_spark_ends_the_process_with_1(tmp_path: Path) -> None:
    job = FakeJob(tmp_path, Options({"a": 100}, seconds=2.0), environment=LOCAL)
    job.start()
    job.wait_for("applying")
    os.kill(int((tmp_path / "jvm").read_text()), signal.SIGKILL)
    assert job.ended() == 1
    assert job.committed == {}
    assert "ended: the stream has died" in job.text


def test_a_cluster_that_would_be_spoken_to_in_clear_ends_the_start_unless_allowed(tmp_path: Path) -> None:
    with servers.spark_cluster(workers=1) as cluster:
        options = Options({"a": 10}, until_caught_up=True)
        for folder in ("refused", "allowed"):
            (tmp_path / folder).mkdir()
        there = {"SPARK_MASTER": cluster.url}
        closed = msgspec.structs.replace(options, plaintext=False)
        refused = FakeJob(tmp_path / "refused", closed, environment=there)
        assert refused.run() == 1
        assert refused.text.count("SPARK_ALLOW_PLAINTEXT=true") == 1
        assert "Traceback" not in refused.text
        allowed = FakeJob(tmp_path / "allowed", options, environment=there)
        assert allowed.run() == 0, allowed.text[-3000:]
        assert allowed.committed == {"a": 9}
