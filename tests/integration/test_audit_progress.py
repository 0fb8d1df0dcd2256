"""An audit that is interrupted goes on from where it was, finds what it would have found, and costs what came since."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from pipeline.dstream.monitoring.last_audit import last_audit
from pipeline.dstream.monitoring.polled_metrics import Audited
from pipeline.kinesis.reader import KinesisReader
from pipeline.leases.lease import Lease
from pipeline.messages.records import Extent, Range
from pipeline.operations import shard_pages
from pipeline.operations.audit import marks as audit_marks
from pipeline.operations.audit import messages as audit
from pipeline.operations.audit import progress as audit_progress
from pipeline.operations.letters.redrive import apply_records
from pipeline.runtime.errors import Halted
from tests.contract.streams import TestStream
from tests.integration.messages import quote, transfer
from tests.integration.operated import OWNER, Operated
from tests.integration.test_audit import ALL, NOBODY, RICH, SHOP, TAMPERED, found
from tests.integration.test_audit import bank as bank
from tests.integration.test_operations_redrive import account, data
from tests.schema import Schema

KEYS = ("1", "2")
"""Of these partition keys each leads to a shard of its own."""
UNDER_WAY = "SELECT COUNT(*) FROM audits WHERE counts LIKE '%under_way%'"


@pytest.fixture(autouse=True)
def _noted_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pages without a pace, progress after each, and rows that count as settled at once."""
    monkeypatch.setattr(audit, "RECORDS", 2)
    monkeypatch.setattr(shard_pages, "PAGE_EVERY", 0.0)
    monkeypatch.setattr(audit_progress, "NOTE_EVERY", 0.0)
    monkeypatch.setattr(audit_marks, "SETTLED_AFTER", timedelta(0))


class Interrupted(Halted):
    """As a pod that is evicted: at the read with this number."""


