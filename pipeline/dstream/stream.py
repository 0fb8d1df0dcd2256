"""The only module that knows Spark: the DStream, the one job of a batch, and an orderly end.

The stream itself carries nothing: it is the clock, and each tick plans, reads, applies and commits (`Driver`). A batch
is one action: read each range, cut it into one block per partition, shuffle, apply; where there is a shard for every
partition, each reads and applies its own, and nothing is shuffled.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, cast

from py4j.protocol import Py4JError, Py4JJavaError  # type: ignore[import-untyped]
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.streaming import StreamingContext

from pipeline.dstream.driver import Driver, TaskDied
from pipeline.dstream.source import Reader
from pipeline.dstream.tasks import Applying, Preparation, ReadAndApply, Reading, assigned, is_spread
from pipeline.messages.records import Block, Extent, Range, Report
from pipeline.runtime.errors import Fatal
from pipeline.runtime.packing import ROOT, packed
from pipeline.runtime.stopping import StopSignal

LOOK = 0.5
"""Seconds between two looks at whether the stream still lives."""
LOG_CONFIGURATION = ROOT / "pipeline" / "runtime" / "log4j2.properties"
JVM_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""The JVMs carry bytes from one Python to another: optimizing for hours to come took more than it has ever given."""
DEFAULTS = {
    "spark.executor.extraJavaOptions": JVM_OPTIONS,
    "spark.io.encryption.enabled": "true",  # shuffle files hold card data
    "spark.io.encryption.keySizeBits": "256",
    "spark.cleaner.periodicGC.interval": "1min",  # and go with the objects that stand for them
    "spark.eventLog.enabled": "false",
    "spark.speculation": "false",
    "spark.log.level": "WARN",
}
LOCAL = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.executorEnv.PYTHONPATH": str(ROOT),
    "spark.ui.enabled": "false",
}


@dataclass(frozen=True)
class SparkBatch:
    """Runs one batch on Spark: `split` as `Router.split`, `apply` as `Partition.apply`, both picklable.

    `preparation`: of each worker process.
    """

    context: SparkContext
    reader: Reader
    split: Callable[[Extent, int], list[tuple[int, Block]]]
    apply: Callable[[Iterable[Block]], Report]
    partitions: int
    preparation: Preparation | None = None

    def __call__(self, ranges: Sequence[Range]) -> list[Report]:
        """Read and apply these ranges; the report of each partition. Raises `TaskDied`."""
        with _deaths_told():
            spread = is_spread(ranges, self.partitions)
            return self._spread(ranges, len(ranges)) if spread else self._read_and_apply(ranges)

    def warm_up(self) -> None:
        """A batch of nothing: workers start, they and Spark load what they need, which takes seconds, before work."""
        with suppress(TaskDied), _deaths_told():  # the first batch will say so again
            self._spread((), self.context.defaultParallelism)

    def _spread(self, ranges: Sequence[Range], readers: int) -> list[Report]:
        reading = Reading(self.reader, self.split, self.partitions, self.preparation)
        blocks = self.context.parallelize(ranges, readers).mapPartitions(reading)
        spread = blocks.partitionBy(self.partitions, _itself)
        return spread.mapPartitions(Applying(self.apply, self.preparation)).collect()

    def _read_and_apply(self, ranges: Sequence[Range]) -> list[Report]:
        read_and_apply = ReadAndApply(self.reader, self.split, self.apply, self.preparation)
        shares = self.context.parallelize(assigned(ranges, self.partitions), self.partitions)
        return shares.mapPartitions(read_and_apply).collect()


@contextmanager
def _deaths_told() -> Iterator[None]:
    """Spark's failures, while a job is put together as while it runs, become `TaskDied`."""
    try:
        yield
    except Py4JJavaError as error:
        raise TaskDied(_cause(error)) from None


