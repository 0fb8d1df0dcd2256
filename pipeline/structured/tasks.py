"""Running a function on the partitions of a frame, and bringing back what it says: also its errors, by their fate."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pyarrow as pa  # type: ignore[import-untyped]
from pyspark import TaskContext

from pipeline.runtime.errors import PipelineError, Transient
from pipeline.runtime.redacted_errors import RedactedErrors
from pipeline.spark.context import deaths_told
from pipeline.spark.tidying import tidy

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

T = TypeVar("T")
LETTERS: Final = pa.schema(
    [
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("reason", pa.string()),
        ("field", pa.string()),
        ("error", pa.string()),
    ]
)
"""The columns of `service.LETTER`, as a task writes them."""


def columns(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows, which may be none, as a task hands them on."""
    found = zip(*rows, strict=True) if rows else ([] for _ in schema)
    arrays = [pa.array(column, kind.type) for column, kind in zip(found, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def tuples(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """The rows of a task's batch."""
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def reports(frame: DataFrame, work: Callable[[int, Iterator[pa.RecordBatch]], T]) -> list[T]:
    """What `work` returns for each partition: it is given the partition's number and rows, and has to be picklable.

    Raises the gravest `PipelineError` that a partition raised, after all have ended, and `TaskDied`.
    """
    with deaths_told():
        rows = frame.mapInArrow(_Reporting(work), "outcome BINARY").collect()
    outcomes = [pickle.loads(row.outcome) for row in rows]  # noqa: S301 - our own tasks made them
    errors = [outcome for outcome in outcomes if isinstance(outcome, PipelineError)]
    if errors:
        raise gravest(errors)
    return outcomes


def gravest(errors: Sequence[PipelineError]) -> PipelineError:
    """An error that ends the process before one that is waited for."""
    return min(errors, key=lambda error: isinstance(error, Transient))


class _Reporting:
    """A row that tells what `work` returned, or its error."""

    def __init__(self, work: Callable[[int, Iterator[pa.RecordBatch]], Any]) -> None:
        self._work = work

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        assert context is not None
        given = iter(batches)
        outcome = self._outcome(context.partitionId(), given)
        deque(given, 0)  # were something left unread, Spark would end this process: the next one imports all anew
        yield pa.RecordBatch.from_pydict({"outcome": [pickle.dumps(outcome)]})
        tidy(type(self._work).__qualname__)

    def _outcome(self, partition: int, batches: Iterator[pa.RecordBatch]) -> Any:
        try:
            with RedactedErrors():
                return self._work(partition, batches)
        except PipelineError as error:
            return error
