"""The candles' database: a collection of documents per symbol, and beside it what is kept of each symbol.

**Once, whatever dies.** What a batch does to a symbol is written in this order:

1. its documents, by `_id`: the same again is the same;
2. its state, replaced where its version is the one that was read: with it the offsets that are in effect, and which of
   the batch's records were letters;
3. letters, then Spark's commit (the engine's business).

Death before 2: the batch comes again, finds the state as it was, and writes the same documents. Death after 2: its
records are in effect already, change nothing, and are the same letters again, of which those that are out are dropped.
A lost checkpoint brings records that are all in effect already.

**Two drivers.** Each takes an epoch when it starts; versions of a later epoch are above all of an earlier one. Who
finds a later epoch, in a state, a document or where epochs are taken, was overtaken and ends. What it may still write
in that moment are documents of records that the other has yet to apply, and which that one then writes as well; it
cannot replace a document of a later version (`candle_rows`).

A state in a process's memory is used only where it is of the version that the driver knows from the batch before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from market import candle_rows, indicators
from market.candle import Candle
from market.documents import PRICES, candle_of, document, moment
from market.indicators import Plan
from market.kept import Kept, KeptStates, Letter, pack
from market.mongo import AWAY, by_fate, database
from market.symbol_state import EMPTY, Folded, SymbolState, fold
from pipeline.runtime.errors import Halted
from pipeline.runtime.slices import chunks

AT_ONCE: Final = 250
"""Symbols whose states are read and written together."""
CHUNK: Final = 2_000
"""Documents of a collection that are computed anew at once."""
LATE, REFUSED = "late", "refused"
"""Reasons of letters, beside those of `candle`."""


class Arrival(NamedTuple):
    """A candle that a record of a symbol's topic holds."""

    partition: int
    offset: int
    candle: Candle


class Outcome(NamedTuple):
    """What became of a symbol's candles. `version`: of its state. `added`, `corrected`: minutes."""

    version: int
    letters: Sequence[Letter]
    added: int
    corrected: int


_memory: dict[tuple[str, str, str], Kept] = {}
"""What this process has written last of symbols, by database and topic."""


