"""Shards read on and on, extent by extent: one, or several beside one another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Final

import msgspec

from pipeline.kinesis.reader import KinesisReader
from pipeline.messages.records import END, Extent, Range
from pipeline.runtime.errors import Trimmed

RECORDS = 2_000
BYTES = 8 * 1024 * 1024
READERS: Final = 16
"""Shards at a time; most of it is waiting for each one's pace."""
PACE: Final = 1024 * 1024
"""Bytes a second of a shard: half of what Kinesis gives, so that the service keeps up beside it."""
PAGE_EVERY: Final = 0.4
"""Seconds from page to page of a shard: half of the five calls a second that Kinesis allows."""

Take = Callable[[Range, Extent], bool]
"""What to do with a page of that range; whether to read on. Called by several threads, one for each range."""
Gone = Callable[[Range, Trimmed], object]
"""What to do where the stream no longer has what the range is to go on with."""


def pages(reader: KinesisReader, wanted: Range) -> Iterator[Extent]:
    """From where `wanted` begins to the tip, or the end of the shard. Raises `Trimmed`, and as the reader does."""
    while True:
        extent = reader.read(wanted)
        yield extent
        if extent.at_tip or extent.through == END:
            return
        wanted = msgspec.structs.replace(wanted, after=max(wanted.after, extent.through))


def read_beside(reader: KinesisReader, ranges: Sequence[Range], take: Take, gone: Gone) -> None:
    """Every range, each at its shard's own pace beside the others. What else one raises ends all, after their page."""
    stop = threading.Event()

    def read(wanted: Range) -> None:
        try:
            _read(reader, wanted, take, stop)
        except Trimmed as error:
            gone(wanted, error)

    with ThreadPoolExecutor(READERS, thread_name_prefix="shard") as pool:
        reading = [pool.submit(read, wanted) for wanted in ranges]
        try:
            for one in as_completed(reading):
                one.result()
        finally:
            stop.set()


def _read(reader: KinesisReader, wanted: Range, take: Take, stop: threading.Event) -> None:
    following = pages(reader, wanted)
    while not stop.is_set():
        began = time.monotonic()
        extent = next(following, None)
        if extent is None or not take(wanted, extent):
            return
        if not extent.at_tip:
            due = began + max(PAGE_EVERY, sum(len(one.data) for one in extent.records) / PACE)
            stop.wait(max(0.0, due - time.monotonic()))
