"""Letters through the same unit of work again, in arrival order, slab by slab.

Durable in this order: the row, then the end of its letter. Killed anywhere, a second run finds the row and settles the
letter; what was not applied is still a letter.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from pipeline.applying.partition import Partition
from pipeline.console.output import Advance
from pipeline.dead_letters.items import StoredLetter
from pipeline.dead_letters.table import DeadLetters
from pipeline.kinesis.aggregation import OUTSIDE_HASH_RANGE
from pipeline.messages.batch import error_of
from pipeline.messages.identity import letter_key
from pipeline.messages.records import START, Block, Event, Extent, Letter, Record, Skipped
from pipeline.operations.letters.payloads import whole_record
from pipeline.operations.letters.rereading import Rereading
from pipeline.operations.workbench import Workbench
from pipeline.runtime.slices import slices

SLAB: Final = 1000
"""Letters that are read, applied and settled together."""


@dataclass(frozen=True)
class Terms:
    """`outside`: also those outside their shard's hash range, which KPL sends again itself, under another identity.

    `from_letters`: what the stream has trimmed is taken from the letter, where that holds all of it.
    """

    outside: bool = False
    from_letters: bool = False
    dry_run: bool = False


def arranged(letters: Sequence[StoredLetter]) -> list[StoredLetter]:
    """In the order of arrival, and within a shard in the order of the stream."""
    shards: dict[str, list[StoredLetter]] = defaultdict(list)
    for stored in letters:
        shards[stored.letter.record.shard].append(stored)
    ordered = [sorted(part, key=lambda stored: stored.letter.record.position) for part in shards.values()]
    return list(heapq.merge(*ordered, key=lambda stored: stored.letter.record.arrived_ms))


def redrive(
    bench: Workbench, letters: Sequence[StoredLetter], terms: Terms, counts: Counter[str], advance: Advance
) -> None:
    """Apply these open letters; what became of them is counted. Raises `Transient`, `Halted`, `Fatal`.

    Counted: `applied`, `left` (still letters, one attempt more), `trimmed`, `excluded`, `other_stream`, `skipped`,
    `renamed` (letters under another identity now), and every outcome as `type outcome`.
    """
    mine = [one for one in letters if one.stream == bench.settings.stream_name]
    counts["other_stream"] += len(letters) - len(mine)
    taken = [one for one in mine if terms.outside or one.letter.reason != OUTSIDE_HASH_RANGE]
    counts["excluded"] += len(mine) - len(taken)
    if not taken:
        return
    rereading = Rereading(bench.reader)
    ordered = arranged(taken)
    for slab in slices(ordered, SLAB):
        records = _records(bench, rereading, slab, terms, counts)
        if terms.dry_run:
            counts["would_be_tried"] += len(records)
        elif records:
            _apply(bench, slab, records, counts)
        advance(len(slab))


def _records(
    bench: Workbench, rereading: Rereading, slab: Sequence[StoredLetter], terms: Terms, counts: Counter[str]
) -> dict[int, Record]:
    found = rereading.reread(slab, lambda more: None)
    for stored in slab:
        if stored.key in found:
            continue
        counts["trimmed"] += 1
        whole = whole_record(stored, bench.bank, bench.router)
        counts["trimmed_but_whole"] += whole is not None
        if whole is not None and terms.from_letters:
            found[stored.key] = whole
            counts["from_letters"] += 1
    return found


def _apply(bench: Workbench, slab: Sequence[StoredLetter], records: Mapping[int, Record], counts: Counter[str]) -> None:
    tried = [stored for stored in slab if stored.key in records]
    partition = replace(bench.partition, dead_letters=_Keeping.of(bench.dead_letters, tried))
    apply_records(partition, [records[stored.key] for stored in tried], counts)
    said = {stored.key: bench.router.interpret(records[stored.key]) for stored in tried}
    rows = bench.rows_exist([one.identity for one in said.values() if not isinstance(one, Skipped)])
    ended = [key for key, one in said.items() if _ended(key, one, rows, counts)]
    bench.dead_letters.delete(ended)


def _ended(key: int, said: Event[Any] | Letter | Skipped, rows: set[bytes], counts: Counter[str]) -> bool:
    """Whether the letter has no more to say, once everything before is durable."""
    if isinstance(said, Skipped):
        outcome = "skipped"
    elif said.identity in rows:
        outcome = "applied"
    else:
        outcome = "left" if letter_key(said.identity) == key else "renamed"
    counts[outcome] += 1
    return outcome != "left"


def apply_records(partition: Partition, records: Sequence[Record], counts: Counter[str]) -> None:
    """Apply records, each shard's in its order; counts every outcome as `type outcome`.

    Raises what stopped it; what had been applied by then is counted.
    """
    report = partition.apply(_blocks(partition, records))
    for (type_, outcome), number in report.outcomes.items():
        counts[f"{type_ or 'unknown'} {outcome}"] += number
    if report.failure is not None:
        raise error_of(report.fate, report.failure)


def _blocks(partition: Partition, records: Sequence[Record]) -> Iterator[Block]:
    shards: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        shards[record.shard].append(record)
    for shard, read in shards.items():
        for _, block in partition.router.split(Extent(shard, read, START, 0, True), partition.partitions):
            yield block


@dataclass(frozen=True)
class _Keeping(DeadLetters):
    """Dead letters that keep what the first one said of the message's bytes, also where those came from a letter."""

    before: tuple[tuple[bytes, int, str], ...] = ()

    @classmethod
    def of(cls, letters: DeadLetters, tried: Sequence[StoredLetter]) -> _Keeping:
        before = tuple((one.letter.identity, one.letter.size, one.letter.sha256) for one in tried)
        return cls(letters.aws, letters.table, letters.stream, letters.seconds, before)

    def write(self, letters: Sequence[Letter]) -> None:
        """As ever, with the size and the SHA-256 that were known."""
        known = {identity: (size, sha256) for identity, size, sha256 in self.before}
        same = [
            msgspec.structs.replace(one, size=known[one.identity][0], sha256=known[one.identity][1])
            if one.identity in known
            else one
            for one in letters
        ]
        super().write(same)