def interrupted(bank: Operated, at: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether an audit was ended so."""
    numbers, read = itertools.count(1), KinesisReader.read

    def reading(self: KinesisReader, wanted: Range) -> Extent:
        if next(numbers) == at:
            raise Interrupted("evicted")
        return read(self, wanted)

    with monkeypatch.context() as patched:
        patched.setattr(KinesisReader, "read", reading)
        return "evicted" in bank.run("audit", *ALL, "--json").output


def verdict(bank: Operated) -> Audited | None:
    """As the metrics have it."""
    with closing(bank.bench.database.connect()) as connection:
        return last_audit(connection)


def forget(bank: Operated) -> None:
    bank.schema.execute("DELETE FROM audits WHERE counts LIKE '%under_way%'")


def test_an_interrupted_audit_goes_on_and_claims_no_verdict(bank: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    before = verdict(bank)
    assert interrupted(bank, 4, monkeypatch)
    assert verdict(bank) == before, "it has not ended"
    told = bank.json("audit", *ALL)
    assert told["findings"] == {}
    assert 0 < told["counts"]["messages"] < 10
    assert told["counts"]["balances"] == 3, "money is held against the last audit that ended"
    assert verdict(bank) != before
    assert bank.json("audit", *ALL)["counts"]["messages"] == 0


@pytest.mark.parametrize("what", TAMPERED)
def test_wherever_it_is_interrupted_it_finds_the_same(
    bank: Operated, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement, expected = TAMPERED[what]
    bank.schema.execute(statement)
    for at in itertools.count(2):
        forget(bank)
        ended = not interrupted(bank, at, monkeypatch)
        assert found(bank, *ALL) == expected, f"interrupted at read {at}"
        if ended:
            break
    assert at > 4


def test_a_finding_of_the_last_audit_stands_while_the_next_is_under_way(
    bank: Operated, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.schema.execute("UPDATE accounts SET balance = 5 WHERE id = 1")
    assert found(bank, *ALL) == {"balance_differs": 1}
    before = verdict(bank)
    assert before is not None and before.findings == 1
    bank.stream.put(*[data(quote()) for _ in range(6)])
    bank.consume()
    noted = bank.schema.query(UNDER_WAY)[0][0]
    assert interrupted(bank, 3, monkeypatch)
    assert bank.schema.query(UNDER_WAY)[0][0] > noted
    assert verdict(bank) == before
    assert found(bank, *ALL) == {"balance_differs": 1}


def test_a_redrive_accounts_for_no_more_rows_because_of_an_interruption(
    bank: Operated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row is its, of a message that was audited before; a second one of that moment is not."""
    bank.json("audit", *ALL)
    bank.stream.put(*[data(quote()) for _ in range(4)])
    bank.consume()
    account(bank, NOBODY, "0.00")
    assert bank.json("redrive", "--reason", "no_account")["applied"] == 1
    bank.schema.execute(
        "INSERT INTO transactions (origin_account, destination_account, memo, transfer_value, time_stamp, status,"
        " event_id, applied_at) SELECT origin_account, destination_account, memo, 0, time_stamp, -4,"
        " REPEAT('x', 16), applied_at FROM transactions ORDER BY id DESC LIMIT 1"
    )
    bank.stream.put(*[data(transfer(RICH, SHOP, number)) for number in range(1, 5)])
    bank.consume()
    for at in range(2, 6):
        forget(bank)
        assert interrupted(bank, at, monkeypatch)
        assert found(bank, *ALL) == {"invented_row": 1}, f"interrupted at read {at}"


def test_an_older_audit_leaves_the_marks_of_a_newer_one(bank: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was started by hand, say, and ended while this one was under way."""
    read = KinesisReader.read
    newer = iter([True])

    def reading(self: KinesisReader, wanted: Range) -> Extent:
        if next(newer, False):
            told.append(bank.json("audit", *ALL))
        return read(self, wanted)

    told: list[Any] = []
    with monkeypatch.context() as patched:
        patched.setattr(KinesisReader, "read", reading)
        assert found(bank, *ALL) == {}
    rows = bank.schema.query("SELECT counts FROM audits WHERE marks IS NOT NULL ORDER BY id")
    last_two = [json.loads(counts) for (counts,) in rows[-2:]]
    assert all("under_way" not in counts for counts in last_two), "it noted progress behind the newer one's marks"


@pytest.fixture
def two_shards(database: Schema, moto: str) -> Iterator[Operated]:
    """One shard was applied long before the other: rows lie the other way round than messages."""
    bank = Operated(database, moto, TestStream(moto, shards=2))
    bank.bench.dead_letters.ensure()
    bank.bench.lease_table.ensure()
    for shard in bank.stream.open():
        bank.bench.lease_table.create(Lease(shard["ShardId"], owner=OWNER, counter=1))
    account(bank, RICH, "1000.00")
    account(bank, SHOP, "0.00")
    bank.json("audit", *ALL)
    put(bank, 12)
    first, second = bank.bench.leases()
    for lease, most in ((second, 8), (first, 4), (second, 100), (first, 100)):
        apply(bank, lease.shard, most)
    yield bank


def put(bank: Operated, messages: int) -> None:
    """So many into each shard."""
    for number in range(messages):
        for key in KEYS:
            bank.stream.put(data(transfer(RICH, SHOP, number + 1) if number % 2 else quote()), key=key)


def apply(bank: Operated, shard: str, most: int) -> None:
    (lease,) = [one for one in bank.bench.leases() if one.shard == shard]
    extent = bank.stream.read(lease.checkpoint, shard=shard, max_records=most)
    apply_records(bank.bench.partition, extent.records, Counter())
    bank.bench.lease_table.checkpoint(lease, extent.through, caught_up_at=0)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DO 1", {}),
        ("DELETE FROM stocks ORDER BY id DESC LIMIT 1", {"no_outcome": 1}),
        ("UPDATE transactions SET memo = 'mine' ORDER BY id LIMIT 1", {"row_differs": 1}),
        (
            "INSERT INTO stocks (ticker, name, price, volume, high, low, timestamp, status, event_id, applied_at)"
            " SELECT ticker, name, price, volume, high, low, timestamp, status, REPEAT('x', 16), applied_at"
            " FROM stocks LIMIT 1",
            {"invented_row": 1},
        ),
    ],
)
def test_shards_that_lag_behind_one_another_lose_nothing(
    two_shards: Operated, statement: str, expected: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    two_shards.schema.execute(statement)
    resumed = Counter[bool]()
    for at in range(2, 13, 2):
        forget(two_shards)
        assert interrupted(two_shards, at, monkeypatch)
        resumed[two_shards.schema.query(UNDER_WAY)[0][0] > 0] += 1
        if expected:
            assert found(two_shards, *ALL) == expected, f"interrupted at read {at}"
    assert resumed[True], "no progress was noted at all"
    told = two_shards.json("audit", *ALL, code=int(bool(expected)))
    assert told["findings"] == expected
