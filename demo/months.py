"""A plot of channels' subscribers over the months: lines in a file, and a row of blocks for each on a console."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

BLOCKS: Final = "▁▂▃▄▅▆▇█"
SHOWN: Final = 12
"""Channels on a console, the largest ones."""
NAMED: Final = 10
"""Channels in the file that have a name; the others are lines behind them."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 520, 90, 190, 40, 40
COLOURS: Final = (
    "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#17becf", "#bcbd22", "#3b3b3b",
)  # fmt: skip

Series = Mapping[str, Mapping[str, int]]
"""Channel → month → subscribers."""


def on_console(series: Series) -> Table:
    """The largest channels: how they began, each month as a block, where they are."""
    months = _months(series)
    span = f"{months[0]} to {months[-1]}" if months else ""
    table = Table("channel", "began with", span, "has", "", box=SIMPLE_HEAD)
    for column in (table.columns[1], table.columns[3], table.columns[4]):
        column.justify = "right"
    for channel in _largest(series)[:SHOWN]:
        counts = [series[channel][month] for month in months if month in series[channel]]
        growth = f"{(counts[-1] / max(counts[0], 1) - 1) * 100:+.0f} %"
        table.add_row(channel[:40], f"{counts[0]:,}", _blocks(counts), f"{counts[-1]:,}", growth)
    return table


def as_svg(series: Series) -> str:
    """A line for each channel on a logarithmic scale, the largest with colour and name."""
    months, order = _months(series), _largest(series)
    everything = [max(count, 1) for counts in series.values() for count in counts.values()] or [1]
    lowest, highest = math.floor(math.log10(min(everything))), math.ceil(math.log10(max(everything)))
    scale = _Scale(months, lowest, max(highest, lowest + 1))
    lines = [scale.line(series[channel], "#cccccc", 0.7) for channel in order[NAMED:]]
    for number, channel in enumerate(order[:NAMED]):
        lines.append(scale.line(series[channel], COLOURS[number], 2.0))
        lines.append(scale.named(number, channel, COLOURS[number]))
    title = f"Subscribers of {len(series)} channels, month by month, from the table yt_monthly"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" role="img">'
    )
    text = f'<text x="{LEFT}" y="24" font-size="16">{title}</text>'
    return "\n".join([head, f"<title>{title}</title>", text, *scale.axes(), *lines, "</svg>", ""])


class _Scale:
    """`lowest`, `highest`: powers of ten at the bottom and at the top."""

    def __init__(self, months: Sequence[str], lowest: int, highest: int) -> None:
        self._months, self._lowest, self._highest = months, lowest, highest

    def axes(self) -> list[str]:
        """A line for each power of ten, and a name for each month."""
        found = []
        for digits in range(self._lowest, self._highest + 1):
            y = self._y(10**digits)
            found.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e5e5"/>')
            label = f'<text x="{LEFT - 8}" y="{y + 4:.1f}" font-size="11" text-anchor="end">{10**digits:,}</text>'
            found.append(label)
        for month in self._months:
            place = f'x="{self._x(month):.1f}" y="{HEIGHT - BOTTOM + 18}"'
            found.append(f'<text {place} font-size="11" text-anchor="middle">{month}</text>')
        return found

    def line(self, counts: Mapping[str, int], colour: str, width: float) -> str:
        """One channel's."""
        points = " ".join(f"{self._x(month):.1f},{self._y(counts[month]):.1f}" for month in sorted(counts))
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'

    def named(self, number: int, channel: str, colour: str) -> str:
        """Its entry in the legend."""
        place = f'x="{WIDTH - RIGHT + 16}" y="{TOP + 20 + 18 * number}"'
        return f'<text {place} font-size="12" fill="{colour}">{escape(channel[:24])}</text>'

    def _x(self, month: str) -> float:
        return LEFT + self._months.index(month) * (WIDTH - LEFT - RIGHT) / max(1, len(self._months) - 1)

    def _y(self, count: int) -> float:
        share = (math.log10(max(count, 1)) - self._lowest) / (self._highest - self._lowest)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _months(series: Series) -> list[str]:
    return sorted({month for counts in series.values() for month in counts})


def _largest(series: Series) -> list[str]:
    return sorted(series, key=lambda channel: (-series[channel][max(series[channel])], channel))


def _blocks(counts: Sequence[int]) -> str:
    lowest, highest = min(counts), max(counts)
    step = max(1, highest - lowest) / (len(BLOCKS) - 1)
    return "".join(BLOCKS[round((count - lowest) / step)] for count in counts)
