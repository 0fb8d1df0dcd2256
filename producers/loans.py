"""Applications for loans as the branches' forms send them, all to one topic as JSON: the same bytes for the same seed.

The people are made up with a known truth (`loan_scoring.model.made`). At the rates that are chosen their applications
are written unusually, come again, contradict each other, and are broken.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, Final

from loan_scoring.features import FEATURES
from loan_scoring.model.made import made
from loan_scoring.model.sample import Sample
from producers.made import Due, Made, in_order

TOPIC: Final = "fintech_pyspark"
LATER: Final = 50.0
"""How many applications later, on average, one comes again."""

Fields = dict[str, Any]


@dataclass(frozen=True)
class Mishaps:
    """What goes wrong, as shares of the applications. `ids`: have an id of their own.

    `unusual`: written otherwise, and right. `repeated`: with an id, come again as they were, maybe written otherwise.
    `conflicting`: with an id, come again and say something else. `broken`: cannot be read, and stand beside the good
    ones. `drift`: by how much people are worse off than those of the training.
    """

    ids: float = 0.5
    unusual: float = 0.1
    repeated: float = 0.03
    conflicting: float = 0.01
    broken: float = 0.02
    drift: float = 0.0


def applications(seed: int, number: int, mishaps: Mishaps = Mishaps(), first: int = 0) -> Iterator[Made]:
    """So many applications, and what comes beside them. `first`: where their numbers begin."""
    people, numbers, draw = made(number, seed, drift=mishaps.drift), count(), Random(f"loans {seed}")
    dues = (due for place in range(number) for due in _sent(people, place, first + place, draw, mishaps, numbers))
    return in_order([list(dues)])


def fields_of(people: Sample, place: int, member: int) -> Fields:
    """An application as the forms write it."""
    known = dict(zip(FEATURES, people.features[place].tolist(), strict=True))
    rate = float(people.fund_rate[place])
    fields: Fields = {
        "member_id": member,
        "bc_open_to_buy": _number(known["bc_open_to_buy"]),
        "total_il_high_credit_limit": _number(known["total_il_high_credit_limit"]),
        "dti": _number(known["dti"]),
        "annual_inc": _number(known["annual_inc"]),
        "bc_util": _number(known["bc_util"]),
        "int_rate": f"{known['int_rate'] * 100:.2f}%",
        "term": f" {known['term']:.0f} months",
        "loan_amnt": _number(known["loan_amnt"]),
        "fund_rate": "" if math.isnan(rate) else f"{rate * 100:.2f}%",
        "funded_amnt": _number(known["funded_amnt"]),
        "applicant_group": str(people.group[place]),
    }
    return fields


def _sent(
    people: Sample, place: int, number: int, draw: Random, mishaps: Mishaps, numbers: Iterator[int]
) -> Iterator[Due]:
    fields = fields_of(people, place, 1_000_000 + number)
    named = draw.random() < mishaps.ids
    if named:
        fields = {"application_id": number if draw.random() < 0.3 else f"A-{number:08}", **fields}
    kind, value = "application", _written(fields)
    if draw.random() < mishaps.unusual:
        kind, value = "unusual", _written(draw.choice(UNUSUAL)[1](fields))
    yield Due(place, next(numbers), Made(TOPIC, _key(fields), value, kind))
    again = place + 1 + draw.expovariate(1 / LATER)
    if named and draw.random() < mishaps.repeated:
        told = draw.choice(UNUSUAL)[1](fields)
        yield Due(again, next(numbers), Made(TOPIC, _key(fields), _written(told), "repeated"))
    if named and draw.random() < mishaps.conflicting:
        other = {**fields, "member_id": fields["member_id"] + 7}
        yield Due(again, next(numbers), Made(TOPIC, _key(fields), _written(other), "conflict"))
    if draw.random() < mishaps.broken:
        broken = draw.choice(BROKEN)[1](fields)
        yield Due(place, next(numbers), Made(TOPIC, _key(fields), broken, "broken"))


def _key(fields: Fields) -> bytes:
    return str(fields["member_id"]).encode()


def _written(fields: Fields) -> bytes:
    return json.dumps(fields).encode()


def _number(value: float) -> str:
    """As text, without a fraction where there is none; NA where nobody knows."""
    return "NA" if math.isnan(value) else f"{value:.0f}" if value == int(value) else f"{value:.10g}"


def _with(**changes: Any) -> Callable[[Fields], Fields]:
    return lambda fields: {**fields, **changes}


def _without(name: str) -> Callable[[Fields], Fields]:
    return lambda fields: {other: value for other, value in fields.items() if other != name}


def _each(change: Callable[[str, str], Any], *names: str) -> Callable[[Fields], Fields]:
    """Change those of these fields that are known."""
    return lambda fields: {
        name: change(name, value) if name in names and value not in ("NA", "") else value
        for name, value in fields.items()
    }


def _grouped(separator: str) -> Callable[[str, str], str]:
    def written(_: str, value: str) -> str:
        whole, point, fraction = value.partition(".")
        return f"{int(whole):,}".replace(",", separator) + point + fraction

    return written


AMOUNTS: Final = ("annual_inc", "loan_amnt", "funded_amnt", "bc_open_to_buy", "total_il_high_credit_limit")
UNUSUAL: Final[tuple[tuple[str, Callable[[Fields], Fields]], ...]] = (
    ("numbers as numbers", _each(lambda _, value: json.loads(value), *AMOUNTS, "dti", "bc_util")),
    ("commas", _each(_grouped(","), *AMOUNTS)),
    ("blanks between thousands", _each(_grouped(" "), *AMOUNTS)),
    ("blanks around", _each(lambda _, value: f"  {value} ", *AMOUNTS, "dti", "int_rate")),
    ("signs", _each(lambda _, value: f"+{value}", *AMOUNTS)),
    ("dollars", _each(lambda _, value: f"${value}", *AMOUNTS)),
    ("decimals", _each(lambda _, value: value if "." in value else f"{value}.00", *AMOUNTS)),
    ("a rate without its mark", _each(lambda _, value: value.removesuffix("%"), "int_rate", "fund_rate")),
    ("a rate as a number", _each(lambda _, value: float(value.removesuffix("%")), "int_rate", "fund_rate")),
    ("percent of use", _each(lambda _, value: f"{value}%", "bc_util", "dti")),
    ("a bare term", _each(lambda _, value: int(value.split()[0]), "term")),
    ("a term as text", _each(lambda _, value: value.split()[0], "term")),
    ("n/a", lambda fields: {name: "n/a" if value in ("NA", "") else value for name, value in fields.items()}),
    ("null", lambda fields: {name: None if value in ("NA", "") else value for name, value in fields.items()}),
    ("other fields", _with(purpose="car", emp_title=None, grade=["B", 2])),
)
"""Names of what is unusual, and how it is written."""


def _text(change: Callable[[bytes], bytes | None]) -> Callable[[Fields], bytes | None]:
    return lambda fields: change(_written(fields))


def _wrong(**changes: Any) -> Callable[[Fields], bytes | None]:
    return lambda fields: _written({**_nameless(fields), **changes})


_nameless: Final = _without("application_id")

BROKEN: Final[tuple[tuple[str, Callable[[Fields], bytes | None]], ...]] = (
    ("no value", lambda _: None),
    ("empty", lambda _: b""),
    ("UTF-16", _text(lambda value: value.decode().encode("utf-16"))),
    ("half of it", _text(lambda value: value[: len(value) // 2])),
    ("a list", _text(lambda value: b"[" + value + b"]")),
    ("an empty object", lambda _: b"{}"),
    ("48 months", _wrong(term=" 48 months")),
    ("no term", _wrong(term="")),
    ("a rate of 101", _wrong(int_rate="101%")),
    ("a rate of words", _wrong(int_rate="abc")),
    ("a negative income", _wrong(annual_inc="-65000")),
    ("an income of 1e12", _wrong(annual_inc=1e12)),
    ("no income", _wrong(annual_inc="NA")),
    ("a boolean", _wrong(loan_amnt=True)),
    ("a list of sums", _wrong(loan_amnt=[1, 2])),
    ("NaN", _text(lambda value: value.replace(b'"funded_amnt": "', b'"funded_amnt": NaN, "was": "'))),
    ("a decimal comma", _wrong(dti="18,5")),
    ("a member beyond INT", _wrong(member_id=2**31)),
    ("half a member", _wrong(member_id=12.5)),
    ("an empty id", _wrong(application_id="")),
    ("a long id", _wrong(application_id="x" * 129)),
    ("an id that is a list", _wrong(application_id=["A-1"])),
)
"""Names of what is wrong, and how it is written."""
