"""The candles' database: as if each candle had come once and in order, whatever dies, comes again or is refused."""

from __future__ import annotations

import itertools
import os
import pickle
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from market import candle_store
from market.candle_store import Arrival, CandleStore, Outcome
from market.indicators import Plan
from market.kept import Letter
from market.mongo import database
from pipeline.runtime.errors import Fatal, Halted, Transient
from tests import mongo as mongo_server
from tests.market.batch import documents
from tests.market.candle_records import PRICES, differences
from tests.market.histories import NEW_YORK, Row, candle, changed, history, shuffled

_numbers = itertools.count()
TOPIC = "aapl"


@pytest.fixture
def store(mongo: str) -> Iterator[CandleStore]:
    """Of a first driver, in a database of its own."""
    name = f"store_{os.getpid()}_{next(_numbers)}"
    yield started(CandleStore(mongo, name, NEW_YORK, Plan(), 10))
    client: MongoClient[dict[str, Any]] = MongoClient(mongo)
    for one in (name, f"{name}_state"):
        client.drop_database(one)
    client.close()


def started(store: CandleStore) -> CandleStore:
    """As a driver does that starts now, on a machine of its own."""
    candle_store._memory.clear()
    return replace(store, epoch=store.states.next_epoch())


def sent(rows: Sequence[Row], first: int = 0, partition: int = 0) -> list[Arrival]:
    return [Arrival(partition, offset, candle(row)) for offset, row in enumerate(rows, first)]


def take(store: CandleStore, arrived: Sequence[Arrival], known: Mapping[str, int] | None = None) -> Outcome:
    return store.take({TOPIC: arrived}, known or {})[TOPIC]


def wrong(store: CandleStore, rows: Sequence[Row], topic: str = TOPIC) -> list[str]:
    """How the collection differs from a batch computation over `rows`."""
    return differences(list(database(store.uri, store.name)[topic].find()), documents(rows))


