"""Letters → their records, read again from the stream: neighbours in one call, since Kinesis allows five a second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256

from pipeline.console.output import Advance
from pipeline.dead_letters.items import StoredLetter
from pipeline.kinesis.aggregation import EVERY_HASH
from pipeline.kinesis.reader import MOST_RECORDS, KinesisReader
from pipeline.kinesis.shards import list_shards
from pipeline.messages.records import END, START, Extent, Position, Range, Record
from pipeline.runtime.errors import Transient, Trimmed

MOST_BYTES = 16 * 1024 * 1024
PATIENCE = 120.0
"""Seconds that one place of a shard may give nothing but empty answers."""


class Rereading:
    """Of one stream, whose shards are listed once."""

    def __init__(self, reader: KinesisReader) -> None:
        self._reader = replace(reader, longest=2.0)
        self._listed = {shard.id for shard in list_shards(reader.aws, reader.stream)}

    def reread(self, letters: Sequence[StoredLetter], advance: Advance) -> dict[int, Record]:
        """The records of these letters, by the letters' keys. Those that are missing were trimmed by the stream.

        A record is taken whatever its place in the stream has against it, but only if it is the very one: a stream of
        the same name that was made anew may have others there. Raises `Transient`, `Halted`, `Fatal`.
        """
        shards: dict[str, set[Position]] = {}
        for stored in letters:
            shards.setdefault(stored.letter.record.shard, set()).add(stored.letter.record.position)
        found = {
            (shard, record.position): record
            for shard, positions in shards.items()
            if shard in self._listed
            for record in self._shard(shard, sorted(positions), advance)
        }
        places = {stored.key: (stored.letter.record.shard, stored.letter.record.position) for stored in letters}
        return {one.key: found[places[one.key]] for one in letters if _same(one, found.get(places[one.key]))}

    def _shard(self, shard: str, wanted: Iterable[Position], advance: Advance) -> Iterator[Record]:
        waiting = deque(wanted)
        hits = 1
        while waiting:
            first = waiting[0]
            try:
                extent = self._read(shard, first, min(MOST_RECORDS, 2 * len(waiting), 100 * hits))
            except Trimmed:
                waiting.popleft()
                continue
            read = {record.position: record for record in extent.records}
            before = len(waiting)
            while waiting and waiting[0] <= extent.through:
                position = waiting.popleft()
                if position in read:
                    yield read[position]
            hits = before - len(waiting)
            advance(hits)

    def _read(self, shard: str, first: Position, records: int) -> Extent:
        """What the shard has from `first` on; through its end where nothing follows."""
        just_before = Position(first.sequence, first.sub_sequence - 1)
        wanted = Range(shard, just_before, None, EVERY_HASH, records, MOST_BYTES)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            extent = self._reader.read(wanted)
            if extent.records:
                return extent
            if extent.at_tip or extent.through != START:
                return Extent(shard, [], END, 0, True)
        raise Transient(f"the stream has given no answer for {PATIENCE:g} s at {first.sequence} of {shard}")


def _same(stored: StoredLetter, record: Record | None) -> bool:
    letter = stored.letter
    return (
        record is not None
        and record.arrived_ms == letter.record.arrived_ms
        and sha256(record.data).hexdigest() == letter.sha256
    )
