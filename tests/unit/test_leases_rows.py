from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.leases.lease import Lease, decode, encode
from pipeline.leases.watch import LeaseWatch
from pipeline.messages.records import END, START, Position
from pipeline.runtime.errors import Fatal

moments = st.none() | st.integers(0, 2**45)
names = st.lists(st.from_regex(r"shardId-[0-9]{12}", fullmatch=True), unique=True, max_size=2).map(sorted).map(tuple)
positions = st.one_of(
    st.sampled_from([START, END]), st.builds(Position, st.integers(0, 10**56 - 1), st.integers(0, 10**4))
)


@given(
    st.builds(
        Lease,
        shard=st.just("shardId-000000000000"),
        owner=st.none() | st.uuids().map(str),
        counter=st.integers(0, 2**63),
        switches=st.integers(0, 99),
        checkpoint=positions,
        started_at=moments,
        caught_up_at=moments,
        loss_accepted_at=moments,
        stream_created_at=moments,
        parents=names,
        children=names,
        hash_range=st.none() | st.tuples(st.integers(0, 2**128), st.integers(0, 2**128)),
    )
)
def test_a_row_says_again_what_the_lease_said(lease: Lease) -> None:
    assert decode(encode(lease)) == lease


@given(st.lists(positions, min_size=2, max_size=2))
def test_checkpoints_compare_as_integers_with_the_end_after_all(pair: list[Position]) -> None:
    one, other = (decode(encode(Lease("s", checkpoint=position))) for position in pair)
    assert one is not None
    assert other is not None
    assert (one.checkpoint < other.checkpoint) == (pair[0] < pair[1])
    assert START <= one.checkpoint <= END


@pytest.mark.parametrize("checkpoint", [{}, {"checkpoint": {"S": ""}}, {"checkpoint": {"S": "²"}}])
def test_a_checkpoint_that_is_no_position_is_fatal(checkpoint: dict[str, dict[str, str]]) -> None:
    with pytest.raises(Fatal, match="shard s"):
        decode({"leaseKey": {"S": "s"}, "leaseCounter": {"N": "1"}, **checkpoint})


@pytest.mark.parametrize(
    ("attribute", "value", "says"),
    [
        ("leaseOwner", {"NULL": True}, "its leaseOwner is of DynamoDB's type NULL, not S"),
        ("leaseOwner", {"N": "7"}, "its leaseOwner is of DynamoDB's type N, not S"),
        ("leaseCounter", {"S": "7"}, "its leaseCounter is of DynamoDB's type S, not N"),
        ("caughtUpAt", {"S": "now"}, "its caughtUpAt is of DynamoDB's type S, not N"),
        ("checkpoint", {"N": "17"}, "its checkpoint is of DynamoDB's type N, not S"),
        ("parentShardId", {"L": [{"S": "a"}]}, "its parentShardId is of DynamoDB's type L, not SS"),
        ("startingHashKey", {"S": "first"}, "its hash keys are no numbers"),
    ],
)
def test_a_row_written_by_hand_is_named_with_what_is_wrong_in_it(
    attribute: str, value: dict[str, object], says: str
) -> None:
    row = {**encode(Lease("shardId-7", "me", 3, hash_range=(0, 1))), attribute: value}
    with pytest.raises(Fatal, match=f"^lease of shard shardId-7: {says}: mend the row$"):
        decode(row)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_is_idle_after_standing_still_for_the_fail_over_time() -> None:
    clock = Clock()
    watch = LeaseWatch("me", 10, clock)
    theirs = [Lease("a", "them", 5)]
    assert not watch.idle(theirs)
    clock.now += 9.9
    assert not watch.idle(theirs)
    clock.now += 0.1
    assert watch.idle(theirs)


def test_one_counter_that_moves_keeps_every_lease_alive() -> None:
    clock = Clock()
    watch = LeaseWatch("me", 10, clock)
    for beat in range(5):
        assert not watch.idle([Lease("a", "them", 5), Lease("b", "them", beat)])
        clock.now += 6
    assert not watch.idle([Lease("a", "them", 5), Lease("b", "them", 4)])


def test_a_new_owner_with_the_same_counter_has_moved() -> None:
    clock = Clock()
    watch = LeaseWatch("me", 10, clock)
    watch.idle([Lease("a", "them", 5)])
    clock.now += 10
    assert not watch.idle([Lease("a", "others", 5)])


def test_free_leases_and_our_own_are_idle_at_once() -> None:
    assert LeaseWatch("me", 10, Clock()).idle([Lease("a"), Lease("b", "me", 3)])