def batches(rng: random.Random, arrived: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    while arrived:
        size = rng.choice((1, 7, 30))
        yield arrived[:size]
        arrived = arrived[size:]


class Death(BaseException):
    """Of the process."""


def dying(monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> list[int]:
    """Let the process die before or after its write number `at`; what it returns counts the writes."""
    real = Collection.bulk_write
    seen: list[int] = []

    def bulk_write(self: Any, *given: Any, **more: Any) -> Any:
        seen.append(len(seen))
        if len(seen) - 1 != at:
            return real(self, *given, **more)
        if after:
            real(self, *given, **more)
        raise Death

    monkeypatch.setattr(Collection, "bulk_write", bulk_write)
    return seen


def test_batches_in_any_order_end_as_one_computation_over_all(store: CandleStore) -> None:
    rng = random.Random(1)
    rows = history(rng, 150)
    known: dict[str, int] = {}
    for batch in batches(rng, sent(shuffled(rng, rows, 10))):
        outcome = take(store, batch, known)
        assert outcome.letters == []
        known = {TOPIC: outcome.version}
    assert wrong(store, rows) == []


def test_many_symbols_do_not_touch_one_another(store: CandleStore) -> None:
    rows = {f"s{number}": history(random.Random(number), 30) for number in range(300)}
    for part in (slice(0, 10), slice(10, 30)):
        found = store.take({topic: sent(some[part], part.start) for topic, some in rows.items()}, {})
        assert len(found) == 300
    assert [text for topic in ("s0", "s150", "s299") for text in wrong(store, rows[topic], topic)] == []


@pytest.mark.parametrize("after", [False, True])
def test_death_at_any_write_changes_nothing(store: CandleStore, monkeypatch: pytest.MonkeyPatch, after: bool) -> None:
    """A batch with late, repeated and corrected candles, and one too late, comes again, or all does."""
    rng = random.Random(2)
    rows = history(rng, 80)
    right = [*rows[:70], changed(rng, rows[70]), *rows[71:]]
    too_late = changed(rng, rows[3])
    first = sent(rows[:60])
    last = sent([*rows[60:68], *rows[69:74], rows[68], right[70], rows[69], too_late, *rows[74:]], 60)
    late = [Letter(0, place.offset, "late") for place in last if place.candle == candle(too_late)]
    for at in itertools.count():
        own = replace(store, name=f"{store.name}_{at}")
        driver = started(own)
        take(driver, first)
        with monkeypatch.context() as patched:
            seen = dying(patched, at, after=after)
            with suppress(Death):
                take(driver, last)
        again = started(driver)
        assert take(again, last).letters == late
        assert wrong(again, right) == []
        assert take(started(again), [*first, *last]).letters == late
        assert wrong(again, right) == []
        for name in (own.name, f"{own.name}_state"):
            database(own.uri, name).client.drop_database(name)
        if len(seen) <= at:
            break
    assert at >= 2


def test_records_that_come_again_without_a_checkpoint_change_nothing(store: CandleStore) -> None:
    rng = random.Random(3)
    rows = history(rng, 100)
    right = [*rows[:40], changed(rng, rows[40]), *rows[41:]]
    all_sent = sent([*rows[:45], right[40], *rows[45:]])
    take(store, all_sent)
    again = started(store)
    for batch in batches(rng, all_sent):
        outcome = take(again, batch)
        assert (outcome.letters, outcome.added, outcome.corrected) == ([], 0, 0)
    assert wrong(store, right) == []


def test_a_driver_that_was_overtaken_ends_and_overwrites_nothing(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has computed its documents when the second takes over, applies them and a correction of them."""
    rng = random.Random(4)
    rows = history(rng, 40)
    right = [*rows[:35], changed(rng, rows[35]), *rows[36:]]
    take(store, sent(rows[:30]))
    real = Collection.bulk_write
    second: list[CandleStore] = []

    def bulk_write(self: Any, *given: Any, **more: Any) -> Any:
        if not second:
            second.append(replace(store, epoch=store.states.next_epoch()))
            candle_store._memory.clear()
            take(second[0], sent(rows[30:40], 30))
            take(second[0], sent([right[35]], 40))
        return real(self, *given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Collection, "bulk_write", bulk_write)
        with pytest.raises(Fatal, match="another process runs as candles"):
            take(store, sent(rows[30:40], 30))
    assert wrong(store, right) == []
    with pytest.raises(Fatal, match="another process runs as candles"):
        take(store, sent(rows[30:40], 30))
    assert take(second[0], []).letters == []


def test_a_state_in_memory_counts_only_where_the_driver_knows_its_version(store: CandleStore) -> None:
    rows = history(random.Random(5), 60)
    version = take(store, sent(rows[:20])).version
    remembered = dict(candle_store._memory)
    take(store, sent(rows[20:40], 20), {TOPIC: version})
    candle_store._memory.update(remembered)
    assert take(store, sent(rows[40:], 40), {TOPIC: version + 1}).letters == []
    assert wrong(store, rows) == []


def test_a_topic_of_several_partitions_takes_each_record_once(store: CandleStore) -> None:
    rows = history(random.Random(6), 60)
    one, two = sent(rows[::2], 0, 0), sent(rows[1::2], 0, 7)
    mixed = [arrival for pair in zip(one, two, strict=True) for arrival in pair]
    for first in range(0, 60, 12):
        take(store, mixed[first : first + 12])
    assert wrong(store, rows) == []
    assert take(started(store), [*two, *one]).letters == []
    assert wrong(store, rows) == []


def test_a_topic_made_anew_begins_at_its_first_offset(store: CandleStore) -> None:
    rows = history(random.Random(7), 60)
    take(replace(store, identities={TOPIC: "one"}), sent(rows[:40]))
    again = replace(started(store), identities={TOPIC: "two"})
    assert take(again, sent(rows[30:])).added == 20
    assert wrong(store, rows) == []
    assert take(again, sent(rows[30:])).added == 0


def test_a_candle_older_than_all_that_is_kept_is_late_unless_it_is_there_as_it_says(store: CandleStore) -> None:
    rng = random.Random(8)
    rows = history(rng, 90)
    take(store, sent(rows))
    unknown = {**rows[0], "at": rows[0]["at"].replace(hour=2)}
    outcome = take(store, sent([rows[5], changed(rng, rows[6]), unknown, rows[85]], 90))
    assert [letter[1:3] for letter in outcome.letters] == [(91, "late"), (92, "late")]
    assert wrong(store, rows) == []


def test_other_periods_and_another_lateness_compute_all_documents_anew(store: CandleStore) -> None:
    rng = random.Random(9)
    rows = history(rng, 130)
    take(replace(store, plan=Plan((5,), 3, 9, ())), sent(rows[:100]))
    found = database(store.uri, store.name)[TOPIC].find_one()
    assert found is not None
    assert {name for name in found if name.startswith(("ema", "rsi"))} == {"ema_5"}
    other = replace(started(store), lateness=25)
    right = [*rows[:101], *rows[102:], rows[101]]
    assert take(other, sent([*rows[100:101], *rows[102:127], rows[101]], 100)).letters == []
    take(other, sent(rows[127:], 127))
    assert wrong(store, sorted(right, key=lambda row: row["at"])) == []


def test_other_formulas_compute_all_documents_anew(store: CandleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = history(random.Random(12), 60)
    take(store, sent(rows[:50]))
    database(store.uri, store.name)[TOPIC].update_many({}, {"$set": {"ema_12": 0.0}})
    monkeypatch.setattr("market.indicators.FORMULAS", 2)
    take(started(store), sent(rows[50:], 50))
    assert wrong(store, rows) == []


def test_what_the_collection_held_before_the_first_start_is_history(store: CandleStore) -> None:
    rows = [{**row, "volume": int(row["volume"])} for row in history(random.Random(10), 80)]
    old = [{"_id": row["at"], **{name: row[name] for name in (*PRICES, "volume")}, "ema_12": 1.0} for row in rows[:50]]
    database(store.uri, store.name)[TOPIC].insert_many(old)
    take(store, sent(rows[50:]))
    assert wrong(store, rows) == []


def test_a_document_that_the_database_refuses_is_a_letter_and_its_neighbours_go_through(store: CandleStore) -> None:
    rows = [{**row, "high": row["high"] + place} for place, row in enumerate(history(random.Random(11), 62))]
    there = rows[20]["high"]
    take(store, sent(rows[:40]))
    database(store.uri, store.name)[TOPIC].create_index("high", unique=True)
    arriving = sent([*rows[40:45], {**rows[45], "high": there}, *rows[46:60]], 40)
    outcome = take(store, arriving)
    assert outcome.letters == [Letter(0, 45, "refused", "DuplicateKey")]
    assert wrong(store, [*rows[:45], *rows[46:60]]) == []
    assert take(started(store), arriving).letters == outcome.letters
    alone = take(started(store), sent([{**rows[60], "high": there}], 60))
    assert alone.letters == [Letter(0, 60, "refused", "DuplicateKey")]
    assert take(started(store), sent(rows[61:], 61)).letters == []
    assert wrong(store, [*rows[:45], *rows[46:60], rows[61]]) == []


def test_where_nothing_of_a_symbol_goes_through_no_candle_is_condemned(store: CandleStore) -> None:
    rows = history(random.Random(12), 10)
    collection = database(store.uri, store.name)[TOPIC]
    collection.create_index("refusal", unique=True)
    collection.insert_one({"_id": "a stranger"})
    with pytest.raises(Halted, match="refuses documents of aapl"):
        take(store, sent(rows))
    collection.drop_index("refusal_1")
    assert take(store, sent(rows)).letters == []
    collection.delete_one({"_id": "a stranger"})
    assert wrong(store, rows) == []


def test_a_full_or_absent_database_is_waited_for_and_nothing_is_lost(tmp_path: Path) -> None:
    rows = history(random.Random(13), 60)
    with mongo_server.database(tmp_path / "mongo", durable=True) as private:
        store = started(CandleStore(private.uri, "market", NEW_YORK, Plan(), 10))
        take(store, sent(rows[:20]))
        private.refuse_writes()
        with pytest.raises(Halted, match="OutOfDiskSpace"):
            take(store, sent(rows[20:40], 20))
        private.take_writes()
        assert take(store, sent(rows[20:40], 20)).letters == []
        private.stop()
        with pytest.raises(Transient, match="MongoDB, looking for other drivers") as away:
            take(store, sent(rows[40:], 40))
        assert away.value.waits_for == "MongoDB"
        private.start()
        assert take(store, sent(rows[40:], 40)).letters == []
        assert wrong(store, rows) == []


def test_what_a_task_raises_reaches_the_driver_as_it_is(store: CandleStore) -> None:
    started(store)
    with pytest.raises(Fatal) as overtaken:
        take(store, sent(history(random.Random(14), 1)))
    assert str(pickle.loads(pickle.dumps(overtaken.value))) == str(overtaken.value)
