"""Garbage collection: not among what is there for good."""

from __future__ import annotations

import gc


def freeze_heap() -> None:
    """Keep everything that exists out of garbage collection from now on.

    Modules and AWS clients are half a million objects to look at, in no cycle that anybody drops: 0.08 s of CPU, in
    which nothing else of the process runs. How often is searched stays as it is: Py4J's objects are in cycles, and
    Spark keeps what they stand for, such as shuffle files, until they are found.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # from now on a full search is due when as much has been added as this one finds, not as the first


class HeapFreezer:
    """Spares what is there as soon as the driver leads: by then it has made its leases and clients as well."""

    def start(self) -> None:
        freeze_heap()

    def stop(self) -> None:
        """Nothing to end."""
