"""The picture of a day: views and unique users over its hours, by source, from the table of windows alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from page_views.names import WINDOW_SUMS
from page_views.users import Part, Sums, summed
from pipeline.lake.lake import Lake

HOURS: Final = 24
HOUR: Final = 3600
BARS: Final = " ▁▂▃▄▅▆▇█"


def day_by_source(lake: Lake, begin: int) -> Table:
    """The day from `begin` on (seconds since the epoch), a row per source; users are counted once in a sum."""
    hours = by_source(lake, begin)
    shown = Table("source", "views, hour by hour", "views", "unique users, hour by hour", "users", box=SIMPLE_HEAD)
    for source, own in sorted(hours.items(), key=lambda item: -item[1][HOURS].views):
        views = _bars(own[hour].views for hour in range(HOURS))
        users = _bars(own[hour].users for hour in range(HOURS))
        shown.add_row(source, views, f"{own[HOURS].views:,}", users, f"{own[HOURS].users:,}")
    return shown


def by_source(lake: Lake, begin: int) -> dict[str, dict[int, Sums]]:
    """By source, hour → its sums, and `HOURS` → those of the day."""
    columns = ("window_start", "utm_source", "views", "sessions", "sketch")
    rows = lake.catalog().load_table(WINDOW_SUMS).scan(selected_fields=columns).to_arrow().to_pylist()
    parts: dict[str, dict[int, list[Part]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        hour = int(row["window_start"].timestamp() - begin) // HOUR
        if 0 <= hour < HOURS:
            part = Part(row["views"], row["sessions"], row["sketch"])
            for key in (hour, HOURS):
                parts[row["utm_source"] or "(none)"][key].append(part)
    return {source: {hour: summed(own[hour]) for hour in range(HOURS + 1)} for source, own in parts.items()}


def _bars(numbers: Iterable[int]) -> str:
    """A bar for each, the tallest for the most."""
    found = list(numbers)
    most = max(*found, 1)
    return "".join(BARS[-(-number * (len(BARS) - 1) // most)] for number in found)
