from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.leases.held_lease import HeldLease
from pipeline.leases.keeper import LeaseKeeper
from pipeline.leases.lease import Lease
from pipeline.messages.records import END, START, Position
from pipeline.runtime.errors import LeaseLost, Transient
from tests.contract.leasing import Clock, TestTable, eventually
from tests.contract.misbehaving import Message, misbehaving

SHARDS = ["shardId-000000000000", "shardId-000000000001", "shardId-000000000002"]
FIRST, SECOND, THIRD = SHARDS
FAILOVER = 0.875


@pytest.fixture
def leases(moto: str) -> TestTable:
    table = TestTable(moto)
    for shard in SHARDS:
        table.put(shard)
    return table


@contextmanager
def holding(leases: TestTable, owner: str = "me", clock: Clock | None = None) -> Iterator[LeaseKeeper]:
    """A keeper that holds every lease; with a `clock` that stands still nothing is renewed in the background."""
    keeper = LeaseKeeper(leases.table, owner, FAILOVER, clock or time.monotonic)
    assert keeper.acquire(threading.Event())
    try:
        yield keeper
    finally:
        keeper.release()


@contextmanager
def standing_by(keeper: LeaseKeeper) -> Iterator[threading.Thread]:
    """A keeper that tries to acquire in another thread, until the context ends."""
    stop = threading.Event()
    thread = threading.Thread(target=keeper.acquire, args=(stop,))
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join()
        keeper.release()


def owners(leases: TestTable) -> set[str | None]:
    return {lease.owner for lease in leases.table.scan()}


def test_free_leases_are_taken_at_once(leases: TestTable) -> None:
    with holding(leases) as keeper:
        assert owners(leases) == {"me"}
        assert sorted(keeper.leases()) == SHARDS
        keeper.check()


def test_a_foreign_owner_that_beats_is_respected_and_one_that_stopped_is_not(leases: TestTable) -> None:
    keeper = LeaseKeeper(leases.table, "me", FAILOVER)
    leases.foreign_beat(SECOND)
    with standing_by(keeper) as thread:
        began = time.monotonic()
        while time.monotonic() < began + 2 * FAILOVER:
            leases.foreign_beat(SECOND)
            assert owners(leases) == {None, "them"}
        eventually(lambda: owners(leases) == {"me"})
        thread.join()
        assert leases.table.scan()[1].switches == 4


def test_whoever_fails_to_take_one_lease_gives_all_back(moto: str, leases: TestTable) -> None:
    with misbehaving(moto) as proxy:
        ours = TestTable(proxy.url, leases.table.name)
        stop = threading.Event()

        def steal(operation: str, request: Message, forward: object) -> Message:
            if operation == "UpdateItem" and request["Key"]["leaseKey"]["S"] == THIRD and not stop.is_set():
                stop.set()
                leases.foreign_beat(THIRD)
            assert callable(forward)
            answer: Message = forward(request)
            return answer

        proxy.around = steal
        keeper = LeaseKeeper(ours.table, "me", FAILOVER)
        assert not keeper.acquire(stop)
        assert keeper.leases() == {}
        assert [lease.owner for lease in leases.table.scan()] == [None, None, "them"]


def test_a_held_lease_is_renewed_and_its_checkpoint_stays(leases: TestTable) -> None:
    leases.put(FIRST, checkpoint={"S": "41"})
    with holding(leases) as keeper:
        counter = keeper.leases()[FIRST].counter
        eventually(lambda: leases.table.scan()[0].counter > counter + 2)
        assert leases.row(FIRST)["checkpoint"] == {"S": "41"}
        keeper.check()


def test_positions_are_written_in_the_background_and_only_forward(leases: TestTable) -> None:
    with holding(leases) as keeper:
        keeper.advance(FIRST, Position(10, 2), 500)
        keeper.advance(FIRST, Position(9, 7), 400)
        keeper.advance(SECOND, END, 600)
        keeper.advance(SECOND, Position(10), 600)
        eventually(lambda: leases.row(SECOND)["checkpoint"] == {"S": "SHARD_END"})
        eventually(lambda: leases.row(FIRST)["checkpoint"] == {"S": "10"})
        assert leases.row(FIRST)["checkpointSubSequenceNumber"] == {"N": "2"}
        assert leases.row(FIRST)["caughtUpAt"] == {"N": "500"}
        assert leases.table.scan()[2].checkpoint == START


