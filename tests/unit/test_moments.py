"""When the rows of a chunk were applied, as SQL."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

import pytest

from pipeline.applying.unit_of_work import lock_order_times


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (datetime(2026, 1, 5, 12), ["2026-01-05 12:00:00.000000", "2026-01-05 12:00:00.000001"]),
        (datetime(2026, 12, 31, 23, 59, 59, 999_999), ["2026-12-31 23:59:59.999999", "2027-01-01 00:00:00.000000"]),
    ],
)
def test_each_row_is_a_microsecond_after_the_one_before(first: datetime, then: list[str]) -> None:
    assert list(islice(lock_order_times(first), 2)) == [f",'{moment}'".encode() for moment in then]
