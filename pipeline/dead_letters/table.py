"""The failover table: dead letters are durable there before the checkpoint passes their messages."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, TypeVar

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws import Aws, is_aws_transient, lasting
from pipeline.dead_letters.items import Item, StoredLetter, UnreadableLetter, from_item, read_moment, to_item
from pipeline.dynamodb import HashKey, ensure_table
from pipeline.messages.identity import letter_key
from pipeline.messages.records import Letter
from pipeline.runtime.retries import retried
from pipeline.runtime.slices import slices

T = TypeVar("T")
R = TypeVar("R")

TABLE_KEY = HashKey("key", "N")
PUT_BATCH = 25
"""Most requests of one BatchWriteItem."""
GET_BATCH = 100
"""Most keys of one BatchGetItem."""
THREADS = 4
ROW_BATCH = 500
_SEEN = {"ProjectionExpression": "#k, first_seen, attempts", "ExpressionAttributeNames": {"#k": "key"}}


UNREADABLE = "unreadable"
"""The reason of letters that say none."""

log = structlog.get_logger()


def warn(odd: UnreadableLetter) -> None:
    """Say which letter is passed over."""
    log.warning("letter passed over", key=odd.key, reason=odd.why)


class LetterCounts(NamedTuple):
    """How many letters there are by reason, and when the oldest one's record arrived."""

    reasons: Counter[str]
    oldest: datetime | None


class _Unfinished(Exception):
    """DynamoDB took the request but has not done all of it: ask again."""


