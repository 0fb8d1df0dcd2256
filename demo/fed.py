"""What a feed has sent against what its provider gave."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from demo.checks import Check
from market.calendar import Session
from market.feed.feed import moment
from market.symbols import topic_of
from producers.provider import Provider
from tests.topics import Found

Given = list[tuple[int, dict[str, str]]]


def whole(provider: Provider, session: Session, records: Mapping[str, Sequence[Found]]) -> Check:
    """From the first candle in each topic to the close: none is missing, twice, or other than it was given."""
    lines: list[str] = []
    for symbol in provider.symbols:
        sent = _sent(records[topic_of(symbol)])
        first = sent[0][0] if sent else 0
        given = [(at, dict(fields)) for at, fields in provider.candles(symbol) if at >= first]
        if sent != given or not given or given[-1][0] != session.closes.timestamp() - 60:
            lines.append(f"{symbol}: {_first_difference(sent, given)}")
    things = sum(len(found) for found in records.values())
    return Check("every candle of the provider is in its topic, once, in order, and as it was given", things, lines)


def limits_kept(provider: Provider) -> Check:
    """That no call was refused because of them."""
    lines = [f"refused at {moment(one.at):%H:%M:%S}" for one in provider.asked if one.status == 429]
    return Check("the provider has refused no call because of its limits", len(provider.asked), lines)


def _sent(records: Sequence[Found]) -> Given:
    values = [json.loads(record.value or b"{}") for record in records]
    return [(int(datetime.fromisoformat(value.pop("datetime")).timestamp()), value) for value in values]


def _first_difference(sent: Given, given: Given) -> str:
    for number, (one, other) in enumerate(zip(sent, given, strict=False)):
        if one != other:
            return f"record {number} is of {moment(one[0]):%d %H:%M}, and should be of {moment(other[0]):%d %H:%M}"
    return f"{len(sent):,} candles are there, and {len(given):,} should be"
