"""What is kept of each symbol, in a database beside the candles' own: read and replaced by version, in epochs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
from pymongo import InsertOne, ReplaceOne, ReturnDocument
from pymongo.errors import BulkWriteError

from market.candle_rows import VERSION, Rows, overtaken
from market.mongo import by_fate, database, first_of
from market.symbol_state import EMPTY, SymbolState
from pipeline.runtime.errors import Transient

EPOCH: Final = 32
"""A version is an epoch, shifted by so many bits, and a number."""
DRIVER: Final = {"_id": "candles"}


class Letter(NamedTuple):
    """A record that was a candle, and is a letter all the same. `error`: what the database said of it."""

    partition: int
    offset: int
    reason: str
    error: str = ""


class Kept(msgspec.Struct, frozen=True):
    """What is kept of a symbol.

    `identity`: of the topic that `through` (the offset that each partition is in effect before) and `letters` (those of
    the last batch) speak of. `made_for`: the settings that the documents were computed with. `packed`: the state.
    """

    version: int
    identity: str
    through: dict[int, int]
    letters: tuple[Letter, ...]
    made_for: str
    packed: bytes

    @classmethod
    def first(cls, epoch: int, made_for: str) -> Kept:
        """Of a symbol of which nothing is known."""
        return cls(epoch << EPOCH, "", {}, (), made_for, pack(EMPTY))

    @property
    def state(self) -> SymbolState:
        """Unpacked."""
        return msgspec.msgpack.decode(self.packed, type=SymbolState)

    def of_topic(self, identity: str) -> Kept:
        """Without what speaks of a topic that had this name before."""
        if identity and self.identity and identity != self.identity:
            return msgspec.structs.replace(self, identity=identity, through={}, letters=())
        return msgspec.structs.replace(self, identity=identity or self.identity)

    def next_version(self, epoch: int) -> int:
        """The one after this."""
        return max(self.version, epoch << EPOCH) + 1


def pack(state: SymbolState) -> bytes:
    """A state as it is kept."""
    return msgspec.msgpack.encode(state)


@dataclass(frozen=True)
class KeptStates:
    """Picklable. `epoch`: the driver's own, that of the process that has started last."""

    uri: str = field(repr=False)
    name: str
    epoch: int = 0

    def next_epoch(self) -> int:
        """Take an epoch, and make what is missing. Raises `PipelineError`."""
        with by_fate("taking an epoch"):
            self._symbols.create_index([("_id", 1), (VERSION, 1)], unique=True)
            after = ReturnDocument.AFTER
            found = self._drivers.find_one_and_update(
                DRIVER, {"$inc": {"epoch": 1}}, upsert=True, return_document=after
            )
        return int(found["epoch"]) if found else 0

    def still_ours(self) -> None:
        """Raises `Fatal` where a later epoch was taken, another `PipelineError` where that cannot be told."""
        with by_fate("looking for other drivers"):
            found = self._drivers.find_one(DRIVER)
        if found is not None and found["epoch"] > self.epoch:
            raise overtaken()

    def load(self, topics: Collection[str]) -> dict[str, Kept]:
        """What is kept of those topics of which something is. Raises `PipelineError`."""
        with by_fate("reading states"):
            found = list(self._symbols.find({"_id": {"$in": list(topics)}}))
        if any(one[VERSION] >> EPOCH > self.epoch for one in found):
            raise overtaken()
        return {one["_id"]: _kept_of(one) for one in found}

    def begin(self, kept: Mapping[str, Kept]) -> None:
        """Keep something of topics of which nothing was. Raises `PipelineError`."""
        try:
            with by_fate("writing first states"):
                self._symbols.bulk_write([InsertOne(_stored(*one)) for one in kept.items()], ordered=False)
        except BulkWriteError:
            raise Transient("MongoDB, writing first states: another process has just done so") from None

    def replace(self, before: Mapping[str, Kept], after: Mapping[str, Kept]) -> None:
        """Replace what is of the version in `before`. Raises `Fatal` where something is not, `PipelineError`."""
        news = {topic: kept for topic, kept in after.items() if kept.version != before[topic].version}
        if not news:
            return
        changes = [
            ReplaceOne({"_id": topic, VERSION: before[topic].version}, _stored(topic, kept))
            for topic, kept in news.items()
        ]
        try:
            with by_fate("writing states"):
                done = self._symbols.bulk_write(changes, ordered=False)
        except BulkWriteError as error:
            raise first_of(error, "writing states") from None
        if done.matched_count < len(changes):
            raise overtaken()

    @property
    def _symbols(self) -> Rows:
        return database(self.uri, self.name)["symbols"]

    @property
    def _drivers(self) -> Rows:
        return database(self.uri, self.name)["drivers"]


def _stored(topic: str, kept: Kept) -> dict[str, Any]:
    return {
        "_id": topic,
        VERSION: kept.version,
        "topic": kept.identity,
        "through": {str(partition): offset for partition, offset in kept.through.items()},
        "letters": [list(letter) for letter in kept.letters],
        "made_for": kept.made_for,
        "state": kept.packed,
    }


def _kept_of(stored: Mapping[str, Any]) -> Kept:
    return Kept(
        stored[VERSION],
        stored["topic"],
        {int(partition): offset for partition, offset in stored["through"].items()},
        tuple(Letter(*letter) for letter in stored["letters"]),
        stored["made_for"],
        stored["state"],
    )
