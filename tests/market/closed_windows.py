"""Trades, told again: all windows that are closed, from all that lies in the topic."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

LENGTH, EVERY, WATERMARK = 10_000, 5_000, 5_000
"""ms."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Key(NamedTuple):
    """A window of a name; ms since the epoch."""

    name: str
    start: int


def windows(values: Iterable[bytes], watermark: int | None = None) -> dict[Key, list[float]]:
    """Closed windows → their prices. `values`: records that are trades, and not late.

    `watermark`: what closes them, ms; the newest trade less five seconds unless given.
    """
    trades = [value.decode().split(",") for value in values]
    if watermark is None:
        watermark = max(int(fields[4]) for fields in trades) - WATERMARK
    prices: dict[Key, list[float]] = defaultdict(list)
    for fields in trades:
        at = int(fields[4])
        for start in (at // EVERY * EVERY, at // EVERY * EVERY - EVERY):
            if start + LENGTH <= watermark:
                prices[Key(fields[0], start)].append(float(fields[2]))
    return dict(prices)


def messages(windows: Mapping[Key, Sequence[float]]) -> dict[Key, dict[str, Any]]:
    """What the service writes of each."""
    return {
        key: {
            "start": _iso(key.start),
            "end": _iso(key.start + LENGTH),
            "stockName": key.name,
            "avgPrice": math.fsum(prices) / len(prices),
            "minPrice": min(prices),
            "maxPrice": max(prices),
            "count": len(prices),
        }
        for key, prices in windows.items()
    }


def differences(
    found: Iterable[tuple[bytes | None, bytes | None]],
    expected: Mapping[Key, Mapping[str, Any]],
    within: float = 1e-9,
) -> list[str]:
    """What is not the same, a line each. `found`: keys and values of all records of the topic that may be read."""
    lines = []
    seen: set[Key] = set()
    for key, value in found:
        said = message(value or b"{}")
        name = str(said["stockName"])
        window = Key(name, _ms(str(said["start"])))
        wanted = expected.get(window)
        if key != name.encode():
            lines.append(f"{window}: the key is {key!r}")
        if window in seen:
            lines.append(f"{window} is there twice")
        elif wanted is None:
            lines.append(f"{window} should not be there")
        elif said.keys() != wanted.keys() or any(
            not _same(said[field], value, within) for field, value in wanted.items()
        ):
            lines.append(f"{window}: {said} and not {wanted}")
        seen.add(window)
    return [*lines, *(f"{window} is missing" for window in expected.keys() - seen)]


def message(value: bytes) -> dict[str, Any]:
    """What a record of the windows' topic says."""
    return dict(json.loads(value))


def starts(values: Iterable[bytes | None]) -> set[int]:
    """When the windows of these records start, ms."""
    return {_ms(str(message(value)["start"])) for value in values if value}


def _same(found: object, expected: object, within: float) -> bool:
    if isinstance(found, int | float) and isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=within, abs_tol=within)
    return found == expected


def _iso(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ms(written: str) -> int:
    return round((datetime.fromisoformat(written) - _EPOCH) / timedelta(milliseconds=1))