@dataclass(frozen=True)
class CandleStore:
    """Picklable: goes to tasks. `identities`: of the topics."""

    uri: str = field(repr=False)
    name: str
    zone: ZoneInfo
    plan: Plan
    lateness: int
    epoch: int = 0
    identities: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def states(self) -> KeptStates:
        """What is kept of the symbols."""
        return KeptStates(self.uri, f"{self.name}_state", self.epoch)

    def take(self, arrived: Mapping[str, Sequence[Arrival]], known: Mapping[str, int]) -> dict[str, Outcome]:
        """Apply candles, by topic, in the order of arrival. `known`: versions of states after the batch before.

        Raises `PipelineError`; some symbols may have been applied then.
        """
        found: dict[str, Outcome] = {}
        for topics in chunks(arrived, AT_ONCE):
            self.states.still_ours()
            before = self._load(topics, known)
            after: dict[str, Kept] = {}
            for topic in topics:
                after[topic], found[topic] = self._applied(topic, before[topic], arrived[topic])
            self.states.replace(before, after)
            _memory.update({self._place(topic): kept for topic, kept in after.items()})
        return found

    def _applied(self, topic: str, before: Kept, arrived: Sequence[Arrival]) -> tuple[Kept, Outcome]:
        fresh = [one for one in arrived if one.offset >= before.through.get(one.partition, 0)]
        again = {one[:2] for one in arrived}
        letters = [letter for letter in before.letters if letter[:2] in again]
        if not fresh:
            return before, Outcome(before.version, letters, 0, 0)
        version = before.next_version(self.epoch)
        folded, taken, refused = self._written(topic, before.state, fresh, version)
        letters += [*refused, *self._late(topic, folded, taken)]
        through = dict(before.through)
        for one in fresh:
            through[one.partition] = max(through.get(one.partition, 0), one.offset + 1)
        after = Kept(version, before.identity, through, tuple(letters), before.made_for, pack(folded.state))
        return after, Outcome(version, letters, len(folded.added), len(folded.corrected))

    def _written(
        self, topic: str, state: SymbolState, fresh: Sequence[Arrival], version: int
    ) -> tuple[Folded, Sequence[Arrival], Sequence[Letter]]:
        """The symbol with its new candles, whose documents are written; the candles it has taken; what was refused."""
        taken = list(fresh)
        letters: list[Letter] = []
        since: int | None = None
        while True:
            folded = fold(state, [one.candle for one in taken], self.plan, self.lateness, since)
            refused = self._put(topic, state, folded, version)
            if not refused:
                return folded, taken, letters
            for one in taken:
                if one.candle.at in refused:
                    letters.append(Letter(one.partition, one.offset, REFUSED, refused[one.candle.at]))
            taken = [one for one in taken if one.candle.at not in refused]
            since = folded.changed[0][0].at

    def _put(self, topic: str, state: SymbolState, folded: Folded, version: int) -> Mapping[int, str]:
        """Write what has changed; by minute, which candles are to blame for documents that alone are refused.

        A candle is condemned only where others of its symbol go through. Raises `Halted` where none does.
        """
        made = [(candle.at, document(candle, figures)) for candle, figures in folded.changed]
        new = [one for at, one in made if at in folded.added]
        errors = candle_rows.put(self._rows(topic), new, [one for at, one in made if at not in folded.added], version)
        if not errors:
            return {}
        if len(errors) == len(made) and not self._goes_through(topic, state, version):
            raise _halted(topic, errors.values())
        ours = sorted(folded.added | folded.corrected)
        blamed = {
            max((mine for mine in ours if mine <= at), default=0): errors[one["_id"]]
            for at, one in made
            if one["_id"] in errors
        }
        if 0 in blamed:
            raise _halted(topic, errors.values())
        return blamed

    def _goes_through(self, topic: str, state: SymbolState, version: int) -> bool:
        """Whether the newest document of before can be written as it is."""
        if not state.candles:
            return False
        newest = fold(state, (), self.plan, self.lateness, state.candles[-1].at).changed[-1]
        return not candle_rows.put(self._rows(topic), (), [document(*newest)], version)

    def _late(self, topic: str, folded: Folded, taken: Sequence[Arrival]) -> list[Letter]:
        """What came too late, but for what says what is there already."""
        late = [taken[place] for place in folded.late]
        if old := [taken[place] for place in folded.old]:
            times = [one.candle.at for one in old]
            there = candle_rows.between(self._rows(topic), moment(min(times)), moment(max(times)))
            known = {candle_of(row, self.zone) for row in there}
            late += [one for one in old if one.candle not in known]
        return [Letter(one.partition, one.offset, LATE) for one in late]

    def _load(self, topics: Sequence[str], known: Mapping[str, int]) -> dict[str, Kept]:
        remembered = {topic: kept for topic in topics if (kept := self._remembered(topic, known.get(topic)))}
        rest = [topic for topic in topics if topic not in remembered]
        if not rest:
            return remembered
        stored = self.states.load(rest)
        if absent := [topic for topic in rest if topic not in stored]:
            begun = self._begun(absent)
            self.states.begin(begun)
            stored |= begun
        current = {topic: self._current(topic, kept) for topic, kept in stored.items()}
        self.states.replace(stored, current)
        return remembered | current

    def _remembered(self, topic: str, version: int | None) -> Kept | None:
        kept = _memory.get(self._place(topic))
        return kept if kept is not None and kept.version == version else None

    def _begun(self, topics: Sequence[str]) -> dict[str, Kept]:
        """Of symbols that nothing is kept of: kept before their first document, so that it is known what was there."""
        with by_fate("listing collections"):
            there = set(database(self.uri, self.name).list_collection_names())
        first = Kept.first(self.epoch, self._made_for)
        return {topic: self._recomputed(topic, first) if topic in there else first for topic in topics}

    def _current(self, topic: str, kept: Kept) -> Kept:
        """For the topic of this name that is there now, and with documents as the settings want them."""
        kept = kept.of_topic(self.identities.get(topic, ""))
        return kept if kept.made_for == self._made_for else self._recomputed(topic, kept)

    def _recomputed(self, topic: str, kept: Kept) -> Kept:
        """Every document of a collection computed and written anew; it holds all that is needed for that."""
        rows, newest, version = self._rows(topic), kept.state.candles, kept.next_version(self.epoch)
        older = candle_rows.before(rows, moment(newest[0].at) if newest else None)
        history = (candle_of(row, self.zone) for row in older if row.keys() >= PRICES)
        state = EMPTY
        for some in chunks(chain(history, newest), CHUNK):
            folded = fold(state, some, self.plan, self.lateness)
            if refused := candle_rows.put(rows, (), [document(*one) for one in folded.changed], version):
                raise _halted(topic, refused.values())
            state = folded.state
        return msgspec.structs.replace(kept, version=version, made_for=self._made_for, packed=pack(state))

    @property
    def _made_for(self) -> str:
        return repr((indicators.FORMULAS, self.plan, self.lateness, self.zone.key))

    def _place(self, topic: str) -> tuple[str, str, str]:
        return self.uri, self.name, topic

    def _rows(self, topic: str) -> candle_rows.Rows:
        return database(self.uri, self.name)[topic]


def _halted(topic: str, errors: Iterable[str]) -> Halted:
    error = Halted(f"MongoDB refuses documents of {topic}, and not for one candle's sake: {next(iter(errors))}")
    error.waits_for = AWAY
    return error
