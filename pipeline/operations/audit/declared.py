"""The accounts and loans that nobody but the service writes, as operators declare them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.console.output import WrongUsage


class Ids(NamedTuple):
    """From `first` to `last`, both included."""

    first: int
    last: int


def read_ids(text: str, what: str) -> list[Ids]:
    """`1-5000,7001`. `what`: they are the ids of these. Raises `WrongUsage`."""
    if not re.fullmatch(r"\d{1,10}(-\d{1,10})?(,\d{1,10}(-\d{1,10})?)*", text):
        raise WrongUsage(f"{text[:60]!r} names no {what}: ids and ranges of them, as 1-5000,7001")
    ranges = [Ids(*(int(end) for end in (part.split("-") * 2)[:2])) for part in text.split(",")]
    return sorted(ranges)


def among(number: int | None, declared: Sequence[Ids]) -> bool:
    """Whether one of the ranges holds it."""
    return number is not None and any(first <= number <= last for first, last in declared)
