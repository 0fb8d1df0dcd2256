"""What does not hold, as an audit tells it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple


class Example(NamedTuple):
    """One thing that does not hold. `where`: a place in the stream, a row, an account; without secrets."""

    finding: str
    where: str
    told: str


class Findings:
    """What does not hold: how often, and the first of them. `most`: examples that are kept."""

    def __init__(self, most: int) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: list[Example] = []
        self._most = most

    def add(self, finding: str, where: str, told: str) -> None:
        self.counts[finding] += 1
        if len(self.examples) < self._most:
            self.examples.append(Example(finding, where, told))

    def copy(self) -> Findings:
        """So far."""
        copied = Findings(self._most)
        copied.counts, copied.examples = self.counts.copy(), self.examples.copy()
        return copied
