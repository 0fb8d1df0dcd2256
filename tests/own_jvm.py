"""A JVM for one module of tests that run Spark in their own process: the next one may want other jars and options."""

from __future__ import annotations

from pyspark import SparkContext


def end_jvm() -> None:
    """End the JVM that PySpark keeps after its context has stopped, so that the next context starts another."""
    gateway = SparkContext._gateway
    if gateway is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()  # at whose end it ends
        gateway.proc.wait(60)
        SparkContext._gateway = SparkContext._jvm = None
