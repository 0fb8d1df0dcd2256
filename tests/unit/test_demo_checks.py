"""The checks that end a demo of the analytics can fail."""

from __future__ import annotations

from collections import Counter
from io import StringIO

import pytest
from rich.console import Console

from demo.acts import Heard
from demo.checks import MOST_SHOWN, Check, told
from tests.market.letters import differences
from tests.topics import Found


def said(*checks: Check) -> tuple[bool, str]:
    console = Console(width=100, file=StringIO(), record=True)
    good = told(checks, "7 records", console)
    return good, console.export_text()


def test_no_difference_is_good() -> None:
    good, text = said(Check("all is well", 3, []))
    assert good
    assert "7 records; 0 differences" in text


def test_differences_are_not_and_the_first_of_them_are_shown() -> None:
    good, text = said(Check("all is well", 3, []), Check("the rest", 99, [f"number {n}." for n in range(30)]))
    assert not good
    assert "7 records; 30 differences" in text
    assert [f"number {n}." in text for n in (0, MOST_SHOWN - 1, MOST_SHOWN)] == [True, True, False]


def test_a_check_of_nothing_is_not_good() -> None:
    good, text = said(Check("all is well", 0, []))
    assert not good
    assert "nothing to check: all is well" in text


def test_what_the_service_tells_is_counted_and_batches_since_it_was_started_last() -> None:
    heard = Heard()
    batch = {"event": "batch", "counts": {"accepted": 5, "corrected": 0}, "letters": {"late": 2}}
    assert str(heard) == "Spark is starting"
    days, months = ({"event": "running", "flow": flow} for flow in ("days", "months"))
    heard.hear(days)
    assert str(heard) == "its first batch is under way"
    for line in (batch, months, batch, batch, days, months, batch):
        heard.hear(line)
    assert (heard.runs, heard.batches, heard.letters) == (2, 1, Counter(late=8))
    assert str(heard) == "20 accepted, 8 letters"


RECORD = Found("aapl", 0, 7, b"k", b"broken", 99, {})
PLACE = ("aapl", 0, 7)


def letter(**changes: object) -> Found:
    headers = {"reason": b"late", "topic": b"aapl", "partition": b"0", "offset": b"7", "timestamp": b"99"}
    given = {name: value for name, value in changes.items() if name in headers}
    fields = {name: value for name, value in changes.items() if name not in headers}
    made = Found("aapl.letters", 1, 0, b"k", b"broken", 100, {**headers, **given})  # type: ignore[dict-item]
    return made._replace(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", ["", "late"])
def test_a_letter_as_it_should_be_is_no_difference(reason: str) -> None:
    assert not differences([letter()], [RECORD], {PLACE: reason})


@pytest.mark.parametrize(
    ("found", "what"),
    [
        ([], "should be a letter"),
        ([letter(), letter()], "2 times"),
        ([letter(), letter(offset=b"8")], "should be no letter"),
        ([letter(value=b"other")], "not as its record came"),
        ([letter(key=None)], "not as its record came"),
        ([letter(timestamp=b"98")], "another time"),
        ([letter(reason=b"not_json")], "says not_json, not late"),
    ],
)
def test_every_difference_of_letters_is_found(found: list[Found], what: str) -> None:
    [line] = differences(found, [RECORD], {PLACE: "late"})
    assert what in line
