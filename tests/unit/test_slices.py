"""Everything is in one slice, in order, whether it lies there or comes one by one."""

from __future__ import annotations

import pytest

from pipeline.runtime.slices import chunks, slices


@pytest.mark.parametrize(
    ("things", "found"), [(0, []), (1, [[0]]), (3, [[0, 1, 2]]), (4, [[0, 1, 2], [3]]), (6, [[0, 1, 2], [3, 4, 5]])]
)
def test_everything_is_in_one_slice_in_order(things: int, found: list[list[int]]) -> None:
    assert [list(some) for some in slices(range(things), 3)] == found
    assert list(chunks(iter(range(things)), 3)) == found


def test_of_what_comes_no_more_is_taken_than_is_asked_for() -> None:
    coming = iter(range(10))
    assert next(chunks(coming, 3)) == [0, 1, 2]
    assert next(coming) == 3
