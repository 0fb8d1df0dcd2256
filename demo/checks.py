"""What a demo of the analytics has checked, as a table, and the sentence that ends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

MOST_SHOWN: Final = 10
"""Differences of one check that are printed."""


class Check(NamedTuple):
    """`claim` was held against `things`; `differences`: where it is not so, a line each."""

    claim: str
    things: int
    differences: Sequence[str]


def told(checks: Sequence[Check], of_what: str, console: Console) -> bool:
    """Print them; whether there is no difference, and something to differ."""
    table = Table("checked, of the whole run", "things", "differences", box=SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    for check in checks:
        table.add_row(check.claim, f"{check.things:,}", f"{len(check.differences):,}")
    console.print(table)
    for check in checks:
        for line in check.differences[:MOST_SHOWN]:
            console.print(line, markup=False, soft_wrap=True)
    count = sum(len(check.differences) for check in checks)
    empty = [check.claim for check in checks if not check.things]
    for claim in empty:
        console.print(f"nothing to check: {claim}", markup=False, soft_wrap=True)
    good = not count and not empty
    console.print(f"{of_what}; {count:,} differences", style="bold green" if good else "bold red", soft_wrap=True)
    return good
