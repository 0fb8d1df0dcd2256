"""Letters of a topic against the records that should be letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from tests.market.candle_records import Place
from tests.topics import Found


def place_of(record: Found) -> Place:
    """Where a record lies."""
    return record.topic, record.partition, record.offset


def differences(letters: Iterable[Found], records: Iterable[Found], wanted: Mapping[Place, str]) -> list[str]:
    """What is not the same, a line each. `wanted`: places of records that should be letters → reason, "" for any."""
    sent = {place_of(record): record for record in records}
    lines: list[str] = []
    times = Counter[Place]()
    for letter in letters:
        headers = {name: (value or b"").decode() for name, value in letter.headers.items()}
        place = (headers["topic"], int(headers["partition"]), int(headers["offset"]))
        times[place] += 1
        record = sent.get(place)
        if record is None or place not in wanted:
            lines.append(f"{place} should be no letter ({headers['reason']})")
        elif (letter.key, letter.value) != (record.key, record.value):
            lines.append(f"the letter of {place} is not as its record came")
        elif int(headers["timestamp"]) != record.timestamp:
            lines.append(f"the letter of {place} tells of another time than its record's")
        elif wanted[place] not in ("", headers["reason"]):
            lines.append(f"the letter of {place} says {headers['reason']}, not {wanted[place]}")
    lines += [f"{place} is a letter {count} times" for place, count in times.items() if count > 1]
    return [*lines, *(f"{place} should be a letter" for place in sorted(wanted.keys() - times.keys()))]
