"""The plot of channels over the months: what it shows is what the table says."""

from __future__ import annotations

import re
from io import StringIO
from xml.etree import ElementTree

from rich.console import Console

from demo.months import as_svg, on_console

SERIES = {
    "small <&>": {"2017-01": 0, "2017-02": 1},
    "large": {"2017-01": 1_000, "2017-02": 5_000, "2017-03": 10_000},
    "late": {"2017-03": 50},
}
SVG = "{http://www.w3.org/2000/svg}"


def test_each_channel_is_a_line_with_a_point_for_each_month_that_it_has() -> None:
    drawn = ElementTree.fromstring(as_svg(SERIES))
    lines = {len((line.get("points") or "").split()): line for line in drawn.iter(f"{SVG}polyline")}
    assert sorted(lines) == [1, 2, 3]
    heights = [float(point.split(",")[1]) for point in (lines[3].get("points") or "").split()]
    assert heights == sorted(heights, reverse=True), "what grows rises"
    texts = {text.text for text in drawn.iter(f"{SVG}text")}
    assert {"small <&>", "large", "2017-02", "10,000"} <= texts


def test_a_console_shows_the_largest_first_with_a_block_for_each_month() -> None:
    console = Console(width=100, record=True, file=StringIO())
    console.print(on_console(SERIES))
    rows = [line.split() for line in console.export_text().splitlines() if re.search("[▁-█]", line)]
    assert [row[0] for row in rows] == ["large", "late", "small"]
    assert (rows[0][1], rows[0][-4], rows[0][-3:]) == ("1,000", "▁▄█", ["10,000", "+900", "%"])


def test_nothing_at_all_is_drawn_as_nothing() -> None:
    assert as_svg({}).startswith("<svg")
    assert on_console({}).row_count == 0
