from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.leases.lease import Lease
from pipeline.leases.table import LeaseTable
from pipeline.messages.records import END, START, Position
from pipeline.runtime.errors import Fatal, Halted, LeaseLost, Transient
from tests.contract.leasing import TestTable
from tests.contract.misbehaving import misbehaving

SHARD = "shardId-000000000000"
SEQUENCE = "49590338271490256608559692538361571095921575989136588898"


@pytest.fixture
def leases(moto: str) -> TestTable:
    return TestTable(moto)


def only(leases: TestTable) -> Lease:
    [lease] = leases.table.scan()
    return lease


WRITES: dict[str, Callable[[LeaseTable, Lease], object]] = {
    "take": lambda table, lease: table.take(lease, "me"),
    "renew": lambda table, lease: table.renew(lease, caught_up_at=5),
    "checkpoint": lambda table, lease: table.checkpoint(lease, Position(9, 1)),
    "release": lambda table, lease: table.release(lease),
    "delete": lambda table, lease: table.delete(lease),
}


def test_rows_that_kcl_wrote_are_understood(leases: TestTable) -> None:
    leases.put(
        "shardId-000000000003",
        leaseOwner={"S": "worker-1"},
        checkpoint={"S": SEQUENCE},
        checkpointSubSequenceNumber={"N": "11"},
        parentShardId={"SS": ["shardId-000000000001", "shardId-000000000000"]},
        startingHashKey={"S": "0"},
        endingHashKey={"S": "340282366920938463463374607431768211455"},
        throughputKBps={"N": "1.0E-5"},
        entityType={"S": "LEASE"},
    )
    leases.put("shardId-000000000004", checkpoint={"S": "SHARD_END"}, leaseCounter={"N": "1E+1"})
    leases.put("shardId-000000000005", checkpoint={"S": "LATEST"})
    first, ended, latest = leases.table.scan()
    assert first == Lease(
        "shardId-000000000003",
        "worker-1",
        7,
        3,
        Position(int(SEQUENCE), 11),
        parents=("shardId-000000000000", "shardId-000000000001"),
        hash_range=(0, 2**128 - 1),
    )
    assert (ended.checkpoint, ended.counter) == (END, 10)
    assert (latest.checkpoint, latest.beginning, latest.started_at, latest.owner) == (START, "LATEST", None, None)


def test_rows_of_another_kind_are_no_leases(leases: TestTable) -> None:
    leases.put("Leader", entityType={"S": "LEADER"})
    leases.client.put_item(
        TableName=leases.table.name, Item={"leaseKey": {"S": "w"}, "entityType": {"S": "WORKER_METRIC_STATS"}}
    )
    assert leases.table.scan() == []
    assert leases.table.get("Leader") is None


def test_a_new_row_is_one_that_kcl_would_write(leases: TestTable) -> None:
    made = Lease(SHARD, "me", 1, parents=("p",), hash_range=(0, 9))
    leases.table.create(made)
    assert leases.row(SHARD) == {
        "leaseKey": {"S": SHARD},
        "leaseOwner": {"S": "me"},
        "leaseCounter": {"N": "1"},
        "ownerSwitchesSinceCheckpoint": {"N": "0"},
        "checkpoint": {"S": "TRIM_HORIZON"},
        "checkpointSubSequenceNumber": {"N": "0"},
        "parentShardId": {"SS": ["p"]},
        "startingHashKey": {"S": "0"},
        "endingHashKey": {"S": "9"},
    }


def test_a_row_that_exists_is_never_replaced(leases: TestTable) -> None:
    leases.put(SHARD, checkpoint={"S": SEQUENCE})
    there = leases.table.create(Lease(SHARD, "me", 1))
    assert there.checkpoint == Position(int(SEQUENCE))
    assert leases.row(SHARD)["checkpoint"] == {"S": SEQUENCE}


def test_a_checkpoint_resets_what_it_makes_untrue_and_keeps_what_is_unknown(leases: TestTable) -> None:
    pending: dict[str, dict[str, Any]] = {"pendingCheckpoint": {"S": SEQUENCE}, "pendingCheckpointState": {"B": b"x"}}
    leases.put(SHARD, leaseOwner={"S": "me"}, throughputKBps={"N": "1.5"}, **pending)
    leases.table.checkpoint(only(leases), Position(int(SEQUENCE), 4), caught_up_at=1234)
    row = leases.row(SHARD)
    assert row["checkpoint"] == {"S": SEQUENCE}
    assert row["checkpointSubSequenceNumber"] == {"N": "4"}
    assert (row["leaseCounter"], row["ownerSwitchesSinceCheckpoint"]) == ({"N": "8"}, {"N": "0"})
    assert (row["throughputKBps"], row["caughtUpAt"]) == ({"N": "1.5"}, {"N": "1234"})
    assert not row.keys() & pending.keys()


def test_the_end_of_a_shard_is_shard_end(leases: TestTable) -> None:
    leases.put(SHARD, leaseOwner={"S": "me"}, checkpoint={"S": SEQUENCE}, checkpointSubSequenceNumber={"N": "4"})
    leases.table.checkpoint(only(leases), END)
    row = leases.row(SHARD)
    assert (row["checkpoint"], row["checkpointSubSequenceNumber"]) == ({"S": "SHARD_END"}, {"N": "0"})


