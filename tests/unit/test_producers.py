from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from pipeline.kinesis.aggregation import hash_key, unpack
from producers.bank import COLUMNS, BankShape, fill, make
from producers.kinesis import PutError, put
from producers.traffic import PARTITION_KEY, Traffic
from tests.model.bank import Bank
from tests.model.rules import expected

NOON = datetime(2026, 1, 1, 12)
SHAPE = BankShape(1_000)
HALF = 2**127


def take(count: int, seed: int = 1, shape: BankShape = SHAPE, **options: Any) -> list[tuple[str, bytes]]:
    return list(islice(Traffic(seed, shape, **{"now": NOON, **options}), count))


def model_bank(shape: BankShape, seed: int) -> Bank:
    rows, bank = make(shape, seed)._asdict(), Bank()
    for table, columns in COLUMNS.items():
        names = columns.split(", ")
        key = "card_num" if table == "cards" else "id"
        getattr(bank, table).update({row[names.index(key)]: dict(zip(names, row, strict=True)) for row in rows[table]})
    return bank


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert take(500, ids=0.3) == take(500, ids=0.3)
    assert take(500) != take(500, seed=2)
    assert make(SHAPE, 1) == make(SHAPE, 1) != make(SHAPE, 2)


def test_the_bank_of_a_traffic_is_that_of_its_seed_unless_another_is_given() -> None:
    cards = {row[1] for row in make(SHAPE, 7).cards}
    sent = [json.loads(data) for _, data in take(50, seed=7, mix={"card_transaction": 1}, odd=0)]
    assert {fields["card_num"] for fields in sent} <= cards
    assert take(50, seed=7, bank_seed=7) == take(50, seed=7) != take(50, seed=7, bank_seed=8)


def test_every_status_and_every_kind_of_letter_happens_in_the_model() -> None:
    bank, seen = model_bank(SHAPE, 1), Counter[tuple[str, object]]()
    money = bank.money
    for _, data in take(15_000):
        outcome = expected(data, NOON.replace(tzinfo=UTC), bank)
        seen[outcome.table or outcome.kind, outcome.status or outcome.reason] += 1
    wanted = {
        "transactions": (1, -1, -2, -4),
        "card_transactions": (1, -1, -2, -3, -4, -7, -8),
        "loan_payments": (1, -1, -2, -4, -5, -6),
        "stocks": (1, -2),
        "skipped": ("",),
        "letter": ("not_json", "type", "illegal_null", "field memo", "location", "time time_stamp"),
    }
    missing = [(table, what) for table, all_of_it in wanted.items() for what in all_of_it if not seen[table, what]]
    assert not missing
    assert seen["transactions", 1] > 15_000 * 0.4 / 2, "most transfers are fine"
    assert bank.money == money


def test_money_is_a_float_of_many_decimals_and_missing_numbers_are_bare_nan() -> None:
    text = b"\n".join(data for _, data in take(2_000))
    assert b'"market_cap": NaN' in text
    assert b'"\\\\N"' in text
    fields = [json.loads(data, parse_float=str) for _, data in take(200, odd=0, mix={"transaction": 1})]
    decimals = [len(field["transfer_value"].partition(".")[2]) for field in fields]
    assert sum(count > 4 for count in decimals) > 190


def test_time_stamps_are_around_now_and_some_are_late() -> None:
    stamps = [json.loads(data)["time_stamp"] for _, data in take(1_000, odd=0, mix={"transaction": 1})]
    near = [stamp for stamp in stamps if stamp.startswith(("2026-01-01 11:59:58", "2026-01-01 11:59:59"))]
    assert 0.8 < len(near) / len(stamps) < 0.95
    assert min(stamps) < "2025-12-25"


def test_without_a_given_now_the_clock_counts() -> None:
    stamps = [json.loads(data)["time_stamp"] for _, data in take(20, now=None, odd=0, mix={"transaction": 1})]
    assert max(stamps) > str(datetime.now(UTC).replace(hour=0, minute=0, second=0, tzinfo=None).date())


