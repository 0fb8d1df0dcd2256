"""Candles of files: CSV and JSON lines, and every line that is wrong by its number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from market.feed.files import FileFeed
from pipeline.runtime.errors import Fatal
from producers.candles import NEW_YORK

CSV = """\
symbol,datetime,open,high,low,close,volume,note
MSFT,2023-08-25 09:31:00,10,11,9,10.50,7,
aapl,2023-08-25 09:30:00,1.10,1.20,1.00,1.15,100,x
MSFT,2023-08-25 09:30:00,10,11,9,10.25,,
MSFT,2023-08-25T13:31:00Z,10,11,9,10.75,8,
"""
BEGAN = 1_692_970_200
GOOD = {"datetime": "2023-08-25 09:30:00", "open": 1, "high": 2, "low": 0.50, "close": "1.5"}


def read(folder: Path, text: str, *symbols: str, name: str = "some.csv") -> FileFeed:
    path = folder / name
    path.write_text(text)
    return FileFeed(path, symbols or ("AAPL", "MSFT"), NEW_YORK)


def test_csv_is_read_by_its_headings_oldest_first_and_the_later_line_of_a_minute_counts(tmp_path: Path) -> None:
    feed = read(tmp_path, CSV)
    bars = feed.latest(feed.symbols, 10).bars
    assert [(bar.at - BEGAN, bar.fields["close"]) for bar in bars["MSFT"]] == [(0, "10.25"), (60, "10.75")]
    assert bars["MSFT"][0].fields.get("volume") is None
    assert json.loads(bars["AAPL"][0].value()) == {
        "datetime": "2023-08-25T13:30:00Z",
        "open": "1.10",
        "high": "1.20",
        "low": "1.00",
        "close": "1.15",
        "volume": "100",
    }
    assert feed.corrected == 1


def test_json_lines_keep_their_figures_as_they_are_written(tmp_path: Path) -> None:
    feed = read(tmp_path, "\n".join([json.dumps(GOOD).replace("0.5", "0.50"), "", ""]), "AAPL")
    (bar,) = feed.latest(["AAPL"], 1).bars["AAPL"]
    assert (bar.at, dict(bar.fields)) == (BEGAN, {"open": 1, "high": 2, "low": "0.50", "close": "1.5"})


def test_history_ends_where_it_is_asked_to_and_symbols_without_candles_have_none(tmp_path: Path) -> None:
    feed = read(tmp_path, CSV, "AAPL", "MSFT", "TSLA")
    assert [bar.at - BEGAN for bar in feed.history(["MSFT"], 10, BEGAN + 59).bars["MSFT"]] == [0]
    assert [bar.at - BEGAN for bar in feed.history(["MSFT"], 1, BEGAN + 60).bars["MSFT"]] == [60]
    assert feed.latest(["TSLA"], 10).bars == {"TSLA": []}
    assert feed.symbols == ["AAPL", "MSFT"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "no JSON object"),
        ("[1]", "no JSON object"),
        (json.dumps({**GOOD, "symbol": "TSLA"}), "'TSLA' is none of SYMBOLS"),
        (json.dumps({**GOOD, "symbol": 3}), "3 is none of SYMBOLS"),
        (json.dumps({**GOOD, "datetime": None}), "missing_field: datetime"),
        (json.dumps({**GOOD, "datetime": "2023-03-12 02:30:00"}), "no_such_time: datetime"),
        (json.dumps({**GOOD, "high": 0.1}), "high_too_low: high"),
        (json.dumps({**GOOD, "close": "NaN"}), "not_finite: close"),
    ],
)
def test_a_line_of_json_that_is_no_candle_is_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(Fatal) as error:
        read(tmp_path, f"{json.dumps(GOOD)}\n\n{line}\n", "AAPL")
    assert str(error.value).endswith(f"some.csv, line 3: {says}")


def test_a_line_of_csv_that_is_no_candle_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="line 3: wrong_type: open"):
        read(tmp_path, CSV.replace("1.10", "1.1O"))
    with pytest.raises(Fatal, match="line 2: no symbol"):
        read(tmp_path, "datetime,open,high,low,close\n2023-08-25 09:30:00,1,1,1,1\n")


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="No such file"):
        FileFeed(tmp_path / "none", ("AAPL",), NEW_YORK)
    (tmp_path / "x").write_bytes(b"symbol,datetime\n\xff\xfe")
    with pytest.raises(Fatal, match="neither CSV nor JSON"):
        FileFeed(tmp_path / "x", ("AAPL",), NEW_YORK)