@pytest.mark.parametrize("position", [START, Position(int(SEQUENCE) - 1, 99), Position(int(SEQUENCE), 4)])
def test_a_checkpoint_never_goes_back(leases: TestTable, position: Position) -> None:
    leases.put(SHARD, checkpoint={"S": SEQUENCE}, checkpointSubSequenceNumber={"N": "4"})
    leases.table.checkpoint(only(leases), position)
    assert only(leases).checkpoint == Position(int(SEQUENCE), 4)
    assert only(leases).counter == 8


def test_taking_from_another_owner_counts_a_switch_and_taking_a_free_lease_does_not(leases: TestTable) -> None:
    leases.put("a", leaseOwner={"S": "them"}, checkpointOwner={"S": "they"})
    leases.put("b")
    taken = [leases.table.take(lease, "me") for lease in leases.table.scan()]
    assert [(lease.owner, lease.counter, lease.switches) for lease in taken] == [("me", 8, 4), ("me", 8, 3)]
    assert leases.table.scan() == taken
    assert "checkpointOwner" not in leases.row("a")


def test_a_released_lease_has_no_owner(leases: TestTable) -> None:
    leases.put(SHARD, leaseOwner={"S": "me"})
    leases.table.release(only(leases))
    assert "leaseOwner" not in leases.row(SHARD)
    assert only(leases).counter == 8


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("owner", ["them", None])
def test_a_write_on_a_row_that_moved_is_refused(leases: TestTable, write: str, owner: str | None) -> None:
    leases.put(SHARD, **({"leaseOwner": {"S": owner}} if owner else {}))
    read = only(leases)
    leases.foreign_beat(SHARD, "others")
    before = leases.row(SHARD)
    with pytest.raises(LeaseLost, match=SHARD):
        WRITES[write](leases.table, read)
    assert leases.row(SHARD) == before


@pytest.mark.parametrize("write", WRITES)
def test_a_write_on_a_row_with_our_counter_and_another_owner_is_refused(leases: TestTable, write: str) -> None:
    leases.put(SHARD, leaseOwner={"S": "them"})
    with pytest.raises(LeaseLost):
        WRITES[write](leases.table, Lease(SHARD, "me", 7))


@pytest.mark.parametrize("write", WRITES)
def test_a_write_repeated_after_it_had_succeeded_was_ours(leases: TestTable, write: str) -> None:
    leases.put(SHARD, leaseOwner={"S": "me"})
    leases.repeat_next("UpdateItem")
    leases.repeat_next("DeleteItem")
    written = WRITES[write](leases.table, only(leases))
    assert leases.table.scan() == ([] if written is None else [written])
    assert written is None or only(leases).counter == 8


def test_a_creation_repeated_after_it_had_succeeded_was_ours(leases: TestTable) -> None:
    leases.repeat_next("PutItem")
    assert leases.table.create(Lease(SHARD, "me", 1)) == Lease(SHARD, "me", 1)


def test_a_write_after_one_of_ours_without_an_answer_returns_what_is_there(leases: TestTable) -> None:
    leases.put(SHARD, leaseOwner={"S": "me"})
    read = only(leases)
    leases.lose_next_answer("UpdateItem")
    with pytest.raises(Transient):
        leases.table.renew(read)
    there = leases.table.checkpoint(read, Position(9))
    assert (there.counter, there.checkpoint) == (8, START)
    assert leases.table.checkpoint(there, Position(9)).checkpoint == only(leases).checkpoint == Position(9)


def test_accepting_a_loss_disturbs_no_holder(leases: TestTable) -> None:
    leases.put(SHARD, leaseOwner={"S": "me"})
    held = only(leases)
    assert leases.table.accept_loss(SHARD, 1234)
    leases.table.renew(held)
    assert only(leases).loss_accepted_at == 1234
    assert not leases.table.accept_loss("shardId-000000000009", 1234)
    assert only(leases).shard == SHARD


def test_a_scan_reads_every_page(leases: TestTable) -> None:
    for number in range(5):
        leases.put(f"shard-{number}", notes={"S": "x" * 300_000})
    assert len(leases.table.scan()) == 5


def test_a_table_that_exists_is_used(leases: TestTable) -> None:
    leases.put(SHARD)
    leases.table.ensure()
    assert only(leases).shard == SHARD


def test_a_table_with_another_key_is_refused(leases: TestTable) -> None:
    name = f"{leases.table.name}-letters"
    leases.client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(Fatal, match="CONSUMER_NAME"):
        LeaseTable(leases.aws, name).ensure()


@pytest.mark.parametrize(
    ("answer", "raised"),
    [("ThrottlingException", Transient), (503, Transient), ("", Transient), ("AccessDeniedException", Halted)],
)
def test_errors_of_dynamodb_have_their_fates(moto: str, answer: Any, raised: type[Exception]) -> None:
    with misbehaving(moto) as proxy:
        leases = TestTable(proxy.url)
        proxy.errors, proxy.lasting = {"Scan": [answer]}, True
        with pytest.raises(raised):
            leases.table.scan()
