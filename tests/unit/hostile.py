"""Messages that nobody should send, made by hypothesis: bytes, JSON, and messages with odd values, cut or garbled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.unit.alike import GOOD, VALUES
from tests.unit.reading import JSON

Numbers = Mapping[str, Sequence[int]]

FIGURES: Final = (
    st.tuples(st.integers(-99, 10**6), st.sampled_from(("0", "5", "005", "995", "0000005"))).map("%d.%s".__mod__)
    | st.decimals(allow_nan=False, allow_infinity=False).map(str)
    | st.integers(-(2**70), 2**70).map(str)
)
TEXTS: Final = st.datetimes().map(lambda moment: json.dumps(str(moment))) | st.text(max_size=60).map(json.dumps)
LITERALS: Final = st.sampled_from(VALUES) | JSON.map(json.dumps) | FIGURES | TEXTS
"""One JSON value, or what some producer takes for one."""
CHANGES: Final = st.lists(
    st.tuples(st.integers(0, 99), st.one_of(FIGURES, FIGURES, TEXTS, LITERALS, st.none()), st.booleans()), max_size=2
)
"""Which field, what it holds (None: it is left out), and whether the good value is there as well, before it."""
NEW_FIELDS: Final = ("status", "id", "type", "volatility", "extra")
PLACES: Final = st.integers(0, 2**16)
GARBLINGS: Final = ("cut", "replaced", "replaced", "repeated", "utf-16", "utf-16-le", "utf-32", "utf-8-sig")


def hostile(numbers: Numbers) -> st.SearchStrategy[bytes]:
    """Messages; where a field takes one of `numbers` (of accounts, cards, loans), so does the message."""
    whole = _messages(numbers)
    junk = st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | JSON.map(json.dumps).map(str.encode)
    return st.one_of(whole, whole, whole, _garbled(whole), junk)


def examples(messages: st.SearchStrategy[bytes], number: int, start: int) -> list[bytes]:
    """So many messages, the same ones for the same `start`."""
    found: list[bytes] = []

    @seed(start)
    @settings(
        max_examples=number,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(messages)
    def collect(data: bytes) -> None:
        found.append(data)

    collect()
    return found


def _messages(numbers: Numbers) -> st.SearchStrategy[bytes]:
    kinds = st.sampled_from(sorted(GOOD))
    known = {name: st.sampled_from(some) for name, some in numbers.items()}

    @st.composite
    def message(draw: st.DrawFn) -> bytes:
        kind = draw(kinds)
        fields: dict[str, Any] = {**GOOD[kind], "type": kind, "status": 0}
        fields |= {name: draw(some) for name, some in known.items() if name in fields}
        parts = [(name, json.dumps(value)) for name, value in fields.items()]
        for number, literal, again in draw(CHANGES):
            name = (*fields, *NEW_FIELDS)[number % (len(fields) + len(NEW_FIELDS))]
            if not again:
                parts = [part for part in parts if part[0] != name]
            parts += [(name, literal)] if literal is not None else []
        text = "{" + ", ".join(f"{json.dumps(name)}: {literal}" for name, literal in parts) + "}"
        return text.encode("utf-8", "surrogatepass")

    return message()


def _garbled(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.builds(_garble, whole, PLACES, PLACES, st.binary(max_size=4), st.sampled_from(GARBLINGS))


def _garble(data: bytes, one: int, other: int, junk: bytes, how: str) -> bytes:
    first, last = sorted((one % (len(data) + 1), other % (len(data) + 1)))
    if how == "cut":
        return data[:first]
    if how == "replaced":
        return data[:first] + junk + data[last:]
    if how == "repeated":
        return data[:last] + junk + data[first:]
    return data.decode("utf-8", "replace").encode(how)
