"""What should have become of applications, told again from what was sent: by other means than the service's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from loan_scoring.application import application_id
from loan_scoring.scorecard import Scorecard
from tests.topics import Found

Place = tuple[str, int, int]
FIELDS = (
    "bc_open_to_buy",
    "total_il_high_credit_limit",
    "dti",
    "annual_inc",
    "bc_util",
    "int_rate",
    "term",
    "loan_amnt",
    "funded_amnt",
)


@dataclass
class Expected:
    """`rows`: id → the fields that were said first, as numbers. `letters`: places of records → reason, "" for any."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    letters: dict[Place, str] = field(default_factory=dict)


def expected(records: Iterable[Found], broken: frozenset[bytes | None], identity: str) -> Expected:
    """Of records in the order in which they count. `broken`: values that are none. `identity`: the topic's."""
    told = Expected()
    for record in records:
        place = (record.topic, record.partition, record.offset)
        if record.value in broken or record.value is None:
            told.letters[place] = ""
            continue
        known_as, said = _said(record, identity)
        if told.rows.setdefault(known_as, said) != said:
            told.letters[place] = "conflict"
    return told


def as_counted(told: Expected, records: Iterable[Found], rows: Iterable[Mapping[str, Any]], identity: str) -> Expected:
    """The same, where of those with one id in several partitions the one counts that is in the table.

    Which of several partitions is read first is nobody's promise; one that says what the table has has to be there.
    """
    there = {row["application_id"]: row["features"] for row in rows}
    members = {row["application_id"]: row["member_id"] for row in rows}
    found = Expected(dict(told.rows), {place: why for place, why in told.letters.items() if why != "conflict"})
    readable = [record for record in records if (record.topic, record.partition, record.offset) not in found.letters]
    said = [(record, *_said(record, identity)) for record in readable]
    for _, known_as, fields in said:
        if known_as in there and _agrees(fields, members[known_as], there[known_as]):
            found.rows[known_as] = fields
    for record, known_as, fields in said:
        if fields != found.rows[known_as]:
            found.letters[record.topic, record.partition, record.offset] = "conflict"
    return found


def _said(record: Found, identity: str) -> tuple[str, dict[str, Any]]:
    fields = json.loads(record.value or b"", parse_float=Decimal)
    own = fields.get("application_id")
    place = (record.topic, identity, record.partition, record.offset)
    return application_id(None if own is None else str(own), *place), numbers(fields)


def _agrees(said: Mapping[str, Any], member: int, there: Mapping[str, Any]) -> bool:
    return bool(said["member_id"] == member and features(said) == [there[name] for name in FIELDS])


def numbers(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an application that can be read, as numbers, percent and months without their names."""
    return {name: number(fields.get(name)) for name in ("member_id", "fund_rate", *FIELDS)}


def number(value: Any) -> float | None:
    """Of whatever says a number in a form that can be read."""
    text = str(value if value is not None else "").lower()
    for mark in ("%", "$", "months", "month", ",", " ", "\u00a0"):
        text = text.replace(mark, "")
    return None if text in ("", "na", "n/a") else float(text)


def features(said: Mapping[str, Any]) -> list[float | None]:
    """In the model's order."""
    return [said[name] / 100 if name == "int_rate" else said[name] for name in FIELDS]


def differences(rows: Iterable[Mapping[str, Any]], told: Expected, cards: Mapping[str, Scorecard]) -> list[str]:
    """What is not in the table as it should be: each application once, its score told again by the version's card."""
    lines, seen = [], set[str]()
    for row in rows:
        known_as = row["application_id"]
        said = told.rows.get(known_as)
        if said is None or known_as in seen:
            lines.append(f"{known_as} should not be there{' twice' if known_as in seen else ''}")
            continue
        seen.add(known_as)
        wrong = [name for name, value in _row(said, cards[row["model_version"]]).items() if not _same(row[name], value)]
        lines += [f"{known_as}: {name} is {row[name]!r}" for name in wrong]
    return [*lines, *(f"{known_as} is missing" for known_as in sorted(told.rows.keys() - seen))]


def _row(said: Mapping[str, Any], card: Scorecard) -> dict[str, Any]:
    values = features(said)
    gone = [said[name] for name in ("bc_open_to_buy", "total_il_high_credit_limit", "bc_util", "dti", "fund_rate")]
    return {
        "member_id": int(said["member_id"]),
        "annual_inc": int(Decimal(repr(said["annual_inc"])).to_integral_value("ROUND_HALF_UP")),
        "funded_amnt": int(Decimal(repr(said["funded_amnt"])).to_integral_value("ROUND_HALF_UP")),
        "data": card.score(values),
        "status": "review" if gone.count(None) > card.most_missing else "success",
        "reasons": card.reasons(values),
    }


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, float):
        return found is not None and abs(found - wanted) < 1e-6
    if isinstance(wanted, list):
        return list(found) == wanted
    return bool(found == wanted)
