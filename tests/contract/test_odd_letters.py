"""Items that somebody else wrote into the table of letters: named and passed over, and no harm to the others."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.dead_letters.items import StoredLetter, UnreadableLetter, to_item
from pipeline.dead_letters.table import UNREADABLE, DeadLetters
from pipeline.runtime import logs
from tests.contract.test_dead_letters import aws_at, letter

Item = dict[str, dict[str, Any]]

ODD: dict[str, tuple[Mapping[str, dict[str, Any] | None], str]] = {
    "no error": ({"error": None}, "its error is missing"),
    "attempts as text": ({"attempts": {"S": "two"}}, "its attempts is of the type S, not N"),
    "attempts in parts": ({"attempts": {"N": "1.5"}}, "its attempts cannot be read"),
    "reason null": ({"reason": {"NULL": True}}, "its reason is of the type NULL, not S"),
    "no payload": ({"payload": None}, "its payload is missing"),
    "payload as text": ({"payload": {"S": "{}"}}, "its payload is of the type S, not M"),
    "another identity": ({"event_id": {"S": "ff" * 16}}, "its key is not that of its event_id"),
    "identity that is no hex": ({"event_id": {"S": "seven"}}, "its event_id cannot be read"),
    "a sequence in words": ({"sequence": {"S": "latest"}}, "its sequence cannot be read"),
    "a day": ({"arrived": {"S": "yesterday"}}, "its arrived cannot be read"),
    "no zone": ({"first_seen": {"S": "2026-01-31T08:00:00"}}, "its first_seen cannot be read"),
    "no stream": ({"stream": None}, "its stream is missing"),
}


def item(number: int, changes: Mapping[str, dict[str, Any] | None]) -> Item:
    """Of a letter, with other attributes, or without them."""
    now = datetime.now(UTC)
    good: Mapping[str, dict[str, Any] | None] = to_item(StoredLetter(letter(number), "byte-henry", 1, now, now))
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


@pytest.fixture
def letters(moto: str) -> DeadLetters:
    table = DeadLetters(aws_at(moto), f"letters-{uuid.uuid4()}", "byte-henry")
    table.ensure()
    return table


def put(letters: DeadLetters, *items: Item) -> None:
    for one in items:
        letters.aws.client("dynamodb").put_item(TableName=letters.table, Item=one)


@pytest.mark.parametrize("what", ODD)
def test_an_odd_item_is_named_with_what_is_wrong_and_the_others_are_read(letters: DeadLetters, what: str) -> None:
    changes, why = ODD[what]
    put(letters, item(7, changes), item(8, {}))
    odd: list[UnreadableLetter] = []
    assert [found.key for found in letters.scan(odd.append)] == [8]
    assert odd == [UnreadableLetter("7", why)]


def test_an_odd_item_is_logged_where_nobody_asks_for_it(
    letters: DeadLetters, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    put(letters, item(7, {"error": None}))
    assert list(letters.scan()) == []
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["key"], line["reason"]) == ("letter passed over", "7", "its error is missing")


@pytest.mark.parametrize("what", ODD)
def test_odd_items_are_counted_and_the_oldest_is_of_those_that_say_when(letters: DeadLetters, what: str) -> None:
    changes, _ = ODD[what]
    put(letters, item(7, changes), item(8, {}))
    counts = letters.count_by_reason()
    assert counts.reasons == ({"missing_field": 1, UNREADABLE: 1} if what == "reason null" else {"missing_field": 2})
    assert counts.oldest is not None and counts.oldest.year == 2021


@pytest.mark.parametrize("what", ODD)
def test_the_service_writes_an_odd_letter_anew(letters: DeadLetters, what: str) -> None:
    changes, _ = ODD[what]
    put(letters, item(7, changes))
    letters.write([letter(7)])
    (found,) = letters.scan()
    assert found.letter == letter(7)
    assert found.attempts == (1 if what.startswith("attempts as") else 2)