def test_the_mix_decides_how_often_a_type_comes() -> None:
    sent = [json.loads(data)["type"] for _, data in take(2_000, odd=0, mix={"stock": 1, "transaction": 3})]
    assert 0.70 < sent.count("transaction") / len(sent) < 0.80
    assert set(sent) == {"stock", "transaction"}


@pytest.mark.parametrize("mix", [{"mortgage": 1.0}, {"stock": 0.0}, {}])
def test_a_mix_of_nothing_known_is_refused(mix: Mapping[str, float]) -> None:
    with pytest.raises(ValueError, match="a mix is made of transaction"):
        Traffic(1, SHAPE, mix=mix)


def test_ids_come_on_a_share_and_some_messages_are_sent_again_as_they_were() -> None:
    ids = Counter[object]()
    first: dict[object, bytes] = {}
    for _, data in take(5_000, odd=0, ids=0.5):
        fields = json.loads(data)
        if "id" in fields:
            ids[fields["id"]] += 1
            assert first.setdefault(fields["id"], data) == data
    assert 0.45 < ids.total() / 5_000 < 0.55
    assert 20 < ids.total() - len(ids) < 80
    assert {type(key) for key in ids} == {int, str}


def test_a_hot_merchant_takes_its_share() -> None:
    sent = [json.loads(data) for _, data in take(1_000, odd=0, hot=0.5, mix={"card_transaction": 1})]
    assert 0.45 < sum(fields["merchant_account_id"] == 1 for fields in sent) / len(sent) < 0.60


def test_the_partition_key_is_constant_or_that_of_the_ordering() -> None:
    assert {key for key, _ in take(200)} == {PARTITION_KEY}
    for key, data in take(200, odd=0, partition_key="account", mix={"transaction": 1}):
        assert key == str(json.loads(data)["origin_accounts_id"])


def test_what_is_odd_about_a_card_leaves_its_payments_with_one_partition_key() -> None:
    for key, data in take(2_000, odd=0.5, partition_key="account", mix={"card_transaction": 1}):
        if data.startswith(b'{"type": "card_transaction"'):
            assert key == str(json.loads(data)["card_num"])


def test_a_bank_has_unique_keys_and_existing_references() -> None:
    rows = make(SHAPE, 3)
    accounts, users = {row[0] for row in rows.accounts}, {row[0] for row in rows.users}
    assert len(accounts) == len(rows.accounts) == SHAPE.accounts
    assert len({row[0] for row in rows.cards}) == len({row[1] for row in rows.cards}) == len(rows.cards)
    assert {row[0] for row in rows.cards} <= accounts
    assert {row[1] for row in rows.accounts} | {row[1] for row in rows.loans} <= users


@pytest.mark.parametrize("accounts", [10, 11, 50])
def test_a_small_bank_has_some_of_everything_and_its_traffic_runs(accounts: int) -> None:
    shape = BankShape(accounts)
    assert all(make(shape, 1))
    assert len(take(500, shape=shape)) == 500


def test_a_bank_below_ten_accounts_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        BankShape(9)


