"""What the service has made of the topics of candles, beside what is to come of all that lies in them."""

from __future__ import annotations

from collections.abc import Iterable

from market.mongo import database
from pipeline.kafka.letters import letters_of
from tests import topics
from tests.market.candle_records import Place, differences, histories

LATE = b"late"


def wrong(kafka: str, mongo: str, name: str, symbols: Iterable[str]) -> list[str]:
    """How collections and letters of these topics differ from what they should be, a line each."""
    found: list[str] = []
    for topic in symbols:
        records = [((r.topic, r.partition, r.offset), r.value) for r in topics.read(kafka, topic)]
        letters = topics.read(kafka, letters_of(topic))
        reasons = {place(letter): letter.headers["reason"] for letter in letters}
        history = histories(records, {where for where, reason in reasons.items() if reason != LATE})[topic]
        found += differences(list(database(mongo, name)[topic].find()), history.documents())
        late = {where for where, reason in reasons.items() if reason == LATE}
        found += [f"late, or not: {where}" for where in late ^ set(history.late)]
        found += [f"{len(letters) - len(reasons)} letters of {topic} are there twice"] * (len(letters) > len(reasons))
    return found


def place(letter: topics.Found) -> Place:
    """Of the record that a letter was."""
    topic, partition, offset = (letter.headers[name] or b"" for name in ("topic", "partition", "offset"))
    return topic.decode(), int(partition), int(offset)
