"""The command line `python -m demo.cluster`: the service as it is deployed, on a cluster of this machine.

A Master and two Workers stand for Kubernetes; entry point, settings and Spark's configuration are the image's.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from demo.job import LOOK, Job
from demo.stage import SMALL_BATCHES, Stage, stage
from demo.telling import EXPECTED, Say
from tests.processes import Process, free_port
from tests.servers import HERE, ROOT, SparkCluster, spark_cluster

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)

BASE: Final = ROOT / "k8s" / "base"
COMMAND: Final = (sys.executable, "stream_consumer.py")
"""The image's, but for its init."""
WORKERS: Final = 2
SIZES: Final = {"MAX_EXECUTORS": str(WORKERS), "NUM_CORES": "1", "EXECUTOR_MEMORY": "512m", "DRIVER_MEMORY": "512m"}
"""In the settings' place: what this machine has."""


def image_settings() -> dict[str, str]:
    """The settings of the deployment that say something."""
    lines = [line for line in (BASE / "settings.env").read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines) if value}


def configured(folder: Path, secret: str) -> Path:
    """A folder with the deployment's configuration of Spark, and what only this machine can say."""
    folder.mkdir()
    here = {
        "spark.driver.host": HERE,
        "spark.driver.bindAddress": HERE,
        "spark.driver.port": "0",
        "spark.driver.blockManager.port": "0",
        "spark.authenticate.secret": secret,  # which Spark makes itself on Kubernetes
        "spark.executor.memoryOverhead": "256m",
    }
    lines = [f"{name} {value}\n" for name, value in here.items()]
    (folder / "spark-defaults.conf").write_text((BASE / "spark-defaults.conf").read_text() + "".join(lines))
    return folder


def environment(here: Stage, cluster: SparkCluster, configuration: Path, port: int) -> dict[str, str]:
    """The settings of the image, with the places that are here."""
    places = {name: value for name, value in here.environment.items() if name not in SMALL_BATCHES}
    settings = {name: value for name, value in image_settings().items() if not name.startswith("MYSQL_")}
    return {
        **settings,
        **places,
        **SIZES,
        "METRICS_PORT": str(port),
        "SPARK_MASTER": cluster.url,
        "SPARK_CONF_DIR": str(configuration),
        "SPARK_LOCAL_DIRS": str(here.folder),
        "SPARK_SUBMIT_OPTS": "-Dspark.shutdown.timeout=960s",
    }


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Set once SIGTERM or Ctrl-C has come."""
    wanted = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: wanted.set())
    yield wanted


def serve(variables: Mapping[str, str], log: Path, wanted: threading.Event) -> int:
    """Run the service until a stop is wanted, or it ends; its exit code. It alone is asked to stop, with SIGTERM."""
    process = Process("the service", COMMAND, log, log.exists, variables, ROOT)
    process.start()
    service = Job(process)
    try:
        while service.status() is None and not wanted.wait(LOOK):
            pass
        os.kill(process.pid, signal.SIGTERM)
        while (code := service.status()) is None:
            time.sleep(LOOK)
        return code
    finally:
        process.kill9()


@app.command()
def main(
    messages: Annotated[int, typer.Option(min=100, help="How many messages wait in the stream.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Another seed is another bank and other traffic.")] = 1,
) -> None:
    """The service as it is deployed, on a Master and two Workers, until Ctrl-C or SIGTERM, which it heeds by draining.

    Exit codes: 0 drained; 1 it could not go on, or could not be started (a line says why).

        make cluster
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s {text}")

    try:
        code = play(messages, seed, say)
    except EXPECTED as error:
        say(f"cluster: {error}")
        code = 1
    raise typer.Exit(code)


def play(messages: int, seed: int, say: Say) -> int:
    """All of it; the exit code. Raises what the demo expects to go wrong."""
    secret, port = secrets.token_hex(32), free_port()
    with stop_signals() as wanted, stage() as here:
        here.fill(seed)
        here.put(messages, seed)
        say(f"{messages:,} messages wait in the stream")
        daemons = {"spark.authenticate": "true", "spark.authenticate.secret": secret}
        with spark_cluster(WORKERS, options=daemons) as cluster:
            say(f"a Master and {WORKERS} Workers: {cluster.ui}")
            log = here.folder / "service.log"
            variables = environment(here, cluster, configured(here.folder / "conf", secret), port)
            say(f"python stream_consumer.py: log {log}, status http://{HERE}:{port}/status; Ctrl-C drains it")
            code = serve(variables, log, wanted)
        say("drained: the batch in flight was finished, the leases are given back" if code == 0 else log.read_text())
    return code


if __name__ == "__main__":
    app()
