"""Python workers that have what tasks import by the time the first batch needs them."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

from pipeline.runtime.errors import TaskDied
from pipeline.spark.context import deaths_told

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OURS = ("pipeline.kafka.lanes", "pipeline.structured.sink")


def warm_up(session: SparkSession, modules: Iterable[str]) -> threading.Thread:
    """Start a worker for each core, beside what the caller does meanwhile: importing takes one a second.

    `modules`: of the service's own tasks.
    """
    thread = threading.Thread(target=_warm_up, args=(session, (*OURS, *modules)), name="warm-up", daemon=True)
    thread.start()
    return thread


def _warm_up(session: SparkSession, modules: tuple[str, ...]) -> None:
    cores = session.sparkContext.defaultParallelism
    # Whatever happens here, a batch will say so again.
    with suppress(TaskDied, Py4JError, PySparkException, ConnectionError), deaths_told():
        session.range(0, cores, 1, cores).mapInArrow(partial(_import, modules), "id BIGINT").collect()


def _import(modules: tuple[str, ...], batches: Iterable[Any]) -> Iterator[Any]:
    for module in modules:
        importlib.import_module(module)
    yield from batches
