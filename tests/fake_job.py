"""A whole driver process on a stream in memory: Spark, signals and the end are real; what it applies goes to a folder.

python -m tests.fake_job FOLDER OPTIONS
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from tests.processes import Process

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 200.0


class Options(msgspec.Struct):
    """`shards`: records per shard. `seconds`: that applying a batch takes. `cap`: records of one shard in one batch.

    `spark`: options of its context. `waits`: the stream stays empty until there is a file `go` in the folder.
    `plaintext`: whether its processes may speak in clear.
    """

    shards: dict[str, int]
    seconds: float = 0.0
    cap: int = 1_000
    batch_length: float = 0.5
    until_caught_up: bool = False
    spark: dict[str, str] = {}
    waits: bool = False
    plaintext: bool = True


class FakeJob(Process):
    """That process, started by `python`, or by `spark-submit` where arguments for it are given."""

    def __init__(
        self, folder: Path, options: Options, submit: Sequence[str] | None = None, environment: Mapping[str, str] = {}
    ) -> None:
        arguments = [str(Path(__file__)), str(folder), msgspec.json.encode(options).decode()]
        command = [sys.executable, *arguments]
        if submit is not None:
            command = [spark_submit(), *submit, *arguments]
        paths = {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable}
        self.folder = folder
        log = folder / "log"
        super().__init__("fake job", command, log, log.exists, {**os.environ, **paths, **environment}, folder)

    def run(self) -> int:
        """Start it, wait for its end; the exit code."""
        self.start()
        return self.ended()

    def ended(self) -> int:
        """Wait for its end; the exit code."""
        assert self._child is not None
        try:
            return self._child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not ended:\n{self.text[-3000:]}") from None
        finally:
            self.kill9()

    def wait_for(self, name: str) -> None:
        """Wait until there is a file of that name in the folder."""
        deadline = time.monotonic() + PATIENCE
        while not (self.folder / name).exists():
            assert self._child is not None
            assert self._child.poll() is None, f"ended without {name}:\n{self.text[-3000:]}"
            assert time.monotonic() < deadline, f"no {name}:\n{self.text[-3000:]}"
            time.sleep(0.02)

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its own lines."""
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]

    @property
    def committed(self) -> dict[str, int]:
        """Shard → the last sequence that was committed, as the job wrote it on giving the leases back."""
        found: dict[str, int] = json.loads((self.folder / "committed").read_text())
        return found


def spark_submit() -> str:
    """The path of spark-submit."""
    home = find_spec("pyspark")
    assert home is not None
    assert home.origin is not None
    return str(Path(home.origin).parent / "bin" / "spark-submit")


def consume(folder: Path, options: Options) -> None:
    from pipeline.dstream.driver import Driver
    from pipeline.dstream.monitoring.health import Health
    from pipeline.dstream.stream import SparkBatch, run
    from pipeline.runtime.stopping import StopSignal
    from pipeline.spark.context import build_context
    from tests.fakes import MemoryReader, MemorySource, Recorder, split

    class Noting(MemorySource):
        def release(self) -> None:
            done = {shard: through.sequence for shard, through in self.committed.items()}
            (folder / "committed").write_text(json.dumps(done))

    stop = StopSignal()
    stop.listen()
    context = build_context("fake", ["pipeline", "tests"], options.spark, allow_plaintext=options.plaintext)
    stop.listen()  # SparkContext has taken SIGINT
    (folder / "jvm").write_text(str(context._jvm.ProcessHandle.current().pid()))  # type: ignore[union-attr]
    reader = MemoryReader(options.shards, gate=folder / "go" if options.waits else None)
    source = Noting(reader, max_records=options.cap)
    batch = SparkBatch(context, source.reader, split, Recorder(folder, options.seconds).apply, 2)
    driver = Driver(
        source,
        batch,
        partitions=2,
        batch_length=options.batch_length,
        health=Health("fake", options.batch_length),
        until_caught_up=options.until_caught_up,
    )
    run(context, driver, options.batch_length, stop)


def main(folder: Path, options: Options) -> int:
    from pipeline.runtime import logs
    from pipeline.runtime.errors import PipelineError

    logs.configure()
    try:
        consume(folder, options)
    except PipelineError as error:
        sys.stderr.write(f"ended: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Options)))
