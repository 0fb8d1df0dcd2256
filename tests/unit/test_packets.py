"""Rows in as many statements as the server's packets ask for."""

from __future__ import annotations

import pytest

from pipeline.mysql.database import AROUND, within


@pytest.mark.parametrize(
    ("lengths", "size", "runs"),
    [
        ([], 100, [0]),
        ([10, 10, 10], 1000, [3]),
        ([84, 84, 84], 2 * 84 + 3 * AROUND, [2, 1]),
        ([84, 84, 84], 2 * 84 + 3 * AROUND - 1, [1, 1, 1]),
        ([500, 1, 500, 1], 100, [1, 1, 1, 1]),
    ],
)
def test_every_row_goes_out_once_in_order_and_in_as_few_runs_as_fit(
    lengths: list[int], size: int, runs: list[int]
) -> None:
    rows = [bytes([number]) * length for number, length in enumerate(lengths)]
    parts = [list(part) for part in within(rows, size)]
    assert [len(part) for part in parts] == runs
    assert [row for part in parts for row in part] == rows
