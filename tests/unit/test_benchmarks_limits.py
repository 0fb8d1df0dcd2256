"""The limits of a shard, by a clock of the test's."""

from __future__ import annotations

import pytest

from benchmarks.limits import Limits, Throttled


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _is_let(limits: Limits, call: str = "GetRecords") -> bool:
    try:
        limits.let(call)
    except Throttled:
        return False
    return True


@pytest.mark.parametrize(("megabytes", "seconds"), [(2, 1.0), (10, 5.0), (0.5, 0.25)])
def test_after_an_answer_a_shard_gives_nothing_until_that_many_bytes_are_within_two_megabytes_a_second(
    megabytes: float, seconds: float
) -> None:
    clock = Clock()
    limits = Limits(clock)
    assert _is_let(limits)
    limits.give(int(megabytes * 2**20))
    clock.now += seconds - 0.01
    assert not _is_let(limits)
    assert _is_let(limits, "GetShardIterator")
    clock.now += 0.02
    assert _is_let(limits)


def test_a_shard_answers_five_calls_of_a_kind_in_any_second() -> None:
    clock = Clock()
    limits = Limits(clock)
    for _ in range(5):
        assert _is_let(limits)
        clock.now += 0.1
    assert not _is_let(limits)
    assert _is_let(limits, "GetShardIterator")
    clock.now = 101.01
    assert [_is_let(limits) for _ in range(2)] == [True, False]
    assert limits.told == {
        "GetRecords answered": 6,
        "GetRecords refused: 5 calls a second": 2,
        "GetShardIterator answered": 1,
    }