@dataclass(frozen=True)
class DeadLetters:
    """The dead letters of `stream` in the DynamoDB table `table`. Picklable; the client is its process's own.

    Throttling and outages are retried for `seconds` a call, then `Transient` is raised; what does not heal is `Halted`
    or, without credentials, `Fatal`.
    """

    aws: Aws
    table: str
    stream: str
    seconds: float = 30.0

    def ensure(self) -> None:
        """Make the table where it is missing and wait until it can be used. Raises `Fatal` if its key is another."""
        ensure_table(self.aws, self.table, TABLE_KEY, "FAILOVER_TABLE", self.seconds)

    def write(self, letters: Sequence[Letter]) -> None:
        """Make all of `letters` durable. One that is there already keeps its first_seen and counts one attempt more.

        Of several with one key the first counts. Raises `Transient`, `Halted`, `Fatal`; some may be durable by then.
        """
        first_by_key = {letter_key(letter.identity): letter for letter in reversed(letters)}
        deadline = time.monotonic() + self.seconds
        seen: dict[int, Item] = {}
        for found in _in_parallel(partial(self._seen, deadline=deadline), slices(list(first_by_key), GET_BATCH)):
            seen |= found
        now = datetime.now(UTC)
        stored = [self._stored(letter, seen.get(key, {}), now) for key, letter in first_by_key.items()]
        puts = [{"PutRequest": {"Item": to_item(letter)}} for letter in stored]
        _in_parallel(partial(self._apply, deadline=deadline), slices(puts, PUT_BATCH))

    def known(self, keys: Collection[int]) -> set[int]:
        """Those of these keys that have a letter."""
        deadline = time.monotonic() + self.seconds
        return {key for batch in slices(list(keys), GET_BATCH) for key in self._seen(batch, deadline)}

    def _stored(self, letter: Letter, before: Item, now: datetime) -> StoredLetter:
        """Of what an item said before, that counts which can be read: an odd one is mended by being written again."""
        first = _moment(before, "first_seen") or now
        attempts = before.get("attempts", {}).get("N", "0")
        return StoredLetter(letter, self.stream, int(Decimal(attempts)) + 1, first, now)

    def _seen(self, keys: Sequence[int], deadline: float) -> dict[int, Item]:
        """Of `keys`, those in the table, with what a letter keeps when it is written again."""
        wanted = {"Keys": [{"key": {"N": str(key)}} for key in keys], "ConsistentRead": True, **_SEEN}
        call = self.aws.client("dynamodb").batch_get_item
        answers = self._whole(call, {self.table: wanted}, "UnprocessedKeys", deadline)
        found = [item for answer in answers for item in answer["Responses"].get(self.table, [])]
        return {int(item["key"]["N"]): item for item in found}

    def _apply(self, requests: Sequence[Mapping[str, Any]], deadline: float) -> None:
        call = self.aws.client("dynamodb").batch_write_item
        self._whole(call, {self.table: list(requests)}, "UnprocessedItems", deadline)

    def _whole(
        self, call: Callable[..., dict[str, Any]], pending: dict[str, Any], left: str, deadline: float
    ) -> list[dict[str, Any]]:
        """The answers of a batch call, asked again for what an answer names under `left` until nothing is left."""
        answers = []

        def once() -> None:
            nonlocal pending
            answers.append(call(RequestItems=pending))
            pending = answers[-1].get(left, {})
            if pending:
                raise _Unfinished

        self._patiently(once, max(0.0, deadline - time.monotonic()))
        return answers

    def scan(self, odd: Callable[[UnreadableLetter], object] = warn) -> Iterator[StoredLetter]:
        """Every letter in the table, page by page, in no order. `odd`: what to do with those that cannot be read.

        Items without an `event_id` are no letters, and passed by.
        """
        for item in self._items(ConsistentRead=True):
            found = from_item(item)
            if isinstance(found, StoredLetter):
                yield found
            else:
                odd(found)

    def count_by_reason(self) -> LetterCounts:
        """A count at half the cost of `scan`: letters of the last second may be missing, settled ones still there.

        Those without a reason that can be read count as `UNREADABLE`.
        """
        reasons, oldest = Counter[str](), None
        for item in self._items(ProjectionExpression="reason, arrived"):
            reasons[item.get("reason", {}).get("S", UNREADABLE)] += 1
            arrived = _moment(item, "arrived")
            oldest = min(oldest or arrived, arrived) if arrived is not None else oldest
        return LetterCounts(reasons, oldest)

    def _items(self, **request: Any) -> Iterator[dict[str, Any]]:
        scan = partial(
            self.aws.client("dynamodb").scan,
            TableName=self.table,
            FilterExpression="attribute_exists(event_id)",
            **request,
        )
        start: dict[str, Any] = {}
        while True:
            page = self._patiently(partial(scan, **start))
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def delete(self, keys: Iterable[int]) -> None:
        """Settle the letters with these keys; one that is not there is no error."""
        deadline = time.monotonic() + self.seconds
        requests = [{"DeleteRequest": {"Key": {"key": {"N": str(key)}}}} for key in dict.fromkeys(keys)]
        _in_parallel(partial(self._apply, deadline=deadline), slices(requests, PUT_BATCH))

    def _patiently(self, action: Callable[[], R], seconds: float | None = None) -> R:
        try:
            return retried(action, _heals, self.seconds if seconds is None else seconds, what="dead letters")
        except (ClientError, BotoCoreError) as error:
            raise lasting(error, f"dead letters, DynamoDB table {self.table}") from None


def open_letters(
    letters: Iterable[StoredLetter], rows_exist: Callable[[Sequence[bytes]], Collection[bytes]]
) -> Iterator[StoredLetter]:
    """Those of `letters` whose message has no row: a row outranks a letter.

    `rows_exist` says which of some identities (at most `ROW_BATCH`) are in one of the written tables.
    """
    for batch in slices(list(letters), ROW_BATCH):
        rows = rows_exist([stored.letter.identity for stored in batch])
        yield from (stored for stored in batch if stored.letter.identity not in rows)


def _moment(item: Item, name: str) -> datetime | None:
    """None where it is not there or cannot be read."""
    try:
        return read_moment(item.get(name, {}).get("S", ""))
    except ValueError:
        return None


def _heals(error: Exception) -> bool:
    return isinstance(error, _Unfinished) or is_aws_transient(error)


def _in_parallel(action: Callable[[Sequence[T]], R], batches: Iterable[Sequence[T]]) -> list[R]:
    """`action` on every batch. The first error is raised once every thread has ended; batches not begun are dropped."""
    given = list(batches)
    if len(given) < 2:
        return [action(batch) for batch in given]
    with ThreadPoolExecutor(min(THREADS, len(given)), "dead-letters") as pool:
        return list(pool.map(action, given))