class Kinesis:
    """PutRecords as Kinesis answers it: two shards, and `refuse` says which of the records of a call are refused."""

    def __init__(self, refuse: Callable[[int, int], bool] = lambda call, index: False) -> None:
        self.calls: list[list[dict[str, Any]]] = []
        self.taken: list[bytes] = []
        self._refuse = refuse

    def put_records(self, **arguments: Any) -> dict[str, Any]:
        self.calls.append(arguments["Records"])
        return {"Records": [self._answer(index, record) for index, record in enumerate(arguments["Records"])]}

    def _answer(self, index: int, record: dict[str, Any]) -> dict[str, str]:
        if self._refuse(len(self.calls), index):
            return {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"}
        self.taken.append(record["Data"])
        place = int(record.get("ExplicitHashKey") or hash_key(record["PartitionKey"].encode()))
        return {"ShardId": f"shard-{place // HALF}", "SequenceNumber": str(len(self.taken))}

    def get_paginator(self, name: str) -> Kinesis:
        return self

    def paginate(self, **arguments: Any) -> list[dict[str, Any]]:
        ranges = [(0, 2 * HALF - 1), (0, HALF - 1), (HALF, 2 * HALF - 1)]
        keys = [{"StartingHashKey": str(first), "EndingHashKey": str(last)} for first, last in ranges]
        closed = {"HashKeyRange": keys[0], "SequenceNumberRange": {"EndingSequenceNumber": "9"}}
        return [{"Shards": [closed, *({"HashKeyRange": key, "SequenceNumberRange": {}} for key in keys[1:])]}]


def client(kinesis: Kinesis) -> Any:
    return kinesis


def test_what_is_refused_is_put_again_and_nothing_else_before_the_next_batch() -> None:
    kinesis = Kinesis(lambda call, index: call == 1 and index in (3, 7))
    messages = [("k", str(number).encode()) for number in range(600)]
    progress: list[int] = []
    sent = put(client(kinesis), "s", messages, on_progress=progress.append)
    order = [number for number in range(500) if number not in (3, 7)] + [3, 7, *range(500, 600)]
    assert [int(data) for data in kinesis.taken] == order
    assert [record.data for record in sent.records] == kinesis.taken
    assert (sent.retried, sent.calls, progress) == (2, 3, [498, 2, 100])


def test_a_stream_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.kinesis.PATIENCE", 0.01)
    with pytest.raises(PutError, match="ProvisionedThroughputExceededException"):
        put(client(Kinesis(lambda call, index: True)), "s", [("k", b"x")])


def test_a_call_stays_within_the_limits_of_putrecords() -> None:
    kinesis = Kinesis()
    put(client(kinesis), "s", [("key", bytes(900_000))] * 12 + [("key", b"x")] * 1_200)
    assert len(kinesis.taken) == 1_212
    for call in kinesis.calls:
        assert len(call) <= 500
        assert sum(len(record["Data"]) + len(record["PartitionKey"]) for record in call) <= 5 * 1024 * 1024


def test_aggregates_hold_the_messages_of_one_open_shard_in_order() -> None:
    kinesis = Kinesis()
    messages = [(f"account {number % 17}", b"%d" % number) for number in range(3_000)]
    sent = put(client(kinesis), "s", messages, aggregate=True)
    by_shard: dict[str, list[bytes]] = {"shard-0": [], "shard-1": []}
    for record in (record for call in kinesis.calls for record in call):
        place = int(record["ExplicitHashKey"])
        parts = unpack(record["Data"], (place, place + HALF - 1))
        assert parts is not None
        assert all(part.flaw is None for part in parts)
        by_shard[f"shard-{place // HALF}"] += [part.data for part in parts]
    assert sorted(int(data) for part in by_shard.values() for data in part) == list(range(3_000))
    assert all(part == sorted(part, key=int) and part for part in by_shard.values())
    assert [r.data for r in sent.records if r.shard == "shard-0"] == by_shard["shard-0"]
    assert max(record.sub_sequence for record in sent.records) > 100


def test_an_aggregate_of_one_message_is_a_plain_record() -> None:
    kinesis = Kinesis()
    put(client(kinesis), "s", [("k", b"alone")], aggregate=True)
    assert kinesis.taken == [b"alone"]


class Connection:
    """Takes down what is inserted."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, list[object]]] = []
        self.commits = 0

    def cursor(self) -> Connection:
        return self

    def execute(self, statement: str, parameters: list[object]) -> None:
        self.statements.append((statement, parameters))

    def close(self) -> None: ...

    def commit(self) -> None:
        self.commits += 1


def test_a_bank_is_filled_in_few_statements_and_one_commit() -> None:
    connection, shape = Connection(), BankShape(5_000)
    rows = fill(connection, shape, 1)
    cells = sum(len(parameters) for _, parameters in connection.statements)
    assert cells == sum(len(row) for part in rows for row in part)
    assert all(statement.count("%s") == len(parameters) for statement, parameters in connection.statements)
    assert len(connection.statements) < 15
    assert connection.commits == 1
    assert asdict(shape)["accounts"] == len(rows.accounts)
