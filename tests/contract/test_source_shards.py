"""The source on kinesis-local, which splits and merges as Kinesis does, with its leases in moto."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.kinesis.source import LOOK_EVERY, REMADE, KinesisSource
from pipeline.leases.keeper import LeaseKeeper
from pipeline.messages.records import END, START, Extent, Position, Reached
from pipeline.runtime.errors import Fatal, LeaseLost, Trimmed
from tests.contract.leasing import Clock, TestTable, eventually
from tests.contract.misbehaving import Forward, Message, RefusedError, misbehaving
from tests.contract.streams import FIRST_SHARD, TestStream

SECOND, THIRD, FOURTH = (f"shardId-{number:012}" for number in (1, 2, 3))


class Run:
    """A stream, its lease table, and the drivers started on them."""

    def __init__(self, stream: TestStream, leases: TestTable) -> None:
        self.stream = stream
        self.leases = leases
        self.clock: Callable[[], float] = time.time
        self.sources: list[KinesisSource] = []

    def start(self, initial: str | datetime = "TRIM_HORIZON") -> KinesisSource:
        keeper = LeaseKeeper(self.leases.table, uuid.uuid4().hex)
        source = KinesisSource(self.stream.reader, keeper, initial, 1000, clock=self.clock)
        self.sources.append(source)
        assert source.acquire(threading.Event())
        return source

    def checkpoint(self, shard: str) -> str:
        return str(self.leases.row(shard).get("checkpoint", {}).get("S"))


@pytest.fixture
def run(kinesis_local: str, moto: str) -> Iterator[Run]:
    run = Run(TestStream(kinesis_local), TestTable(moto))
    yield run
    for source in run.sources:
        source.release()


def batch(source: KinesisSource) -> list[Extent]:
    """Plan, read, commit."""
    extents = [source.reader.read(wanted) for wanted in source.plan()]
    source.commit({each.shard: Reached(each.through, each.at_tip, each.behind_ms) for each in extents})
    return extents


def step(source: KinesisSource) -> list[tuple[str, bytes]]:
    """What one batch reads."""
    return [(extent.shard, record.data) for extent in batch(source) for record in extent.records]


def drain(source: KinesisSource) -> list[tuple[str, bytes]]:
    """Batches until everything is caught up with."""
    got = step(source)
    deadline = time.monotonic() + 30
    while not source.caught_up_since_start():
        assert time.monotonic() < deadline
        got += step(source)
    return got


def test_what_was_committed_is_not_planned_again_after_a_restart(run: Run) -> None:
    run.stream.put(b"one", b"two")
    source = run.start()
    assert [data for _, data in drain(source)] == [b"one", b"two"]
    source.release()
    run.stream.put(b"three")
    assert [data for _, data in drain(run.start())] == [b"three"]


def test_shards_that_were_left_come_first_and_then_those_furthest_behind(kinesis_local: str, moto: str) -> None:
    run = Run(TestStream(kinesis_local, 3), TestTable(moto))
    now = [time.time()]
    run.clock = lambda: now[0]
    source = run.start()
    try:
        one, two, three = (wanted.shard for wanted in source.plan())
        source.commit({one: Reached(START, True, 0), two: Reached(START, False, 5_000)})
        now[0] += 1
        assert [wanted.shard for wanted in source.plan()] == [three, two, one]
        source.commit({three: Reached(START, False, 3_600_000)})
        now[0] += 1
        assert [wanted.shard for wanted in source.plan()] == [two, one, three]
    finally:
        source.release()


def test_children_are_read_after_their_parents_from_the_trim_horizon_on(run: Run) -> None:
    source = run.start()
    assert [wanted.shard for wanted in source.plan()] == [FIRST_SHARD]
    run.stream.put(b"parent")
    run.stream.split()
    run.stream.put(b"child")
    got = drain(source)
    assert [data for _, data in got] == [b"parent", b"child"]
    assert got[0][0] == FIRST_SHARD != got[1][0]
    assert run.checkpoint(FIRST_SHARD) == "SHARD_END"
    assert run.leases.row(SECOND)["parentShardId"] == {"SS": [FIRST_SHARD]}
    assert run.leases.row(SECOND)["leaseOwner"] == run.leases.row(FIRST_SHARD)["leaseOwner"]


def test_a_merged_child_waits_for_both_parents(run: Run) -> None:
    run.stream.split()
    run.stream.merge()
    run.stream.put(b"merged")
    source = run.start()
    orders = []
    while not source.caught_up_since_start():
        orders.append({extent.shard for extent in batch(source)})
    seen = [shards for shards in orders if shards]
    assert seen[0] == {FIRST_SHARD}
    assert all({SECOND, THIRD} & shards == set() or FOURTH not in shards for shards in seen)
    assert FOURTH in seen[-1]
    assert sorted(run.leases.row(FOURTH)["parentShardId"]["SS"]) == [SECOND, THIRD]


def test_a_child_waits_until_the_end_of_its_parent_is_durable(run: Run, moto: str) -> None:
    run.stream.split()
    run.stream.put(b"child")
    with misbehaving(moto) as proxy:
        run.leases = TestTable(proxy.url)
        source = run.start()
        [wanted] = source.plan()
        proxy.errors, proxy.lasting = {"UpdateItem": [""]}, True
        extent = source.reader.read(wanted)
        assert extent.through == END
        source.commit({FIRST_SHARD: Reached(END, True, 0)})
        eventually(lambda: proxy.calls.count("UpdateItem") > 3)
        assert source.plan() == []
        assert not source.caught_up_since_start()
        proxy.errors = {}
        assert [data for _, data in drain(source)] == [b"child"]
        source.release()


def test_children_whose_rows_a_crash_prevented_are_made_by_the_next_driver(run: Run) -> None:
    run.stream.split()
    source = run.start("LATEST")
    source.release()
    for shard in (SECOND, THIRD):
        run.leases.client.delete_item(TableName=run.leases.table.name, Key={"leaseKey": {"S": shard}})
    run.leases.put(FIRST_SHARD, checkpoint={"S": "SHARD_END"})
    run.stream.put(b"child")
    assert [data for _, data in drain(run.start("LATEST"))] == [b"child"]
    assert run.leases.row(SECOND)["parentShardId"] == {"SS": [FIRST_SHARD]}
    assert "startedAt" not in run.leases.row(SECOND)


def test_latest_is_the_time_of_the_first_start_however_often_it_starts(run: Run) -> None:
    run.stream.put(b"before")
    time.sleep(0.01)
    run.start("LATEST").release()
    assert run.checkpoint(FIRST_SHARD) == "LATEST"
    time.sleep(0.01)
    run.stream.put(b"after")
    assert [data for _, data in drain(run.start("LATEST"))] == [b"after"]


def test_a_first_start_that_died_among_its_leases_is_completed_with_the_same_moment(run: Run) -> None:
    run.stream.split()
    time.sleep(0.01)
    run.start("LATEST").release()
    moment = run.leases.row(SECOND)["startedAt"]
    run.leases.client.delete_item(TableName=run.leases.table.name, Key={"leaseKey": {"S": THIRD}})
    time.sleep(0.01)
    source = run.start("LATEST")
    drain(source)
    assert run.leases.row(THIRD)["startedAt"] == moment
    assert run.leases.row(FIRST_SHARD) == {}


def test_a_time_stamp_begins_at_what_arrived_from_then_on(run: Run) -> None:
    run.stream.put(b"before")
    time.sleep(0.01)
    moment = datetime.now(UTC)
    time.sleep(0.01)
    run.stream.put(b"after")
    assert [data for _, data in drain(run.start(moment))] == [b"after"]


def test_a_position_of_kcl_is_continued_and_the_configured_beginning_ignored(run: Run) -> None:
    first, _ = run.stream.put(b"one", b"two")
    run.leases.put(FIRST_SHARD, checkpoint={"S": first})
    assert [data for _, data in drain(run.start("LATEST"))] == [b"two"]


def test_kcl_s_latest_without_a_moment_is_the_time_of_the_takeover(run: Run) -> None:
    run.leases.put(FIRST_SHARD, checkpoint={"S": "LATEST"})
    run.stream.put(b"before")
    time.sleep(0.01)
    source = run.start()
    assert drain(source) == []
    run.stream.put(b"after")
    source.release()
    assert [data for _, data in drain(run.start())] == [b"after"]


def test_kcl_s_time_stamp_has_to_be_given(run: Run) -> None:
    run.leases.put(FIRST_SHARD, checkpoint={"S": "AT_TIMESTAMP"})
    run.stream.put(b"one")
    source = run.start()
    with pytest.raises(Fatal, match="INITIAL_POSITION"):
        source.plan()
    source.release()
    assert [data for _, data in drain(run.start(datetime.now(UTC) - timedelta(minutes=1)))] == [b"one"]


def test_a_range_says_when_its_shard_was_caught_up_with(run: Run) -> None:
    source = run.start()
    before = time.time() * 1000
    [wanted] = source.plan()
    assert (wanted.caught_up_at, wanted.retention_ms, wanted.after) == (None, 24 * 3_600_000, START)
    source.commit({FIRST_SHARD: Reached(START, False, 60_000)})
    [wanted] = source.plan()
    assert wanted.caught_up_at is not None
    assert before - 60_001 <= wanted.caught_up_at <= time.time() * 1000 - 60_000
    assert not source.caught_up_since_start()


def test_a_stream_that_never_rests_is_caught_up_with_once_all_from_before_the_start_is_read(run: Run) -> None:
    source = run.start()
    source.plan()
    source.commit({FIRST_SHARD: Reached(START, False, 60_000)})
    assert not source.caught_up_since_start()
    source.plan()
    source.commit({FIRST_SHARD: Reached(START, False, 0)})
    assert source.caught_up_since_start()


def test_a_stopped_shard_is_left_out_until_its_loss_is_accepted(run: Run) -> None:
    clock = Clock()
    clock.now = time.time()
    run.clock = clock
    source = run.start()
    step(source)
    source.stop_shard(FIRST_SHARD, "trimmed")
    clock.now += LOOK_EVERY
    assert source.plan() == []
    assert not source.caught_up_since_start()
    accepted = int((clock.now + 1) * 1000)
    run.leases.table.accept_loss(FIRST_SHARD, accepted)
    clock.now += LOOK_EVERY
    [wanted] = source.plan()
    assert wanted.caught_up_at == accepted
    assert source.stopped == {}


def test_a_shard_trimmed_away_unread_stops_loudly_until_its_loss_is_accepted(run: Run) -> None:
    clock = Clock()
    clock.now = time.time()
    run.clock = clock
    gone = "shardId-000000000099"
    run.leases.put(gone, checkpoint={"S": "17"})
    source = run.start()
    assert [wanted.shard for wanted in source.plan()] == [FIRST_SHARD]
    assert set(source.stopped) == {gone}
    run.leases.table.accept_loss(gone, int(clock.now * 1000))
    clock.now += LOOK_EVERY
    source.plan()
    assert source.stopped == {}
    eventually(lambda: run.checkpoint(gone) == "SHARD_END")
    clock.now += LOOK_EVERY
    source.plan()
    assert run.leases.row(gone) == {}


def test_the_lease_of_a_finished_and_trimmed_shard_is_deleted(run: Run) -> None:
    run.leases.put("shardId-000000000099", checkpoint={"S": "SHARD_END"})
    run.leases.put(FIRST_SHARD)
    source = run.start()
    drain(source)
    assert run.leases.row("shardId-000000000099") == {}
    assert run.leases.row(FIRST_SHARD) != {}


def remade(run: Run, shards: int = 1) -> None:
    """The stream is deleted and made again under its name."""
    client, name = run.stream.client, run.stream.name
    time.sleep(1.1)  # as long as such a thing takes at least
    client.delete_stream(StreamName=name)
    eventually(lambda: name not in client.list_streams(Limit=1000)["StreamNames"])
    client.create_stream(StreamName=name, ShardCount=shards)
    run.stream.settle()


def goes_on(run: Run, source: KinesisSource, clock: Clock, *shards: str) -> None:
    """An operator accepts the loss of these shards, and the next look sees it."""
    clock.now = max(clock.now, time.time()) + 1
    for shard in shards:
        run.leases.table.accept_loss(shard, int(clock.now * 1000))
    clock.now += LOOK_EVERY


@pytest.fixture
def clock(run: Run) -> Clock:
    clock = Clock()
    clock.now = time.time() + 5  # an operator's decision comes after the stream was made
    run.clock = clock
    return clock


def test_the_end_of_a_shard_hides_no_shard_of_a_stream_that_was_made_again(run: Run, clock: Clock) -> None:
    run.stream.put(b"old")
    run.stream.split()
    source = run.start()
    drain(source)
    source.release()
    assert run.checkpoint(FIRST_SHARD) == "SHARD_END"
    remade(run)
    run.stream.put(b"new")
    source = run.start()
    assert step(source) == []
    assert source.stopped == dict.fromkeys((FIRST_SHARD, SECOND, THIRD), REMADE)
    assert not source.caught_up_since_start()
    goes_on(run, source, clock, FIRST_SHARD)
    assert [data for _, data in step(source)] == [b"new"]
    assert set(source.stopped) == {SECOND, THIRD}
    goes_on(run, source, clock, SECOND, THIRD)
    step(source)
    assert source.stopped == {}
    assert step(source) == []
    source.release()
    run.stream.put(b"newer")
    assert [data for _, data in step(run.start())] == [b"newer"], "what began anew is checkpointed as ever"
    assert "lossAcceptedAt" not in run.leases.row(FIRST_SHARD)


def test_an_old_position_begins_anew_in_a_stream_that_was_made_again(run: Run, clock: Clock) -> None:
    run.stream.put(b"old", b"older")
    source = run.start()
    drain(source)
    source.release()
    before = run.leases.row(FIRST_SHARD)
    remade(run)
    run.stream.put(b"new")
    source = run.start()
    assert step(source) == []
    assert source.stopped == {FIRST_SHARD: REMADE}
    clock.now += LOOK_EVERY
    assert step(source) == [] and source.stopped == {FIRST_SHARD: REMADE}, "nobody has accepted anything"
    run.leases.table.accept_loss(FIRST_SHARD, int(before["streamCreatedAt"]["N"]) + 1)
    clock.now += LOOK_EVERY
    assert step(source) == [] and source.stopped == {FIRST_SHARD: REMADE}, "that was another loss"
    goes_on(run, source, clock, FIRST_SHARD)
    assert [data for _, data in step(source)] == [b"new"]
    eventually(lambda: run.checkpoint(FIRST_SHARD).isdigit())
    assert run.checkpoint(FIRST_SHARD) != before["checkpoint"]["S"]
    assert run.leases.row(FIRST_SHARD)["streamCreatedAt"] != before["streamCreatedAt"]


def test_a_driver_that_leads_meanwhile_sees_that_the_stream_was_made_again(run: Run, clock: Clock) -> None:
    source = run.start()
    drain(source)
    run.stream.split()
    drain(source)
    remade(run)
    run.stream.put(b"new")
    clock.now += LOOK_EVERY
    assert step(source) == []
    assert source.stopped[FIRST_SHARD] == REMADE
    goes_on(run, source, clock, FIRST_SHARD)
    assert [data for _, data in step(source)] == [b"new"]


def test_a_row_of_kcl_at_the_end_of_a_shard_that_is_open_stops_it(run: Run, clock: Clock) -> None:
    run.leases.put(FIRST_SHARD, checkpoint={"S": "SHARD_END"})
    run.stream.put(b"one")
    for _ in range(2):
        source = run.start()
        assert step(source) == []
        assert source.stopped == {FIRST_SHARD: REMADE}
        source.release()
    source = run.start()
    step(source)
    goes_on(run, source, clock, FIRST_SHARD)
    assert [data for _, data in step(source)] == [b"one"]


def test_a_position_that_the_stream_does_not_know_begins_anew_once_its_loss_is_accepted(
    kinesis_local: str, moto: str
) -> None:
    with misbehaving(kinesis_local) as proxy:
        run = Run(TestStream(proxy.url), TestTable(moto))
        clock = Clock()
        clock.now = time.time() + 5
        run.clock = clock
        run.leases.put(FIRST_SHARD, checkpoint={"S": "17"})
        run.stream.put(b"one")

        def refuse(operation: str, request: Message, forward: Forward) -> Message:
            if operation == "GetShardIterator" and request.get("StartingSequenceNumber") == "17":
                raise RefusedError.named("InvalidArgumentException")
            return forward(request)

        proxy.around = refuse
        source = run.start()
        [wanted] = source.plan()
        with pytest.raises(Trimmed) as trimmed:
            source.reader.read(wanted)
        source.stop_shard(FIRST_SHARD, str(trimmed.value))
        goes_on(run, source, clock, FIRST_SHARD)
        assert [data for _, data in step(source)] == [b"one"]
        source.release()


def test_no_shard_of_the_new_stream_is_taken_for_an_ancestor_of_the_old_ones(run: Run, clock: Clock) -> None:
    """Their leases know nothing of it, though they have the names of its children."""
    run.stream.split()
    source = run.start()
    drain(source)
    source.release()
    run.leases.client.delete_item(TableName=run.leases.table.name, Key={"leaseKey": {"S": FIRST_SHARD}})
    remade(run)
    run.stream.put(b"parent")
    run.stream.split()
    run.stream.put(b"child")
    source = run.start("LATEST")
    assert [data for _, data in step(source)] == [b"parent"]
    assert source.stopped == dict.fromkeys((SECOND, THIRD), REMADE)
    eventually(lambda: run.checkpoint(FIRST_SHARD) == "SHARD_END")
    goes_on(run, source, clock, SECOND, THIRD)
    assert [data for _, data in step(source)] == [b"child"]


def test_children_wait_for_a_parent_that_is_stopped_though_its_old_lease_was_at_the_end(run: Run, clock: Clock) -> None:
    run.leases.put(FIRST_SHARD, checkpoint={"S": "SHARD_END"}, streamCreatedAt={"N": "17"})
    run.stream.put(b"parent")
    run.stream.split()
    run.stream.put(b"child")
    source = run.start()
    assert step(source) == []
    assert source.stopped == {FIRST_SHARD: REMADE}
    goes_on(run, source, clock, FIRST_SHARD)
    assert [data for _, data in drain(source)] == [b"parent", b"child"]


def test_rows_that_say_nothing_of_their_stream_are_of_the_one_that_is_there(run: Run) -> None:
    (first, _) = run.stream.put(b"one", b"two")
    run.leases.put(FIRST_SHARD, checkpoint={"S": first})
    source = run.start()
    assert [data for _, data in step(source)] == [b"two"]
    source.release()
    created = run.stream.client.describe_stream_summary(StreamName=run.stream.name)["StreamDescriptionSummary"]
    moment = round(created["StreamCreationTimestamp"].timestamp() * 1000)
    assert run.leases.row(FIRST_SHARD)["streamCreatedAt"] == {"N": str(moment)}


def test_a_position_without_a_time_may_be_of_any_time(run: Run) -> None:
    """As KCL leaves it: where its record is gone, others may be."""
    run.leases.put(FIRST_SHARD, checkpoint={"S": "17"})
    [wanted] = run.start().plan()
    assert (wanted.after, wanted.caught_up_at) == (Position(17), 0)


def test_a_start_at_latest_that_was_never_read_is_caught_up_with_from_then_on(run: Run) -> None:
    [wanted] = run.start("LATEST").plan()
    assert wanted.caught_up_at == wanted.start_at is not None


@pytest.mark.parametrize("ahead", [5.0, -5.0])
@pytest.mark.parametrize("row", [False, True], ids=["a first start", "a row of KCL"])
def test_latest_is_a_time_of_the_stream_whatever_the_clock_of_the_driver(run: Run, ahead: float, row: bool) -> None:
    if row:
        run.leases.put(FIRST_SHARD, checkpoint={"S": "LATEST"})
    run.clock = lambda: time.time() + ahead
    run.stream.put(b"before")
    time.sleep(0.01)
    source = run.start("LATEST")
    source.plan()
    run.stream.put(*[b"after"] * 3)
    assert [data for _, data in step(source)] == [b"after"] * 3


def test_progress_goes_only_forward(run: Run) -> None:
    source = run.start()
    source.plan()
    source.commit({FIRST_SHARD: Reached(Position(10), False, 0)})
    source.commit({FIRST_SHARD: Reached(START, False, 0)})
    source.commit({FIRST_SHARD: Reached(Position(9, 5), False, 0)})
    assert [wanted.after for wanted in source.plan()] == [Position(10)]


def test_progress_of_a_plan_from_before_the_leases_were_taken_again_is_refused(run: Run) -> None:
    source = run.start()
    source.plan()
    assert source.acquire(threading.Event())
    with pytest.raises(LeaseLost):
        source.commit({FIRST_SHARD: Reached(Position(10), False, 0)})


def test_leases_taken_by_another_stop_plan_and_commit(run: Run) -> None:
    source = run.start()
    [wanted] = source.plan()
    run.leases.foreign_beat(wanted.shard)

    def lost() -> bool:
        try:
            source.commit({})
        except LeaseLost:
            return True
        return False

    eventually(lost)
    with pytest.raises(LeaseLost):
        source.plan()
