"""Letters: records that could not be read, in a topic beside their own."""

from __future__ import annotations

from pipeline.kafka.lane import Row

SUFFIX = ".letters"
OUTPUT = "letters"
"""What the lanes of letters are called; they are one, since letters are rare."""
ROOM = 64 << 10
"""Bytes that a letter may be larger than its record: headers, and what a batch takes around it."""


def letter(
    key: bytes | None,
    value: bytes | None,
    topic: str,
    partition: int,
    offset: int,
    timestamp: int | None,
    reason: str,
    field: str | None = None,
    error: str | None = None,
) -> Row:
    """The letter of a record: the record as it came, and in headers where it lay, when it came (`timestamp`, in ms)
    and why it is a letter; its row is counted as `reason`.
    """
    told = {"reason": reason, "topic": topic, "partition": partition, "offset": offset, "timestamp": timestamp}
    told |= {"field": field, "error": error}
    headers = [(name, str(one).encode()) for name, one in told.items() if one is not None]
    return Row(letters_of(topic), key, value, topic, partition, offset, headers, reason)


def letters_of(topic: str) -> str:
    """The topic of the letters of a topic."""
    return f"{topic}{SUFFIX}"


def topic_of(letters: str) -> str:
    """The topic that these are the letters of."""
    return letters.removesuffix(SUFFIX)
