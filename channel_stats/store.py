"""Avro of a topic into a table, without Spark: by the rule of the service, and beside it.

Every run reads all that the topic holds, and the table takes what is newer than its own: so it may run at any time, be
killed, and several may at once. The notes of what the topic has told are not touched: they are the service's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from channel_stats.latest import Latest
from channel_stats.letters import Letters, Unread
from channel_stats.reading import Item, Reader
from channel_stats.tables import Tables
from pipeline.runtime.slices import chunks
from pipeline.runtime.stopping import StopSignal

AT_ONCE: Final = 20_000
"""Records between two writes to the table."""


@dataclass
class Stored:
    """What became of records: read, not to be read, made letters by this run; and rows that could not be stored."""

    records: int = 0
    unread: int = 0
    letters: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Store:
    """Takes what the reader reads into the table."""

    reader: Reader
    letters: Letters
    tables: Tables

    def run(self, stop: StopSignal, say: Callable[[int], object], *, follow: bool = False) -> Stored:
        """Until the topic's end, or `stop`; `say` hears how many records more are stored. Raises `PipelineError`."""
        self.tables.probe(notes=False)
        stored = Stored()
        if not self.reader.answers(stop, follow=follow):
            return stored
        for piece in self.reader.pieces(stop, follow=follow):
            for some in chunks(piece, AT_ONCE):
                self._take(some, stored)
                say(len(some))
        return stored

    def _take(self, some: Sequence[Item], stored: Stored) -> None:
        latest = Latest()
        for item in some:
            if item.told is not None:
                latest.harvested(self.tables.period, item.told.harvest, item.record.partition, item.record.offset)
        stored.lost += self.tables.put(latest.counts())
        unread = [Unread(item.record, item.rejected) for item in some if item.rejected is not None]
        stored.letters += self.letters.write(unread)
        stored.records += len(some) - len(unread)
        stored.unread += len(unread)
