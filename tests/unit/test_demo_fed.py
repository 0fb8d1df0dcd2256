"""What the demo of the market holds against the provider: every kind of difference is found."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from demo.fed import limits_kept, whole
from market.feed.feed import Bar
from producers.provider import KEY, Provider
from tests.market.feeding import FRIDAY, by_hand, sessions
from tests.topics import Found

SESSION = sessions(1)[0]
PLAN = Provider(("AAPL",), [SESSION], by_hand(FRIDAY), per_minute=1)


def records(values: list[bytes]) -> dict[str, list[Found]]:
    return {"aapl": [Found("aapl", 0, number, b"aapl", value, 0, {}) for number, value in enumerate(values)]}


def sent() -> list[bytes]:
    return [Bar(at, fields).value() for at, fields in PLAN.candles("AAPL")]


def test_a_day_as_it_was_given_has_no_difference() -> None:
    check = whole(PLAN, SESSION, records(sent()))
    assert (check.things, list(check.differences)) == (390, [])
    assert not whole(PLAN, SESSION, records(sent()[100:])).differences, "a topic may begin later"


def altered(values: list[bytes]) -> list[bytes]:
    return [*values[:-1], json.dumps({**json.loads(values[-1]), "close": "1"}).encode()]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda values: values[:200] + values[201:],
        lambda values: values[:200] + values[199:],
        lambda values: [*values[:200], values[201], values[200], *values[202:]],
        lambda values: values[:-1],
        altered,
        lambda values: [],
    ],
)
def test_a_gap_a_repeat_another_order_another_content_and_a_missing_end_are_found(
    spoil: Callable[[list[bytes]], list[bytes]],
) -> None:
    (line,) = whole(PLAN, SESSION, records(spoil(sent()))).differences
    assert line.startswith("AAPL: ")


def test_a_call_that_was_refused_is_found() -> None:
    for _ in range(2):
        PLAN.answer("/time_series", {"symbol": "AAPL", "interval": "1min", "timezone": "UTC"}, KEY)
    check = limits_kept(PLAN)
    assert (check.things, check.differences) == (2, ["refused at 13:30:00"])
