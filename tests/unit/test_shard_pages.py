"""Shards beside one another: each at its own pace, all of them in the time of the longest, ended by what one raises."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from itertools import pairwise
from typing import cast

import pytest

from pipeline.kinesis.aggregation import EVERY_HASH
from pipeline.kinesis.reader import KinesisReader
from pipeline.messages.records import START, Extent, Position, Range, Record
from pipeline.operations import shard_pages
from pipeline.operations.shard_pages import read_beside
from pipeline.runtime.errors import Halted, Trimmed

PAGES = 4
EVERY = 0.1


class Shards:
    """Stands for a reader: every shard has so many pages of one record each. Notes when which was read."""

    def __init__(self, size: int = 1) -> None:
        self.read_at: dict[str, list[float]] = defaultdict(list)
        self._size = size

    def read(self, wanted: Range) -> Extent:
        number = wanted.after.sequence + 1
        if wanted.shard == "trimmed" and number == 1:
            raise Trimmed("gone")
        self.read_at[wanted.shard].append(time.monotonic())
        record = Record(wanted.shard, str(number), 0, 0, b"x" * self._size)
        return Extent(wanted.shard, [record], Position(number), 0, at_tip=number == PAGES - 1)


def ranges(*shards: str) -> list[Range]:
    return [Range(shard, START, None, EVERY_HASH, 1, 1) for shard in shards]


def gone(wanted: Range, error: Trimmed) -> None:
    raise AssertionError(f"{wanted.shard}: {error}")


@pytest.mark.parametrize("limit", ["calls", "bytes"])
def test_shards_are_read_in_the_time_of_one_and_each_no_faster(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 1000
    monkeypatch.setattr(shard_pages, "PAGE_EVERY", EVERY if limit == "calls" else 0.0)
    monkeypatch.setattr(shard_pages, "PACE", size / EVERY if limit == "bytes" else 1e9)
    stream = Shards(size)
    began = time.monotonic()
    read_beside(cast(KinesisReader, stream), ranges("a", "b", "c", "d"), lambda _, extent: True, gone)
    one = (PAGES - 1) * EVERY
    assert one <= time.monotonic() - began < 3 * one, "four, one after another, take four times as long"
    for moments in stream.read_at.values():
        assert len(moments) == PAGES
        assert all(later - sooner >= EVERY / 2 for sooner, later in pairwise(moments))


def test_time_that_a_page_took_is_not_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_pages, "PAGE_EVERY", EVERY)
    stream = Shards()

    def take(wanted: Range, extent: Extent) -> bool:
        time.sleep(3 * EVERY if extent.through == Position(0) else 0)
        return True

    read_beside(cast(KinesisReader, stream), ranges("a"), take, gone)
    first, second, third, fourth = stream.read_at["a"]
    assert second - first >= 3 * EVERY
    assert min(third - second, fourth - third) >= EVERY / 2


def test_a_trimmed_shard_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_pages, "PAGE_EVERY", 0.0)
    stream, trimmed = Shards(), list[str]()
    told = threading.Lock()

    def note(wanted: Range, error: Trimmed) -> None:
        with told:
            trimmed.append(wanted.shard)

    read_beside(cast(KinesisReader, stream), ranges("a", "trimmed", "b"), lambda _, extent: True, note)
    assert trimmed == ["trimmed"]
    assert {shard: len(moments) for shard, moments in stream.read_at.items()} == {"a": PAGES, "trimmed": 1, "b": PAGES}


def test_what_one_raises_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_pages, "PAGE_EVERY", 60.0)

    def take(wanted: Range, extent: Extent) -> bool:
        if wanted.shard == "b":
            raise Halted("denied")
        return True

    began = time.monotonic()
    with pytest.raises(Halted):
        read_beside(cast(KinesisReader, Shards()), ranges("a", "b"), take, gone)
    assert time.monotonic() - began < 10
