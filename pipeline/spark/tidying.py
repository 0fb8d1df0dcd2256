"""What a Python worker of Spark does after each task, so that the next one does not pay for what is there for good."""

from __future__ import annotations

import gc
import sys
from functools import cache
from zipimport import zipimporter

from pipeline.runtime.garbage import freeze_heap

SELDOM = 100_000
"""Objects, less those that are gone, that a worker makes between two searches for garbage."""


def tidy(kind: str) -> None:
    """Call this at the end of a task. `kind`: of tasks that import and keep the same things."""
    _forget_archives()
    _freeze(kind)


@cache
def _freeze(kind: str) -> None:
    """Once each kind of task has run in this process.

    Spark's worker collects garbage after every task. In between, what a chunk makes is in no cycle: searching every 700
    objects took a twentieth.
    """
    freeze_heap()
    gc.set_threshold(SELDOM)


def _forget_archives() -> None:
    """Drop Python's importers of zip archives, which it makes anew from its cache where it needs them.

    Spark's worker invalidates all importers before every task, and each then reads its archive's directory again:
    27,000 entries of pyspark.zip and the Spark JAR, 0.15 s of CPU per task.
    """
    for path, importer in list(sys.path_importer_cache.items()):
        if isinstance(importer, zipimporter):
            del sys.path_importer_cache[path]
