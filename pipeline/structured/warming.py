"""Python workers that have what tasks import by the time the first batch needs them."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

from pipeline.runtime.errors import TaskDied
from pipeline.spark.context import deaths_told

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def warm_up(session: SparkSession) -> threading.Thread:
    """Start a worker for each core, beside what the caller does meanwhile: importing takes one a second."""
    thread = threading.Thread(target=_warm_up, args=(session,), name="warm-up", daemon=True)
    thread.start()
    return thread


def _warm_up(session: SparkSession) -> None:
    cores = session.sparkContext.defaultParallelism
    # Whatever happens here, a batch will say so again.
    with suppress(TaskDied, Py4JError, PySparkException, ConnectionError), deaths_told():
        session.range(0, cores, 1, cores).mapInArrow(_import, "id BIGINT").collect()


def _import(batches: Iterable[Any]) -> Iterator[Any]:
    for module in ("pipeline.kafka.lanes", "pipeline.structured.sink"):
        importlib.import_module(module)
    yield from batches
