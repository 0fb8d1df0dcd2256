"""Many things, as many at a time as fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def slices(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`things` in their order, at most `size` of them at a time; none where there are none."""
    return (things[start : start + size] for start in range(0, len(things), size))


def chunks(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """The same of what comes one by one, and is not taken before it is asked for."""
    coming = iter(things)
    while chunk := list(islice(coming, size)):
        yield chunk
