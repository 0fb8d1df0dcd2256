"""Doing the same to many things at once, where all of them need the same service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from pipeline.runtime.errors import LeaseLost

T = TypeVar("T")


def each(action: Callable[[T], None], items: Sequence[T], threads: int) -> None:
    """Do it to the first alone, since where the service is away nothing else need be tried; then to the others.

    Stops at the first error and raises it, `LeaseLost` before others, after every thread has ended.
    """
    if not items:
        return
    action(items[0])
    if len(items) == 1:
        return
    with ThreadPoolExecutor(min(threads, len(items) - 1), "leases") as pool:
        running = [pool.submit(action, item) for item in items[1:]]
        wait(running, return_when=FIRST_EXCEPTION)
        pool.shutdown(cancel_futures=True)
    errors = [error for one in running if not one.cancelled() and (error := one.exception()) is not None]
    if errors:
        raise min(errors, key=lambda error: not isinstance(error, LeaseLost))
