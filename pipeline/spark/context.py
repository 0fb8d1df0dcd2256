"""Spark's context, put together the same way for every service, and signals that reach its JVM."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark import SparkConf, SparkContext
from pyspark.errors.exceptions.captured import CapturedException
from pyspark.java_gateway import launch_gateway

from pipeline.runtime.errors import Fatal, TaskDied
from pipeline.runtime.packing import ROOT, packed
from pipeline.runtime.stopping import StopSignal
from pipeline.spark.secrecy import REMEDY, is_in_clear, secrecy

LOG_CONFIGURATION = ROOT / "pipeline" / "runtime" / "log4j2.properties"
JVM_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""The JVMs carry bytes from one Python to another: optimizing for hours to come took more than it has ever given."""
DEFAULTS = {
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


def build_context(
    name: str,
    packages: Iterable[str],
    options: Mapping[str, str] = {},
    jvm_options: str = JVM_OPTIONS,
    *,
    allow_plaintext: bool = False,
) -> SparkContext:
    """The context that spark-submit made, or one of our own; what the user configured wins over our defaults.

    The master is spark-submit's, or SPARK_MASTER's, or local[*]. `packages`: those of ours that tasks import. `options`
    win over spark-defaults.conf, and spark-submit's and PYSPARK_SUBMIT_ARGS' over them. `jvm_options`: of driver and
    executors, as far as none are configured. Raises `Fatal` where driver and executors would speak in clear, unless
    `allow_plaintext`.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # Where spark-submit has started the JVM, this does nothing but connect.
    gateway = launch_gateway(_launch_options(name, options, jvm_options))  # type: ignore[no-untyped-call]
    conf = SparkConf(_jvm=gateway.jvm)
    local = re.fullmatch(r"local(\[.*\])?", conf.get("spark.master") or "") is not None
    jvm = {"spark.executor.extraJavaOptions": jvm_options}
    secret = secrecy(dict(conf.getAll()))
    for option, value in {**DEFAULTS, **jvm, **options, **(LOCAL if local else {}), **secret}.items():
        conf.setIfMissing(option, value)
    if not allow_plaintext and is_in_clear(dict(conf.getAll())):
        raise Fatal(f"tasks would take passwords and card codes to {conf.get('spark.master')} in clear: {REMEDY}")
    context = SparkContext(conf=conf, gateway=gateway)
    if not local:
        context.addPyFile(packed(packages))
    return context


def _launch_options(name: str, options: Mapping[str, str], jvm_options: str) -> SparkConf:
    conf = SparkConf(loadDefaults=False).setAppName(name).setAll(list(options.items()))
    log_options = f"-Dlog4j2.configurationFile={LOG_CONFIGURATION.as_uri()}"
    conf.set("spark.driver.extraJavaOptions", f"{log_options} {jvm_options}")
    conf.set("spark.ui.showConsoleProgress", "false")
    return conf.setMaster(os.environ["SPARK_MASTER"]) if "SPARK_MASTER" in os.environ else conf


class _JvmSignal:
    """`sun.misc.SignalHandler` in Python."""

    def __init__(self, stop: StopSignal) -> None:
        self._stop = stop

    def handle(self, _: Any) -> None:
        self._stop.set()

    class Java:
        implements: ClassVar[list[str]] = ["sun.misc.SignalHandler"]


def heed_signals_of_jvm(context: SparkContext, stop: StopSignal) -> None:
    """A SIGTERM or SIGINT that reaches the JVM is a wish to stop as well, not its death in mid-batch.

    Under spark-submit the JVM is the process that is signalled; a service manager may signal both. Left alone, the JVM
    would begin to shut down, with Spark's hooks cut off after 30 s, and end with 143.
    """
    jvm: Any = context._jvm
    for name in ("TERM", "INT"):
        jvm.sun.misc.Signal.handle(jvm.sun.misc.Signal(name), _JvmSignal(stop))


@contextmanager
def deaths_told() -> Iterator[None]:
    """Spark's failures, while a job is put together as while it runs, become `TaskDied`."""
    try:
        yield
    except Py4JJavaError as error:
        java = error.java_exception
        raise TaskDied(_alike(str(java.getMessage() or java.getClass().getName()))) from None
    except CapturedException as error:
        raise TaskDied(error.getCondition() or _alike(str(error))) from None


def _alike(message: str) -> str:
    """The first line of why Spark gave up, without numbers that differ from time to time."""
    first = message.splitlines()[0].rsplit("Most recent failure:", 1)[-1].strip()
    return re.sub(r"\d+(\.\d+)*", "N", first)[:300]