def build_context(name: str, packages: Iterable[str], options: Mapping[str, str] = {}) -> SparkContext:
    """The context that spark-submit made, or one of our own; what the user configured wins over our defaults.

    The master is spark-submit's, or SPARK_MASTER's, or local[*]. `packages`: those of ours that tasks import. `options`
    win over spark-defaults.conf, and spark-submit's and PYSPARK_SUBMIT_ARGS' over them.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # Where spark-submit has started the JVM, this does nothing but connect.
    gateway = launch_gateway(_launch_options(name, options))  # type: ignore[no-untyped-call]
    conf = SparkConf(_jvm=gateway.jvm)
    local = re.fullmatch(r"local(\[.*\])?", conf.get("spark.master") or "") is not None
    for option, value in {**DEFAULTS, **options, **(LOCAL if local else {}), **_secrecy(conf)}.items():
        conf.setIfMissing(option, value)
    context = SparkContext(conf=conf, gateway=gateway)
    if not local:
        context.addPyFile(packed(packages))
    return context


def _launch_options(name: str, options: Mapping[str, str]) -> SparkConf:
    conf = SparkConf(loadDefaults=False).setAppName(name).setAll(list(options.items()))
    log_options = f"-Dlog4j2.configurationFile={LOG_CONFIGURATION.as_uri()}"
    conf.set("spark.driver.extraJavaOptions", f"{log_options} {JVM_OPTIONS}")
    conf.set("spark.ui.showConsoleProgress", "false")
    return conf.setMaster(os.environ["SPARK_MASTER"]) if "SPARK_MASTER" in os.environ else conf


def _secrecy(conf: SparkConf) -> dict[str, str]:
    """Spark makes a secret for each application, but not in a standalone cluster: that has one if it was given one."""
    alone = (conf.get("spark.master") or "").startswith("spark://")
    secret = conf.contains("spark.authenticate.secret") or not alone
    return {"spark.authenticate": "true", "spark.network.crypto.enabled": "true"} if secret else {}


def run(context: SparkContext, driver: Driver, batch_length: float, stop: StopSignal) -> None:
    """Tick until a stop is asked for, the driver ends, or the stream dies; then end everything in order.

    The batch in flight is finished and the leases are given back before Spark stops. Raises `Fatal`.
    """
    stream = _stream(context, driver, batch_length)
    stop.listen()  # SparkContext has taken SIGINT
    _heed_signals_of_jvm(context, stop)
    with ThreadPoolExecutor(1, thread_name_prefix="lead") as thread:
        stream.start()
        leading = thread.submit(driver.lead)
        try:
            while not leading.done() and not stop.wait(LOOK):
                _look(stream)
        finally:
            driver.stop()
    stream.stop(stopSparkContext=True, stopGraceFully=False)
    leading.result()


def _look(stream: StreamingContext) -> None:
    """Raise `Fatal` where an error has left a tick (Spark logs it), Spark has stopped, or its JVM has died."""
    try:
        if stream.awaitTerminationOrTimeout(0):  # type: ignore[func-returns-value]
            raise Fatal("Spark has ended the stream")
    except (Py4JError, ConnectionError) as error:
        raise Fatal(f"the stream has died of an unforeseen error ({type(error).__name__})") from error


def _stream(context: SparkContext, driver: Driver, batch_length: float) -> StreamingContext:
    def tick(batch_time: datetime, _: Any) -> None:
        driver.tick(batch_time.timestamp())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # DStreams are in maintenance, not on their way out
        stream = StreamingContext(context, cast(int, batch_length))  # takes fractions; only its annotation does not
    stream.queueStream([], default=context.emptyRDD()).foreachRDD(tick)
    return stream


class _JvmSignal:
    """`sun.misc.SignalHandler` in Python."""

    def __init__(self, stop: StopSignal) -> None:
        self._stop = stop

    def handle(self, _: Any) -> None:
        self._stop.set()

    class Java:
        implements: ClassVar[list[str]] = ["sun.misc.SignalHandler"]


def _heed_signals_of_jvm(context: SparkContext, stop: StopSignal) -> None:
    """A SIGTERM or SIGINT that reaches the JVM is a wish to stop as well, not its death in mid-batch.

    Under spark-submit the JVM is the process that is signalled; a service manager may signal both. Left alone, the JVM
    would begin to shut down, with Spark's hooks cut off after 30 s, and end with 143.
    """
    jvm: Any = context._jvm
    for name in ("TERM", "INT"):
        jvm.sun.misc.Signal.handle(jvm.sun.misc.Signal(name), _JvmSignal(stop))


def _itself(partition: int) -> int:
    return partition


def _cause(error: Py4JJavaError) -> str:
    """The first line of why Spark gave up, without numbers that differ from time to time."""
    message = str(error.java_exception.getMessage() or error.java_exception.getClass().getName())
    first = message.splitlines()[0].rsplit("Most recent failure:", 1)[-1].strip()
    return re.sub(r"\d+(\.\d+)*", "N", first)[:300]
