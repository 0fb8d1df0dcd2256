"""Letters: records that could not be read, in a topic beside their own."""

from __future__ import annotations

SUFFIX = ".letters"
OUTPUT = "letters"
"""What the lanes of letters are called; they are one, since letters are rare."""
ROOM = 64 << 10
"""Bytes that a letter may be larger than its record: headers, and what a batch takes around it."""


def letters_of(topic: str) -> str:
    """The topic of the letters of a topic."""
    return f"{topic}{SUFFIX}"


def topic_of(letters: str) -> str:
    """The topic that these are the letters of."""
    return letters.removesuffix(SUFFIX)