def test_a_lost_lease_is_noticed_and_the_others_are_given_back(leases: TestTable) -> None:
    with holding(leases) as keeper:
        keeper.advance(THIRD, Position(5), 0)
        leases.foreign_beat(FIRST)

        def lost() -> bool:
            try:
                keeper.check()
            except LeaseLost:
                return True
            return False

        eventually(lost)
        keeper.release()
    assert [lease.owner for lease in leases.table.scan()] == ["them", None, None]
    assert leases.table.scan()[2].checkpoint == Position(5)


def test_after_a_pause_the_holder_goes_on_only_if_nobody_took_its_leases(leases: TestTable) -> None:
    clock = Clock()
    with holding(leases, clock=clock) as keeper:
        before = leases.table.scan()
        clock.now += 60
        keeper.check()
        assert all(now.counter > then.counter for now, then in zip(leases.table.scan(), before, strict=True))
        leases.foreign_beat(SECOND)
        clock.now += 60
        with pytest.raises(LeaseLost):
            keeper.check()


def test_a_holder_waits_while_dynamodb_is_away_and_goes_on_when_it_is_back(moto: str, leases: TestTable) -> None:
    clock = Clock()
    with misbehaving(moto) as proxy:
        ours = TestTable(proxy.url, leases.table.name)
        with holding(ours, clock=clock) as keeper:
            proxy.errors, proxy.lasting = {"UpdateItem": [""]}, True
            keeper.check()
            clock.now += FAILOVER
            with pytest.raises(Transient):
                keeper.check()
            proxy.errors = {}
            eventually(lambda: _checks(keeper))


def _checks(keeper: LeaseKeeper) -> bool:
    try:
        keeper.check()
    except Transient:
        return False
    return True


def test_a_renewal_without_an_answer_counts_from_when_it_was_sent(leases: TestTable) -> None:
    clock = Clock()
    held = HeldLease(leases.table, leases.table.scan()[0], clock(), FAILOVER, clock)
    sent = clock.now = 2000.0
    leases.lose_next_answer("UpdateItem")
    with pytest.raises(Transient):
        held.beat()
    clock.now = 2008.0
    held.beat()
    assert held.renewed_at == sent
    held.beat()
    assert held.renewed_at == clock.now


def test_released_leases_are_taken_by_a_standby_at_once_with_the_last_position(leases: TestTable) -> None:
    with holding(leases) as first:
        standby = LeaseKeeper(leases.table, "you", 30.0)
        with standing_by(standby) as thread:
            first.advance(FIRST, Position(77), 0)
            first.release()
            first.release()
            began = time.monotonic()
            thread.join()
            assert time.monotonic() - began < 10
            assert owners(leases) == {"you"}
            assert standby.position(FIRST) == Position(77)


def test_no_thread_outlives_the_holding(leases: TestTable) -> None:
    before = set(threading.enumerate())
    with holding(leases):
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) <= before


def test_a_lease_found_later_is_made_as_our_own(leases: TestTable) -> None:
    with holding(leases) as keeper:
        keeper.hold(Lease("new", counter=1))
        assert leases.row("new")["leaseOwner"] == {"S": "me"}
        leases.put("free")
        keeper.hold(Lease("free", counter=1))
        assert leases.row("free")["leaseOwner"] == {"S": "me"}
        leases.put("theirs", leaseOwner={"S": "them"})
        with pytest.raises(LeaseLost):
            keeper.hold(Lease("theirs", counter=1))


def test_of_two_that_race_never_both_hold(leases: TestTable) -> None:
    keepers = [LeaseKeeper(leases.table, owner, FAILOVER) for owner in ("one", "two")]
    inside: list[str] = []
    overlaps: list[list[str]] = []

    def drive(keeper: LeaseKeeper) -> None:
        for _ in range(3):
            assert keeper.acquire(threading.Event())
            inside.append(keeper.owner)
            for _ in range(10):
                keeper.check()
                if len(inside) > 1:
                    overlaps.append(list(inside))
                time.sleep(0.01)
            inside.remove(keeper.owner)
            keeper.release()

    threads = [threading.Thread(target=drive, args=(keeper,)) for keeper in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == []
    assert owners(leases) == {None}
