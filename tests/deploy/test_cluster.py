"""`make cluster`: the deployed entry point, settings and configuration on a Master and two Workers."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from demo.cluster import SIZES, configured, image_settings
from demo.job import Job
from tests.deploy.manifests import overlay, spark_defaults, the
from tests.faults.job import until
from tests.processes import Process
from tests.servers import ROOT


def test_the_settings_are_the_deployments() -> None:
    data = the("ConfigMap", "settings", overlay("fargate"))["data"]
    assert image_settings() == {name: value for name, value in data.items() if value}
    assert SIZES.keys() <= data.keys()


def test_the_configuration_is_the_deployments_but_for_what_only_this_machine_can_say(tmp_path: Path) -> None:
    lines = (configured(tmp_path / "conf", "a secret") / "spark-defaults.conf").read_text().splitlines()
    read = dict(line.split(None, 1) for line in lines if line and not line.startswith("#"))  # the last counts
    changed = {name for name, value in spark_defaults(overlay("fargate")).items() if read[name].strip() != value}
    assert changed == {
        "spark.driver.port",
        "spark.driver.blockManager.port",
        "spark.driver.bindAddress",
        "spark.executor.memoryOverhead",
    }


@pytest.mark.timeout(600)
def test_the_cluster_drains_on_sigterm(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-m", "demo.cluster", "--messages", "2000"]
    cluster = Process("cluster", command, log, log.exists, folder=ROOT)
    cluster.start()
    until(lambda: "stream_consumer.py: log " in log.read_text() or Job(cluster).status(), "the service is started")
    assert Job(cluster).status() is None, log.read_text()
    (told,) = re.findall(r"log (\S+), status", log.read_text())
    service = Path(told)
    until(lambda: service.exists() and '"event": "batch"' in service.read_text(errors="replace"), "a batch is applied")
    os.kill(cluster.pid, signal.SIGTERM)
    until(lambda: Job(cluster).status() is not None, "it ends")
    assert Job(cluster).status() == 0, log.read_text()
    cluster.stop()
    assert "drained: the batch in flight was finished" in log.read_text()
