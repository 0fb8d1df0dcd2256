from __future__ import annotations

from collections.abc import Collection
from typing import NoReturn

from pipeline.kinesis.lineage import missing, readable, removable
from pipeline.kinesis.shards import Shard
from pipeline.leases.lease import Lease
from pipeline.messages.records import END, START, Position

PARENTS: dict[int, tuple[int, ...]] = {0: (), 1: (), 2: (), 3: (), 4: (), 5: (), 6: (0, 1), 7: (2, 3), 8: (6, 7)}
PARENTS |= {9: (5,), 10: (5,)}
"""The example of KCL's lease-lifecycle.md."""


def listed(*, without: Collection[int] = ()) -> dict[str, Shard]:
    shards = (Shard(str(one), tuple(map(str, parents)), (0, 9), False) for one, parents in PARENTS.items())
    return {shard.id: shard for shard in shards if int(shard.id) not in without}


def leases(**positions: Position) -> dict[str, Lease]:
    held = {}
    for name, position in positions.items():
        shard = name.removeprefix("s")
        held[shard] = Lease(shard, checkpoint=position, parents=tuple(map(str, PARENTS[int(shard)])))
    return held


def nobody_asks() -> NoReturn:
    raise AssertionError("asked for the shards at the initial position")


def found(leased: str, at_start: str) -> dict[str, bool]:
    return {shard.id: child for shard, child in missing(listed(), leased.split(), at_start.split)}


def test_an_empty_table_gets_every_shard_from_the_trim_horizon_on_parents_first() -> None:
    order = list(found("", " ".join(listed())))
    assert sorted(order, key=int) == sorted(listed(), key=int)
    assert all(order.index(str(one)) > order.index(str(parent)) for one in PARENTS for parent in PARENTS[one])


def test_only_shards_open_at_the_initial_position_and_their_descendants_begin_an_empty_table() -> None:
    assert found("", "4 9 10 8") == {"4": False, "8": False, "9": False, "10": False}
    assert found("", "4 5 6 7") == {"4": False, "5": False, "6": False, "7": False, "8": True, "9": True, "10": True}


def test_a_gap_beside_leased_shards_begins_at_the_initial_position() -> None:
    assert found("4 5 7", "0 1 2 3 4 5") == {"0": False, "1": False, "6": True, "8": True, "9": True, "10": True}
    assert found("4 5 7", "4 5 6 7") == {"6": False, "8": True, "9": True, "10": True}


def test_ancestors_of_a_leased_shard_are_not_read_again() -> None:
    assert list(missing(listed(), ["4", "8", "9", "10"], nobody_asks)) == []


def test_children_of_leased_shards_need_no_look_at_the_initial_position() -> None:
    shards = {shard.id: child for shard, child in missing(listed(), list("012345"), nobody_asks)}
    assert shards == dict.fromkeys(["6", "7", "8", "9", "10"], True)


def test_a_merged_child_waits_for_the_end_of_both_parents() -> None:
    child = leases(s6=START)
    assert not readable("6", listed(), child | leases(s0=END, s1=Position(5)))
    assert readable("6", listed(), child | leases(s0=END, s1=END))


def test_a_parent_that_was_trimmed_away_or_has_no_lease_holds_nobody_up() -> None:
    assert readable("6", listed(without=[0]), leases(s6=START, s0=Position(5), s1=END))
    assert readable("6", listed(), leases(s6=START))


def test_an_ended_or_trimmed_shard_is_not_readable() -> None:
    assert not readable("4", listed(), leases(s4=END))
    assert not readable("4", listed(without=[4]), leases(s4=Position(5)))


def test_a_lease_goes_once_its_shard_is_ended_and_trimmed_and_its_children_have_begun() -> None:
    assert removable("5", listed(without=[5]), leases(s5=END, s9=Position(1), s10=END))
    assert not removable("5", listed(), leases(s5=END, s9=Position(1), s10=END))
    assert not removable("5", listed(without=[5]), leases(s5=Position(1), s9=Position(1), s10=END))
    assert not removable("5", listed(without=[5]), leases(s5=END, s9=Position(1), s10=START))
    assert not removable("5", listed(without=[5]), leases(s5=END, s9=Position(1)))
