"""A shard read on and on, extent by extent."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pipeline.kinesis import KinesisReader
from pipeline.records import END, Extent, Range

RECORDS = 2_000
BYTES = 8 * 1024 * 1024


def pages(reader: KinesisReader, wanted: Range) -> Iterator[Extent]:
    """From where `wanted` begins to the tip, or the end of the shard. Raises `Trimmed`, and as the reader does."""
    while True:
        extent = reader.read(wanted)
        yield extent
        if extent.at_tip or extent.through == END:
            return
        wanted = msgspec.structs.replace(wanted, after=max(wanted.after, extent.through))
