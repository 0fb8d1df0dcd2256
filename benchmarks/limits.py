"""What Kinesis lets out of one shard, for the stand-in to keep to.

As https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html has it: five calls a second of
GetRecords, and five of GetShardIterator; 2 MB a second; 10 MB and 10,000 records an answer.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable

MOST_RECORDS = 10_000
"""Of an answer."""
MOST_BYTES = 10 * 1024 * 1024
"""Of an answer, before Base64."""
BYTES_A_SECOND = 2 * 1024 * 1024
CALLS_A_SECOND = 5
RECORDS_IN = 1_000
"""A second."""


class Throttled(Exception):
    """The answer is ProvisionedThroughputExceededException. Says what was too much."""


class Limits:
    """The limits of one shard with one reader. `told`: how many calls were answered, and how many refused for what.

    A refused call counts for nothing else. `clock`: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.told: Counter[str] = Counter()
        self._clock = clock
        self._answered: dict[str, deque[float]] = {}
        self._paid_at = 0.0

    def let(self, call: str) -> None:
        """Count a call. Raises `Throttled`."""
        now = self._clock()
        answered = self._answered.setdefault(call, deque(maxlen=CALLS_A_SECOND))
        if call == "GetRecords" and now < self._paid_at:
            self._refuse(call, "2 MB a second")
        if len(answered) == CALLS_A_SECOND and now < answered[0] + 1:
            self._refuse(call, f"{CALLS_A_SECOND} calls a second")
        answered.append(now)
        self.told[f"{call} answered"] += 1

    def give(self, size: int) -> None:
        """An answer of `size` bytes: nothing more until that many are within the limit."""
        self._paid_at = self._clock() + size / BYTES_A_SECOND

    def _refuse(self, call: str, why: str) -> None:
        self.told[f"{call} refused: {why}"] += 1
        raise Throttled(f"Rate exceeded for shard: {why}")
